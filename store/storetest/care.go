package storetest

import (
	"io"
	"os"
	"path/filepath"

	"postern/internal/audit"
	"postern/store"
)

func careTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"RotateKeepsWhatIsSealed": rotateKeeps,
		"VerifyReadsACopy":        verifyCopy,
	}
}

// content reads a message's body.
func (s *suite) content(m store.Message) string {
	s.Helper()
	b, err := s.OpenBody(s.ctx, m.Body)
	s.must(err)
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	s.must(err)
	return string(text)
}

func rotateKeeps(s *suite) {
	box := s.mailbox("x").ID
	before := s.deliver(box, "before")
	began := s.body([]byte("began before"))
	key := store.NewMasterKey()
	s.must(s.Rotate(s.ctx, key, audit.Record{Action: audit.Changed, Object: "master key"}))
	s.equal(s.MasterKeyID(), key.KeyID())
	after := s.deliver(box, "after")
	var ended store.Message
	s.update(func(tx store.Tx) error {
		id, err := tx.PutBody(began)
		if err != nil {
			return err
		}
		ended, err = tx.Append(box, store.Message{Body: id, Received: noon()})
		return err
	})
	s.equal(s.content(before), "before")
	s.equal(s.content(after), "after")
	s.equal(s.content(ended), "began before")
	s.sound()
}

func verifyCopy(s *suite) {
	s.deliver(s.mailbox("x").ID, "text")
	f, err := os.Create(filepath.Join(s.TempDir(), "copy"))
	s.must(err)
	_, err = s.Backup(s.ctx, f)
	s.must(err)
	s.must(f.Close())
	report, err := s.Verify(s.ctx, f.Name())
	s.must(err)
	s.equal(report.Messages, 1)
	s.equal(len(report.Problems), 0)
	s.must(os.Truncate(f.Name(), 4096))
	_, err = s.Verify(s.ctx, f.Name())
	s.is(err, store.ErrCorrupt)
}
