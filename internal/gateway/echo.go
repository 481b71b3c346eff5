package gateway

import (
	"cmp"
	"context"
	"time"

	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

// mostAnswers bounds the automatic replies of one address to one message of an account
// that are answered within answersWithin; those that do not say to what they reply are
// bounded together.
const (
	mostAnswers   = 10
	answersWithin = time.Hour
	mostCounted   = 1000 // messages that are looked at for it
)

// repliesToNothing stands for the message that an automatic reply does not name.
const repliesToNothing = "?"

// An echo is what an automatic message is to the account that gets it. The zero echo
// is a message like any other.
type echo struct {
	// ends says that it is an answer to a notification of the account, as a careless
	// out-of-office program makes one, or may be one as far as is known. It gets no
	// notification: the two would never end (RFC 3834 §2, AS-86).
	ends bool
	// replies is, of an automatic reply, the message of the account that it is one to.
	replies string
}

// echoOf finds out what a message is to an account. An automatic reply that says to
// which message of the account it is one, or does not say to what, is answered for a
// while: programs answer our notifications as if those were the message. All else that
// machines send is answered like any other message (AS-85).
func (p *part) echoOf(ctx context.Context, account mime.Address) (echo, error) {
	var e echo
	automatic, reply := mime.IsAutomatic(p.opened.Header)
	if !automatic {
		return e, nil
	}
	err := p.Store.View(ctx, func(tx store.Tx) error {
		ends, ordinary, err := p.repliesTo(tx, account)
		e = echo{ends: ends}
		if err != nil || ends || !reply {
			return err
		}
		e.replies = cmp.Or(ordinary, repliesToNothing)
		answered, err := p.answered(tx, account, e.replies)
		e.ends = answered >= mostAnswers
		return err
	})
	return e, err
}

// repliesTo looks for what a message is a reply to: a notification of an account, or
// else the first message of its own.
func (p *part) repliesTo(tx store.Tx, account mime.Address) (notification bool, ordinary string, err error) {
	for _, id := range mime.RepliesTo(p.opened.Header) {
		sent, err := sentTracks(tx, id, account, maxOwn)
		if err != nil {
			return false, "", err
		}
		for _, t := range sent {
			if t.Automatic {
				return true, "", nil
			}
			ordinary = cmp.Or(ordinary, mime.FoldMessageID(t.MessageID))
		}
	}
	return false, ordinary, nil
}

// answered counts the automatic replies to one message that an account has answered of
// late, to where the answer to this one would go. The tracks know it, also after a
// restart.
func (p *part) answered(tx store.Tx, account mime.Address, replies string) (int, error) {
	asked, err := mdn.Destination(p.opened.Header)
	if err != nil {
		return 0, nil // it cannot be answered
	}
	read, answered := 0, 0
	q := store.TrackQuery{Address: p.answerTo(asked), Since: p.now.Add(-answersWithin)}
	err = tx.EachTrack(q, func(t store.Track) bool {
		if t.Replies == replies && t.Sender.Same(account) {
			answered++
		}
		read++
		return answered < mostAnswers && read < mostCounted
	})
	return answered, err
}
