package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/pickup"
	"postern/store"
)

// Bounds of one transaction that notes what is read: it must not hold others up,
// and its UIDs must fit into one record of the audit trail.
const (
	readAtOnce   = atOnce
	rangesAtOnce = 40
)

// Read notes who is about to read what, once a session, in the audit trail. What
// cannot be noted is not to be read: each error is one of the moment.
func (b *mailbox) Read(ctx context.Context, uids []uint32, add []string) ([]pickup.Message, error) {
	if len(add) == 0 {
		uids = b.noted.unknown(b.id, uids)
	}
	var changed []pickup.Message
	for len(uids) > 0 {
		n := within(uids)
		some, err := b.readSome(ctx, uids[:n], add)
		if err != nil {
			return nil, fmt.Errorf("noting what is read: %w", atTheMoment(err))
		}
		changed = append(changed, some...)
		uids = uids[n:]
	}
	return changed, nil
}

// Took notes the first time in the message and in its track. What was sent was sent,
// whoever is shut out since: that is written whatever became of the login.
func (b *mailbox) Took(ctx context.Context, uids []uint32) error {
	for some := range slices.Chunk(b.taken.unknown(b.id, uids), atOnce) {
		var took []store.Message
		err := b.store.Store.Update(ctx, func(tx store.Tx) error {
			took = nil
			return b.each(tx, some, func(m store.Message) error {
				took = append(took, m)
				return b.readOne(tx, m)
			})
		})
		if err != nil {
			return fmt.Errorf("noting what was read: %w", atTheMoment(err))
		}
		b.taken.add(b.id, took)
	}
	return nil
}

// Searching notes once a session that bodies of a mailbox are searched, in the
// audit trail. Nothing is marked as read: a search shows no message.
func (b *mailbox) Searching(ctx context.Context, messages int) error {
	if b.searched.has(b.id, anyUID) {
		return nil
	}
	err := b.store.Update(ctx, func(tx store.Tx) error {
		box, err := tx.Mailbox(b.id)
		if err != nil {
			return err
		}
		return tx.Audit(audit.Record{
			At: b.options.Now(), Actor: audit.Account(b.account.String()), Action: audit.Searched,
			Object: auditObject(box), Detail: fmt.Sprintf("the bodies of %d messages, over %s from %s", messages, b.via, b.remote),
		})
	})
	if err != nil {
		return fmt.Errorf("noting a search: %w", atTheMoment(err))
	}
	b.searched.add(b.id, []store.Message{{UID: anyUID}})
	return nil
}

// anyUID stands for all messages of a mailbox.
const anyUID = 1

// atTheMoment makes an error one that may be over later, unless the mailbox or the
// flags are at fault.
func atTheMoment(err error) error {
	err = translate(err)
	for _, known := range []error{pickup.ErrNoMailbox, pickup.ErrRevoked, pickup.ErrLimit, pickup.ErrUnavailable, context.Canceled} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", pickup.ErrUnavailable, err)
}

// within is how many of the UIDs fit into one transaction.
func within(uids []uint32) int {
	ranges := 0
	for i, uid := range uids {
		if i == 0 || uid != uids[i-1]+1 {
			ranges++
		}
		if i == readAtOnce || ranges > rangesAtOnce {
			return i
		}
	}
	return len(uids)
}

// readSome is Read in one transaction.
func (b *mailbox) readSome(ctx context.Context, uids []uint32, add []string) ([]pickup.Message, error) {
	var changed []pickup.Message
	var read []store.Message
	err := b.store.Update(ctx, func(tx store.Tx) error {
		changed, read = nil, nil
		err := b.each(tx, uids, func(m store.Message) error {
			after, err := b.addFlags(tx, m, add)
			if err != nil {
				return err
			}
			if after.ModSeq != m.ModSeq {
				changed = append(changed, message(after))
			}
			if b.noted.has(b.id, m.UID) {
				return nil
			}
			read = append(read, m)
			return nil
		})
		if err != nil || len(read) == 0 {
			return err
		}
		return b.audit(tx, read)
	})
	if err == nil {
		b.noted.add(b.id, read)
	}
	return changed, err
}

func (b *mailbox) addFlags(tx store.Tx, m store.Message, add []string) (store.Message, error) {
	if len(add) == 0 {
		return m, nil
	}
	flags, err := pickup.FlagChange{Op: pickup.AddFlags, Flags: add}.Apply(m.Flags)
	if err != nil {
		return m, err
	}
	return tx.SetFlags(b.id, m.UID, flags)
}

// readOne marks a message that is read for the first time, and tells its track if
// that is still there.
func (b *mailbox) readOne(tx store.Tx, m store.Message) error {
	_, first, err := tx.MarkFetched(b.id, m.UID, b.options.Steady())
	if err != nil || !first || m.Track == "" {
		return err
	}
	t, err := tx.Track(m.Track)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was pruned; the audit trail has the rest
	}
	if err != nil {
		return err
	}
	what := "read"
	if t.Outbound { // what its sender has of it in a mailbox is a notice
		what = "its sender read the notice"
	}
	return tx.AddEvent(m.Track, store.Event{
		At: b.options.Now(), Stage: store.StagePickup, Recipient: b.account, Reason: "ok",
		Detail: fmt.Sprintf("%s over %s from %s, UID %d", what, b.via, b.remote, m.UID),
	})
}

// audit records one command's reading.
func (b *mailbox) audit(tx store.Tx, read []store.Message) error {
	box, err := tx.Mailbox(b.id)
	if err != nil {
		return err
	}
	r := audit.Record{
		At: b.options.Now(), Actor: audit.Account(b.account.String()), Action: audit.Fetched,
		Object: auditObject(box), Detail: fmt.Sprintf("over %s from %s, UID %s", b.via, b.remote, uidSet(read)),
	}
	if len(read) == 1 {
		r.Track = string(read[0].Track)
	}
	return tx.Audit(r)
}

// uidSet writes UIDs as IMAP does: 1:3,7.
func uidSet(all []store.Message) string {
	uids := make([]uint32, len(all))
	for i, m := range all {
		uids[i] = m.UID
	}
	slices.Sort(uids)
	var parts []string
	for i := 0; i < len(uids); {
		j := i + 1
		for j < len(uids) && uids[j] == uids[j-1]+1 {
			j++
		}
		part := strconv.FormatUint(uint64(uids[i]), 10)
		if j > i+1 {
			part += ":" + strconv.FormatUint(uint64(uids[j-1]), 10)
		}
		parts = append(parts, part)
		i = j
	}
	return strings.Join(parts, ",")
}
