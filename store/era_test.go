package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/mime"
)

// A record of who had an address that cannot be read is of that address alone: somebody
// had it whenever nobody has it who is there now.
func TestADamagedFormerIsOfItsAddressAlone(t *testing.T) {
	ctx := context.Background()
	gone, other := address(t, "gone@b.example"), address(t, "other@b.example")
	for _, record := range []string{"{", `{}`, `{"address":"other@b.example","to":9}`, `{"address":"gone@b.example","from":3,"to":2}`} {
		for _, next := range []string{"nobody", "an account", "an alias"} {
			s := newTestStore(t, Options{})
			var made Era
			s.untold(t, func(tx *tx) error {
				for _, a := range []mime.Address{gone, other} {
					err := tx.PutAccount(Account{Address: a})
					if err != nil {
						return err
					}
				}
				err := tx.RemoveAccount(gone)
				if err != nil {
					return err
				}
				switch next {
				case "an account":
					err = tx.PutAccount(Account{Address: gone})
				case "an alias":
					err = tx.PutAlias(Alias{Address: gone, Members: []mime.Address{other}})
				}
				if err != nil {
					return err
				}
				made, err = tx.Era()
				if err != nil {
					return err
				}
				return tx.put(bucketFormer, []byte(gone.Key()), []byte(record))
			})
			want := Former{Address: gone, To: Now, Patient: true, Damaged: true}
			if next != "nobody" {
				want.To = made - 1
			}
			s.untold(t, func(tx *tx) error {
				f, err := tx.Former(gone)
				all, listErr := tx.Formers()
				if f != want || err != nil || listErr != nil || len(all) != 1 || all[0] != want {
					t.Errorf("%s, %s: %+v, %v; %+v, %v; want %+v", record, next, f, err, all, listErr, want)
				}
				return nil
			})
			report, err := s.Check(ctx)
			if err != nil || report.Damage != 0 || report.Miscounted != 1 {
				t.Errorf("%s, %s: check: %+v, %v", record, next, report, err)
			}
		}
	}
}

// However many names an account has, what others may send as is written once when it goes.
func TestRemovingAnAccountOfManyNamesIsOnePass(t *testing.T) {
	ehr, zed := address(t, "ehr@b.example"), address(t, "zed@b.example")
	written := func(n int) (changes uint64) {
		s := newTestStore(t, Options{})
		s.untold(t, func(tx *tx) error {
			err := tx.PutAccount(Account{Address: zed})
			if err != nil {
				return err
			}
			senders := []string{zed.Key(), "@b.example"}
			for i := range n {
				a := address(t, fmt.Sprintf("zed%d@b.example", i))
				err := tx.PutAlias(Alias{Address: a, Members: []mime.Address{zed}})
				if err != nil {
					return err
				}
				senders = append(senders, a.Key())
			}
			err = tx.PutAccount(Account{Address: ehr, Senders: senders})
			if err != nil {
				return err
			}
			before, err := tx.Generation()
			if err != nil {
				return err
			}
			err = tx.RemoveAccount(zed)
			if err != nil {
				return err
			}
			after, err := tx.Generation()
			if err != nil {
				return err
			}
			a, err := tx.Account(ehr)
			if len(a.Senders) != 1 {
				t.Errorf("it may send as %q", a.Senders)
			}
			changes = after - before - 2*uint64(n) // each alias goes, and leaves a former
			return err
		})
		return changes
	}
	if one, many := written(1), written(20); one != many {
		t.Errorf("%d and %d writes beside the aliases themselves", one, many)
	}
}

// However often a name comes and goes, who had it is one row of a few octets, and all else
// goes with the account.
func TestANameThatComesAndGoesGathersNothing(t *testing.T) {
	s := newTestStore(t, Options{})
	jane := address(t, "jane@b.example")
	const times, atOnce = 2_000, 500
	rows := func() map[string]int {
		all := make(map[string]int)
		s.untold(t, func(tx *tx) error {
			for _, b := range buckets() {
				if b != bucketAudit && b != bucketCheckpoints && b != bucketMeta {
					all[b] = tx.in(b).Stats().KeyN
				}
			}
			return nil
		})
		return all
	}
	comesAndGoes := func(n int) {
		s.untold(t, func(tx *tx) error {
			for range n {
				err := tx.PutAccount(Account{Address: jane, Patient: true})
				if err == nil {
					err = tx.RemoveAccount(jane)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	comesAndGoes(1)
	once := rows()
	for range times / atOnce {
		comesAndGoes(atOnce)
	}
	if diff := cmp.Diff(once, rows()); diff != "" {
		t.Errorf("rows (-once +often):\n%s", diff)
	}
	s.untold(t, func(tx *tx) error {
		if row := tx.get(bucketFormer, []byte(jane.Key())); len(row) > 200 {
			t.Errorf("%d octets: %s", len(row), row)
		}
		return nil
	})
}
