package pickup

import (
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Store changes flags (RFC 9051 §6.4.6).
func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, f *imap.StoreFlags, _ *imap.StoreOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.writable()
	if err != nil {
		return err
	}
	flags, err := parseFlags(f.Flags)
	if err != nil {
		return s.reply("store", err)
	}
	change := FlagChange{Op: flagOp(f.Op), Flags: flags, UnchangedSince: s.asked.unchanged}
	positions := v.resolve(set)
	if len(positions) == 0 {
		return nil
	}
	uids := v.uids(positions)
	after, err := v.box.SetFlags(s.ctx, uids, change)
	for _, m := range after {
		i, ok := v.find(m.UID)
		if !ok {
			continue
		}
		unsent := s.stored(w, v, i, m, change, f.Silent)
		if unsent != nil {
			return s.reply("store", unsent)
		}
	}
	if err == nil && len(after) < len(uids) && change.UnchangedSince != nil {
		err = s.tellModified(w, v, set, uids, after)
	}
	return s.reply("store", err)
}

func flagOp(op imap.StoreFlagsOp) FlagOp {
	switch op {
	case imap.StoreFlagsAdd:
		return AddFlags
	case imap.StoreFlagsDel:
		return RemoveFlags
	}
	return ReplaceFlags
}

// stored takes a message's new flags into the view. A silent change is told
// only if another session's change came with it (RFC 9051 §6.4.6), but for its
// sequence, of those who know of sequences (RFC 7162 §3.1.3).
func (s *session) stored(w *imapserver.FetchWriter, v *view, i int, m Message, c FlagChange, silent bool) error {
	e := &v.entries[i]
	expected, err := c.Apply(e.Flags)
	changed := m.ModSeq != e.ModSeq
	e.Message = m
	v.learn(m.Flags)
	if silent {
		e.dirty = e.dirty || err != nil || !sameFlags(expected, m.Flags)
		if e.dirty || !s.aware || !changed {
			return nil
		}
	}
	e.dirty = false
	if s.aware {
		s.tellModSeq(uint32(i+1), m.ModSeq)
	}
	out := w.CreateMessage(uint32(i + 1))
	out.WriteUID(imap.UID(m.UID))
	if !silent {
		out.WriteFlags(wireFlags(m.Flags))
	}
	return out.Close()
}

// Expunge removes messages that are marked \Deleted, all or those of a set
// (RFC 9051 §6.4.3, §6.4.9). The client learns of it from the Poll that
// follows. CLOSE comes here too, with a writer that writes nowhere.
func (s *session) Expunge(w *imapserver.ExpungeWriter, set *imap.UIDSet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.writable()
	if err != nil {
		if *w == (imapserver.ExpungeWriter{}) {
			return nil // CLOSE of a mailbox that is only read (RFC 9051 §6.4.1)
		}
		return err
	}
	positions := flatten([]span{{0, len(v.entries)}})
	if set != nil {
		positions = v.resolve(*set)
	}
	uids := v.deleted(positions)
	if len(uids) == 0 {
		return nil
	}
	return s.reply("expunge", v.box.Expunge(s.ctx, uids))
}

// deleted lists the UIDs of those messages that have \Deleted.
func (v *view) deleted(positions []int) []uint32 {
	var uids []uint32
	for _, i := range positions {
		if e := &v.entries[i]; !e.gone && hasFlag(e.Flags, string(imap.FlagDeleted)) {
			uids = append(uids, e.UID)
		}
	}
	return uids
}

// Copy copies messages to another mailbox (RFC 9051 §6.4.7).
func (s *session) Copy(set imap.NumSet, dest string) (*imap.CopyData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return nil, err
	}
	uids := v.uids(v.resolve(set))
	if len(uids) == 0 {
		return nil, nil
	}
	r, err := v.box.Copy(s.ctx, uids, dest)
	if err != nil {
		return nil, s.tryCreate("copy", err)
	}
	return copyData(r), nil
}

// Move moves messages to another mailbox in one transaction (RFC 6851). COPYUID
// comes first; the EXPUNGE responses come from the Poll that follows.
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.writable()
	if err != nil {
		return err
	}
	uids := v.uids(v.resolve(set))
	if len(uids) == 0 {
		return nil
	}
	r, err := v.box.Move(s.ctx, uids, dest)
	if err != nil {
		return s.tryCreate("move", err)
	}
	data := copyData(r)
	if data == nil {
		return nil
	}
	return w.WriteCopyData(data)
}

// copyData is nil when nothing was copied, for there is no empty COPYUID.
func copyData(r CopyResult) *imap.CopyData {
	if len(r.From) == 0 {
		return nil
	}
	return &imap.CopyData{UIDValidity: r.UIDValidity, SourceUIDs: uidSet(r.From), DestUIDs: uidSet(r.To)}
}

// Append stores a message (RFC 9051 §6.3.12). The library has compared its size
// with AppendLimit.
func (s *session) Append(name string, r imap.LiteralReader, o *imap.AppendOptions) (*imap.AppendData, error) {
	user, err := s.whom()
	if err != nil {
		return nil, err
	}
	flags, err := parseFlags(o.Flags)
	if err != nil {
		return nil, s.reply("append", err)
	}
	body := &exactReader{r: r, left: r.Size()}
	res, err := user.Append(s.ctx, name, NewMessage{Flags: flags, Received: o.Time}, body)
	if err != nil {
		return nil, s.tryCreate("append", err)
	}
	return &imap.AppendData{UIDValidity: res.UIDValidity, UID: imap.UID(res.UID)}, nil
}

// errBrokeOff says that the client, or the connection to it, ended within a literal.
var errBrokeOff = errors.New("a literal broke off")

// An exactReader makes a literal that breaks off an error, so that no half
// message is stored.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errBrokeOff, err)
	}
	return n, err
}
