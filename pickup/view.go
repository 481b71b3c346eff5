package pickup

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A view is a mailbox as one session's client knows it. Sequence numbers are
// positions in it, so a message that is gone stays until its EXPUNGE may be
// sent (RFC 9051 §7.5.1). All that a view knows of the mailbox it learns from
// the backend by modification sequence; sessions share nothing.
type view struct {
	box      Mailbox
	readOnly bool
	info     MailboxInfo // as of the SELECT
	modSeq   uint64      // up to which changes are in entries
	entries  []entry     // in the order of UIDs
	told     int         // the number of messages the client knows of
	keywords map[string]string
	newWords bool // keywords grew since they were last sent
	saved    []uint32
	taken    taken
	modSeqs  func(seqNum uint32, modSeq uint64) // is told of each FETCH that comes; may be nil
}

// An entry is a message as the client knows it.
type entry struct {
	Message
	gone  bool // expunged, and the client does not know yet
	dirty bool // with other flags than the client knows
	noted bool // as about to be read
}

// maxKeywords bounds the keywords that are announced of a mailbox.
const maxKeywords = 256

func openView(ctx context.Context, box Mailbox, readOnly bool) (*view, error) {
	info, messages, err := box.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the messages of a mailbox: %w", err)
	}
	v := &view{
		box:      box,
		readOnly: readOnly,
		info:     info,
		modSeq:   info.ModSeq,
		entries:  make([]entry, len(messages)),
		told:     len(messages),
		keywords: map[string]string{},
	}
	for i, m := range messages {
		v.entries[i].Message = m
		v.learn(m.Flags)
	}
	v.newWords = false
	return v, nil
}

// learn remembers keywords, which are announced before they are used.
func (v *view) learn(flags []string) {
	for _, f := range flags {
		if strings.HasPrefix(f, `\`) {
			continue
		}
		key := strings.ToLower(f)
		if _, ok := v.keywords[key]; ok || len(v.keywords) >= maxKeywords {
			continue
		}
		v.keywords[key] = f
		v.newWords = true
	}
}

// flags lists the flags in use, for FLAGS.
func (v *view) flags() []imap.Flag {
	var words []string
	for _, f := range v.keywords {
		words = append(words, f)
	}
	sort.Strings(words)
	return append(append([]imap.Flag(nil), systemFlags[:]...), wireFlags(words)...)
}

// find returns the position of a UID.
func (v *view) find(uid uint32) (int, bool) {
	i := sort.Search(len(v.entries), func(i int) bool { return v.entries[i].UID >= uid })
	return i, i < len(v.entries) && v.entries[i].UID == uid
}

// refresh brings in what changed since the last time.
func (v *view) refresh(ctx context.Context) error {
	changes, err := v.box.Changes(ctx, v.modSeq)
	if errors.Is(err, ErrPruned) {
		changes, err = v.compare(ctx)
	}
	if err != nil {
		return fmt.Errorf("reading the changes of a mailbox: %w", err)
	}
	v.apply(changes)
	return nil
}

// compare finds the changes by comparing whole listings.
func (v *view) compare(ctx context.Context) (Changes, error) {
	info, messages, err := v.box.Snapshot(ctx)
	if err != nil {
		return Changes{}, err
	}
	changes := Changes{ModSeq: info.ModSeq, Messages: messages}
	alive := make(map[uint32]struct{}, len(messages))
	for _, m := range messages {
		alive[m.UID] = struct{}{}
	}
	for i := range v.entries {
		if _, ok := alive[v.entries[i].UID]; !ok {
			changes.Expunged = append(changes.Expunged, v.entries[i].UID)
		}
	}
	return changes, nil
}

func (v *view) apply(c Changes) {
	for _, uid := range c.Expunged {
		if i, ok := v.find(uid); ok {
			v.entries[i].gone = true
		}
	}
	var fresh []entry
	for _, m := range c.Messages {
		i, ok := v.find(m.UID)
		switch {
		case ok && m.ModSeq > v.entries[i].ModSeq:
			v.entries[i].dirty = v.entries[i].dirty || v.modSeqs != nil || !sameFlags(v.entries[i].Flags, m.Flags)
			v.entries[i].Message = m
			v.learn(m.Flags)
		case !ok && i == len(v.entries):
			fresh = append(fresh, entry{Message: m})
			v.learn(m.Flags)
		}
	}
	sort.Slice(fresh, func(i, j int) bool { return fresh[i].UID < fresh[j].UID })
	v.entries = append(v.entries, fresh...)
	v.modSeq = max(v.modSeq, c.ModSeq)
}

// An updateWriter takes the untagged responses that tell of changes.
type updateWriter interface {
	WriteExpunge(seqNum uint32) error
	WriteNumMessages(n uint32) error
	WriteMailboxFlags(flags []imap.Flag) error
	WriteMessageFlags(seqNum uint32, uid imap.UID, flags []imap.Flag) error
}

// tell sends what the client does not know yet: removals, if they are allowed,
// then new messages, then flags.
func (v *view) tell(w updateWriter, allowExpunge bool) error {
	if allowExpunge {
		err := v.tellExpunged(w)
		if err != nil {
			return err
		}
	}
	if len(v.entries) != v.told {
		v.told = len(v.entries)
		err := w.WriteNumMessages(uint32(v.told))
		if err != nil {
			return fmt.Errorf("writing EXISTS: %w", err)
		}
	}
	if v.newWords {
		v.newWords = false
		err := w.WriteMailboxFlags(v.flags())
		if err != nil {
			return fmt.Errorf("writing FLAGS: %w", err)
		}
	}
	for i := range v.entries {
		e := &v.entries[i]
		if !e.dirty || e.gone {
			continue
		}
		e.dirty = false
		if v.modSeqs != nil {
			v.modSeqs(uint32(i+1), e.ModSeq)
		}
		err := w.WriteMessageFlags(uint32(i+1), imap.UID(e.UID), wireFlags(e.Flags))
		if err != nil {
			return fmt.Errorf("writing FETCH: %w", err)
		}
	}
	return nil
}

// tellExpunged goes from the last message to the first, so that no removal
// shifts the sequence number of a later one.
func (v *view) tellExpunged(w updateWriter) error {
	for i := len(v.entries) - 1; i >= 0; i-- {
		if !v.entries[i].gone {
			continue
		}
		if i >= v.told {
			continue // never announced
		}
		err := w.WriteExpunge(uint32(i + 1))
		if err != nil {
			return fmt.Errorf("writing EXPUNGE: %w", err)
		}
	}
	kept := v.entries[:0]
	told := 0
	for i, e := range v.entries {
		if e.gone {
			continue
		}
		if i < v.told {
			told++
		}
		kept = append(kept, e)
	}
	clear(v.entries[len(kept):])
	v.entries, v.told = kept, told
	return nil
}
