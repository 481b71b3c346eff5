package control

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/store"
)

// records returns what the trail shows for a filter, and that it is whole.
func (s *server) records(t *testing.T, f AuditFilter) (all []audit.Entry) {
	t.Helper()
	must(t, s.ShowAudit(t.Context(), f, func(stored []byte, e *audit.Entry) error {
		if e == nil {
			t.Fatalf("it cannot be read: %s", stored)
		}
		again, err := e.Encode()
		must(t, err)
		if !bytes.Equal(again, stored) {
			t.Errorf("%s was shown as %s", again, stored)
		}
		all = append(all, *e)
		return nil
	}))
	report, err := s.VerifyAudit(t.Context(), nil)
	must(t, err)
	if !report.Whole() {
		t.Error(report.Problem, report.Differences)
	}
	return all
}

// The actor of a command is the user at the other end of the socket, as the kernel
// says, and that of a command without a server the process itself.
func TestActorIsTheSocketsPeer(t *testing.T) {
	s := ours(t, "a.example")
	local, stop := (&Service{Core: s.core}).Local(t.Context())
	must(t, local.AddDomain(t.Context(), "b.example"))
	stop()
	want := fmt.Sprintf("operator:%d", os.Getuid())
	changed := s.records(t, AuditFilter{Action: string(audit.Changed)})
	equal(t, "records", len(changed), 2)
	for _, e := range changed {
		equal(t, "actor", e.Actor, want)
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	must(t, err)
	defer c.Close()
	uid, err := peerOf(c.(*net.UnixConn))
	if err == nil {
		equal(t, "uid", uid, os.Getuid())
	}
}

// Every change goes through one helper, which records it: a new command cannot
// forget to.
func TestEveryChangeIsRecorded(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	// audit.go has the helper, audit_verify.go signs a checkpoint, and the queue
	// records many jobs at once by itself.
	own := map[string]bool{"audit.go": true, "audit_verify.go": true, "queue_change.go": true}
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(t, err)
		if !strings.HasSuffix(name, "_test.go") && !own[name] && bytes.Contains(text, []byte("Store.Update(")) {
			t.Errorf("%s changes the store without s.change", name)
		}
	}
}

func TestAuditFilter(t *testing.T) {
	s := ours(t)
	for i := range 3*auditAtOnce + 7 { // more than two readings
		r := audit.Record{Actor: audit.System, Action: audit.Sealed, Track: fmt.Sprint("t", i%10), At: noon()}
		if i%100 == 0 {
			r.Actor, r.Action = audit.Account("bob@a.example"), audit.Fetched
		}
		if i%500 == 1 {
			r.Parts = []audit.Part{{Recipient: "Bob@a.example"}}
		}
		must(t, s.core.Audit(t.Context(), r))
	}
	for name, tt := range map[string]struct {
		filter AuditFilter
		want   int
	}{
		"all":              {AuditFilter{}, 1507},
		"the latest":       {AuditFilter{Limit: 600}, 600},
		"more than are":    {AuditFilter{Limit: 6000}, 1507},
		"an actor":         {AuditFilter{Actor: "account:bob@a.example"}, 16},
		"a kind of actors": {AuditFilter{Actor: "account"}, 16},
		"half an actor":    {AuditFilter{Actor: "accou"}, 0},
		"an action":        {AuditFilter{Action: "fetched", Limit: 3}, 3},
		"a track":          {AuditFilter{Track: "t3"}, 151},
		"an address":       {AuditFilter{Address: "BOB@a.example"}, 20},
		"since":            {AuditFilter{Since: noon()}, 1507},
		"until":            {AuditFilter{Until: noon()}, 0},
	} {
		all := s.records(t, tt.filter)
		equal(t, name, len(all), tt.want)
		if tt.filter.Limit > 0 && tt.filter.Action == "" {
			equal(t, name+": the last", all[len(all)-1].Number, uint64(1507))
		}
	}
	isRefused(t, "a limit", s.ShowAudit(t.Context(), AuditFilter{Limit: -1}, nil), Invalid)
	isRefused(t, "a limit", s.ShowAudit(t.Context(), AuditFilter{Limit: maxAuditLimit + 1}, nil), Invalid)
	stopped := errors.New("enough")
	err := s.ShowAudit(t.Context(), AuditFilter{}, func([]byte, *audit.Entry) error { return stopped })
	if !errors.Is(err, stopped) {
		t.Errorf("the reader's own error: %v", err)
	}
}

func TestAuditKeyAndCheckpoints(t *testing.T) {
	s := serve(t)
	_, err := s.AuditKey(t.Context())
	isRefused(t, "an empty trail", err, Negative)
	must(t, s.AddDomain(t.Context(), "a.example"))
	key, err := s.AuditKey(t.Context())
	must(t, err)
	again, err := s.AuditKey(t.Context())
	must(t, err)
	equal(t, "key", again, key)
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.PruneAudit(noon().AddDate(1, 0, 0), 1)
		if err != nil {
			return err
		}
		_, err = tx.Checkpoint()
		return err
	}))
	lines, err := s.AuditCheckpoints(t.Context())
	must(t, err)
	equal(t, "lines", len(lines.Lines), 2)
	points, err := audit.ReadCheckpoints(strings.NewReader(strings.Join(lines.Lines, "\n")))
	must(t, err)
	equal(t, "the first", points[0].Mark, audit.Base)
	equal(t, "key id", points[1].KeyID, key.ID)
	report, err := s.VerifyAudit(t.Context(), points)
	must(t, err)
	equal(t, "report", report, audit.Report{First: 2, Last: 2, Entries: 1, Checkpoints: 1, Outside: 1, TooOld: 1, Witness: 2, Rows: 1})
	many := make([]audit.Checkpoint, 60_000) // of some years
	for i := range many {
		many[i] = points[1]
		many[i].Number = uint64(i + 10)
	}
	report, err = s.VerifyAudit(t.Context(), many)
	must(t, err)
	equal(t, "kind", report.Problem.Kind, audit.OutsideForged)
	_, err = call[Outside, audit.Report](t.Context(), s.Client, "audit/verify", Outside{Checkpoints: []string{"nonsense"}})
	isRefused(t, "no checkpoint", err, Invalid)
}
