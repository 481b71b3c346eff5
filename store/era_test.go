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
	for _, record := range []string{"{", `{}`, `{"address":"other@b.example","tenures":[{"to":9}]}`, `{"address":"gone@b.example","tenures":[]}`,
		`{"address":"gone@b.example","tenures":[{"from":3,"to":2}]}`, `{"address":"gone@b.example","tenures":[{"from":3,"to":5},{"from":5,"to":6}]}`} {
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
			want := Former{Address: gone, Tenures: []Tenure{{To: Now, Patient: true}}, Damaged: true}
			if next != "nobody" {
				want.Tenures[0].To = made - 1
			}
			s.untold(t, func(tx *tx) error {
				f, err := tx.Former(gone)
				all, listErr := tx.Formers()
				if diff := cmp.Diff([]Former{want, want}, append(all, f), cmp.Comparer(mime.Address.Same)); diff != "" || err != nil || listErr != nil {
					t.Errorf("%s, %s: %v; %v (-want +got):\n%s", record, next, err, listErr, diff)
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

// However often a name comes and goes, who had it is one bounded row, and all else goes with
// the account.
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
		if row := tx.get(bucketFormer, []byte(jane.Key())); len(row) > 100+50*maxTenures {
			t.Errorf("%d octets: %s", len(row), row)
		}
		return nil
	})
}

// What a damaged record is taken for is of those before who has the address, and stays so
// when he goes: of his own time is what his own record says.
func TestADamagedFormerSaysNothingOfWhoFollows(t *testing.T) {
	a := address(t, "a@b.example")
	for _, row := range []struct {
		name    string
		damaged []string // buckets
		want    []Tenure
	}{
		{"neither", nil, []Tenure{{From: 1, To: 1}, {From: 3, To: 3}}},
		{"who had it", []string{bucketFormer}, []Tenure{{From: 0, To: 2, Patient: true}, {From: 3, To: 3}}},
		{"who has it", []string{bucketAccounts}, []Tenure{{From: 1, To: 1}, {From: 2, To: 3, Patient: true}}},
		{"both", []string{bucketFormer, bucketAccounts}, []Tenure{{From: 0, To: 3, Patient: true}}},
	} {
		s := newTestStore(t, Options{})
		s.untold(t, func(tx *tx) error {
			for _, do := range []func() error{
				func() error { return tx.PutAccount(Account{Address: a}) },
				func() error { return tx.RemoveAccount(a) },
				func() error { return tx.PutAccount(Account{Address: a}) },
			} {
				err := do()
				if err != nil {
					return err
				}
			}
			for _, bucket := range row.damaged {
				err := tx.put(bucket, []byte(a.Key()), []byte("{"))
				if err != nil {
					return err
				}
			}
			err := tx.RemoveAccount(a)
			if err != nil {
				return err
			}
			f, err := tx.Former(a)
			if diff := cmp.Diff(row.want, f.Tenures); diff != "" {
				t.Errorf("damaged: %s (-want +got):\n%s", row.name, diff)
			}
			return err
		})
	}
}

// Where it cannot be read whether a patient controlled an address, one did: the certificate
// of its domain never speaks for a patient's (BB-35).
func TestWhoseRecordIsDamagedWasAPatient(t *testing.T) {
	a, b, alias, group := address(t, "a@b.example"), address(t, "b@b.example"), address(t, "alias@b.example"), address(t, "group@b.example")
	remove := func(of mime.Address) func(*tx) error { return func(tx *tx) error { return tx.RemoveAccount(of) } }
	for _, row := range []struct {
		name, bucket  string
		damaged, left mime.Address
		leave         func(*tx) error
		want          bool
	}{
		{"nothing", bucketAccounts, mime.Address{}, a, remove(a), false},
		{"an account that is removed", bucketAccounts, a, a, remove(a), true},
		{"an account that is made anew", bucketAccounts, a, a, func(tx *tx) error { return tx.PutAccount(Account{Address: a}) }, true},
		{"the account behind an alias", bucketAccounts, a, alias, remove(a), true},
		{"an alias", bucketAliases, alias, alias, func(tx *tx) error { return tx.RemoveAlias(alias) }, true},
		{"a member of a group", bucketAccounts, a, group, func(tx *tx) error { return tx.RemoveAlias(group) }, false},
	} {
		s := newTestStore(t, Options{})
		s.untold(t, func(tx *tx) error {
			for _, do := range []func() error{
				func() error { return tx.PutAccount(Account{Address: a}) },
				func() error { return tx.PutAccount(Account{Address: b}) },
				func() error { return tx.PutAlias(Alias{Address: alias, Members: []mime.Address{a}}) },
				func() error { return tx.PutAlias(Alias{Address: group, Group: true, Members: []mime.Address{a, b}}) },
			} {
				err := do()
				if err != nil {
					return err
				}
			}
			if !row.damaged.IsZero() {
				err := tx.put(row.bucket, []byte(row.damaged.Key()), []byte("{"))
				if err != nil {
					return err
				}
			}
			err := row.leave(tx)
			if err != nil {
				return err
			}
			f, err := tx.Former(row.left)
			if len(f.Tenures) != 1 || f.Tenures[0].Patient != row.want {
				t.Errorf("%s: %+v", row.name, f)
			}
			return err
		})
	}
}
