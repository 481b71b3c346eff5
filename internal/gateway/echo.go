package gateway

import (
	"context"
	"time"

	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

// mostAnswers bounds the notifications that one account sends to one address within
// answersWithin about messages that call themselves answers and do not say to what.
const (
	mostAnswers   = 10
	answersWithin = time.Hour
)

// isEcho reports whether a message is an automatic answer to a notification that an
// account of ours sent, as a careless out-of-office program makes one. It gets no
// notification: the two would never end (RFC 3834 §2, AS-86). Of an answer that does
// not say to what it is one, that cannot be known: those are answered for a while. All
// else that machines send is answered like any other message (AS-85).
func (p *part) isEcho(ctx context.Context, to mime.Address) (bool, error) {
	automatic, answer := mime.IsAutomatic(p.opened.Header)
	if !automatic {
		return false, nil
	}
	echo := false
	err := p.Store.View(ctx, func(tx store.Tx) error {
		for _, id := range mime.RepliesTo(p.opened.Header) {
			err := tx.EachTrack(store.TrackQuery{MessageID: id}, func(t store.Track) bool {
				echo = ownAnswer(t, to)
				return !echo
			})
			if err != nil || echo {
				return err
			}
		}
		if !answer {
			return nil
		}
		sent, err := p.answered(tx, to)
		echo = sent >= mostAnswers
		return err
	})
	return echo, err
}

func ownAnswer(t store.Track, from mime.Address) bool {
	return t.Outbound && t.Automatic && t.Sender.Same(from)
}

// answered counts the notifications that an account has sent of late to where this one
// would go. The tracks know it, also after a restart.
func (p *part) answered(tx store.Tx, from mime.Address) (int, error) {
	asked, err := mdn.Destination(p.opened.Header)
	if err != nil {
		return 0, nil // it cannot be answered
	}
	sent := 0
	q := store.TrackQuery{Address: p.answerTo(asked), Since: p.now.Add(-answersWithin)}
	err = tx.EachTrack(q, func(t store.Track) bool {
		if ownAnswer(t, from) && !t.Sender.Same(q.Address) {
			sent++
		}
		return sent < mostAnswers
	})
	return sent, err
}
