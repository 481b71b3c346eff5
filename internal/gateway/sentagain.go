package gateway

import (
	"strings"
	"time"

	"postern/internal/cms/smime"
	"postern/mime"
	"postern/store"
)

// A client that lost our 250 hands its message in again, octet by octet, and whoever gets
// it knows it for the same by its Message-ID and its content, to which the Date belongs that
// is added here (RFC 1047). So that is the same each time. A Message-ID that is added is not:
// without one that says so, nobody knows whether the same octets are the same message.

// redate gives an outgoing message that has no Date the one which it was given when it was
// handed in before. It returns that, or zero if the message is new.
func (c *Core) redate(tx store.Tx, t *store.Track) (time.Time, error) {
	if t.Dated.IsZero() || t.MessageID == "" || t.Automatic {
		return time.Time{}, nil
	}
	var before time.Time
	err := tx.EachTrack(store.TrackQuery{MessageID: t.MessageID, SentBy: t.Sender, Digest: t.Digest}, func(k store.Track) bool {
		if t.Received.Sub(k.Received) <= c.Care.KeepDuplicates { // as long as it is known where it is delivered
			before = k.Dated
		}
		return false // the latest has the date of those before it
	})
	if err != nil || before.IsZero() {
		return time.Time{}, err
	}
	t.Dated = before
	return before, nil
}

// hasMessageID reports whether the Message-ID is of the form <left@right>, with a comment at
// most (AS-57, RFC 5322 §3.6.4); one that is not is replaced.
func hasMessageID(h *mime.Header) bool {
	id := h.MessageID()
	left, right, at := strings.Cut(strings.Trim(id, "<>"), "@")
	rest, is := strings.CutPrefix(strings.TrimSpace(h.Get("Message-ID")), id)
	rest = strings.TrimSpace(rest)
	return is && at && left != "" && right != "" &&
		(rest == "" || strings.HasPrefix(rest, "(") && strings.HasSuffix(rest, ")"))
}

// dated is a message with another Date.
func dated(src smime.Source, at time.Time) (smime.Source, error) {
	header, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	err = header.Set("Date", at.Format(time.RFC1123Z))
	if err != nil {
		return nil, err
	}
	return newHeaderSource(src, header)
}
