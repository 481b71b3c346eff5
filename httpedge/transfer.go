package httpedge

import "time"

// A transfer is a body on its way, and says until when the next of it must move: within a
// silence of the last, before the end of all, and so fast in the long run.
type transfer struct {
	silence time.Duration
	until   time.Time // the end of all
	pace    int64     // octets a second, 0 for any
	began   time.Time // of the pace
	paced   int64     // octets since then
}

// newTransfer begins one of a pace.
func (s *Server) newTransfer(pace int64) transfer {
	now := time.Now()
	return transfer{silence: s.options.Silence, until: now.Add(s.options.BodyTime), pace: pace, began: now}
}

// hurry has the rest come at a pace.
func (t *transfer) hurry(pace int64) { t.pace, t.began, t.paced = pace, time.Now(), 0 }

// moved notes octets that came, or went.
func (t *transfer) moved(octets int) { t.paced += int64(octets) }

// paused has a time not count for the pace.
func (t *transfer) paused(d time.Duration) { t.began = t.began.Add(d) }

// deadline is until when something must move.
func (t *transfer) deadline() time.Time {
	soon := time.Now().Add(t.silence)
	if t.until.Before(soon) {
		soon = t.until
	}
	if t.pace == 0 {
		return soon
	}
	late := t.began.Add(t.silence + time.Duration(t.paced)*time.Second/time.Duration(t.pace))
	if late.Before(soon) {
		soon = late
	}
	return soon
}
