package store

import (
	"context"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/mime"
)

// What the edges keep is there after a change of the master key, a restore under the new
// one and a compaction, and the trail vouches for it. What is to be pushed is held by the
// restore, as all that may have gone since; of events the receiver knows the ids.
func TestWhatTheEdgesKeepGoesThroughAll(t *testing.T) {
	ctx := context.Background()
	s := newTestStore(t, Options{})
	s.house(t)
	nurse := address(t, "nurse@b.example")
	request := RequestKey{1}
	const id = TrackID("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	body := s.add(t, text(3000))
	var login []byte
	s.deed(t, func(tx Tx) error {
		var failed error
		do := func(err error) {
			if failed == nil {
				failed = err
			}
		}
		do(tx.PutAlias(Alias{Address: address(t, "ward@b.example"), Members: []mime.Address{nurse}}))
		do(tx.PutAccess(Access{ID: "phone", Account: nurse, Kind: AppPassword, Sum: Fingerprint{1}, Keys: ScramKeys{Salt: []byte("salt"), Iterations: 4096, StoredKey: []byte("stored"), ServerKey: []byte("server")}}))
		do(tx.PutLastUse(nurse, "phone", LastUse{}))
		do(tx.PutHook(Hook{ID: "hook", Account: nurse, URL: "https://app.example/", Secret: []byte("secret")}))
		do(tx.PutEdge(Edge{Owner: "b.example", Host: "ehr.example", Port: 25, User: "u", Password: []byte("password")}))
		do(tx.PutCertCache(CertCache{Name: "b.example", Data: []byte("certificate")}))
		do(tx.PutRequest(request, Request{Track: id, At: s.now()}))
		do(tx.PutSentAs(SentAs{Address: address(t, "list@b.example"), Account: nurse, At: s.now()}))
		do(tx.PutStructure(body, []byte("structure")))
		_, err := tx.Enqueue(Job{Kind: HookJob, Due: s.now(), Sender: nurse, Recipients: []mime.Address{nurse}, Hook: "hook"})
		do(err)
		_, err = tx.Enqueue(Job{Kind: PushJob, Due: s.now(), Body: body, Recipients: []mime.Address{nurse}, Push: Push{Account: nurse}})
		do(err)
		login, err = tx.LoginKey()
		do(err)
		return failed
	})
	whole := func() {
		t.Helper()
		s.sound(t)
		if r := s.verify(t); !r.Whole() {
			t.Errorf("%+v", r)
		}
		err := s.View(ctx, func(tx Tx) error {
			access, err := tx.Access(nurse, "phone")
			if err != nil || string(access.Keys.ServerKey) != "server" {
				t.Errorf("%v", err)
			}
			hook, err := tx.Hook(nurse, "hook")
			if err != nil || string(hook.Secret) != "secret" {
				t.Errorf("%v", err)
			}
			edge, err := tx.Edge("b.example")
			if err != nil || string(edge.Password) != "password" {
				t.Errorf("%v", err)
			}
			certificate, err := tx.CertCache("b.example")
			if err != nil || string(certificate.Data) != "certificate" {
				t.Errorf("%v", err)
			}
			structure, err := tx.Structure(body)
			if err != nil || string(structure) != "structure" {
				t.Errorf("%v", err)
			}
			key, err := tx.LoginKey()
			if err != nil || string(key) != string(login) {
				t.Errorf("%v", err)
			}
			r, err := tx.Request(request)
			if err != nil || r.Track != id {
				t.Errorf("%v", err)
			}
			_, err = tx.SentAs(address(t, "list@b.example"))
			if err != nil {
				t.Error(err)
			}
			state, err := tx.HookState(nurse, "hook")
			if err != nil || state.Waiting != 1 {
				t.Errorf("%+v, %v", state, err)
			}
			total, err := tx.PushTotal(Account{Address: nurse})
			if err != nil || total.Jobs != 1 || total.Bytes != 3000 {
				t.Errorf("%+v, %v", total, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	whole()
	older, copied := s.options.MasterKey, s.backup(t)
	for range 2 {
		s.rotate(t)
		s.reopen(t)
		whole()
	}
	if r := s.restore(t, copied, older); r.Held == 0 || !r.Rewrapped {
		t.Errorf("%+v", r)
	}
	whole()
	held := make(map[JobKind]bool)
	err := s.View(ctx, func(tx Tx) error {
		return tx.EachJob(0, func(j Job) bool {
			held[j.Kind] = j.Held
			return true
		})
	})
	if err != nil || !held[PushJob] || held[HookJob] {
		t.Errorf("%v, %v", held, err)
	}
	for _, via := range []string{"", t.TempDir()} {
		err := s.Close()
		if err == nil {
			_, err = Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Via: via})
		}
		if err != nil {
			t.Fatal(err)
		}
		s.reopen(t)
		whole()
	}
	s.deed(t, func(tx Tx) error {
		n, err := tx.ForgetRequests(s.now().Add(time.Hour), 10)
		if n != 1 {
			t.Errorf("%d requests", n)
		}
		return err
	})
	s.sound(t)
}
