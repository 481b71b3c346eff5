package gateway

import (
	"errors"
	"fmt"
	"slices"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// A pushing is a push that the opening of a message makes, or joins, since it waits from
// an earlier transmission. A message that reaches an account under several addresses is
// handed to its edge once, and the sender is told of each what became of it.
type pushing struct {
	job   store.Job // ID 0 is a new one
	names []store.PushName
}

// A naming is one of the names of a push.
type naming struct {
	push *pushing
	at   int
}

// join has a push answer for one more address.
func (p *part) join(push *pushing, to mime.Address) outcome {
	if len(push.names) >= store.MaxPushNames {
		o := undelivered(to, reason.MailboxFull, fmt.Sprintf("it waits for the edge of %s and came %d times", push.job.Destination, len(push.names)))
		if slices.ContainsFunc(push.names, func(n store.PushName) bool { return n.Address.Same(to) }) {
			o.state, o.unanswered = store.TrackRefused, true // what becomes of the address is told of those
		}
		return o
	}
	p.named = append(p.named, naming{push, len(push.names)})
	push.names = append(push.names, store.PushName{Track: p.job.Track, Address: to})
	return outcome{recipient: to, state: store.TrackQueued, stage: store.StageDeliver, detail: "for the edge of " + push.job.Destination.String(), pushing: 1}
}

// follow has what is told later of a recipient follow the processed notification about
// him (DN-10).
func (p *part) follow(processed store.TrackID) {
	for _, n := range p.named {
		name := &n.push.names[n.at]
		name.Answers, name.Notice = processed != "", processed
	}
}

// queuePushes queues what the parts have left for edges.
func (o *opening) queuePushes(tx store.Tx) error {
	for _, push := range o.pushes {
		j := push.job.Naming(push.names...)
		if j.ID != 0 {
			err := tx.Reschedule(j)
			if err != nil {
				return err
			}
			continue
		}
		id, err := tx.Enqueue(j)
		if err != nil {
			return err
		}
		if j.Push.Known == (store.DeliveryKey{}) {
			continue
		}
		err = tx.PutDelivered(j.Push.Known, store.Delivery{Track: o.job.Track, At: o.Steady(), Push: id})
		if err != nil {
			return err
		}
	}
	return nil
}

// duplicate is what becomes of a message that came before: it is delivered once, and
// answered again, now or when its edge has taken it. One that its edge refused is not
// known any more: see knowEnded.
func (p *part) duplicate(tx store.Tx, place reached, to mime.Address, before store.Delivery) (outcome, error) {
	o := delivered(to, "came before as "+string(before.Track))
	job, err := waitingPush(tx, before.Push)
	if err != nil {
		return outcome{}, err
	}
	if job.ID != 0 {
		push := &pushing{job: job, names: job.Names()}
		p.pushes, p.reached[place] = append(p.pushes, push), arrival{push: push}
		came := o.detail
		o = p.join(push, to)
		o.detail = came + ", " + o.detail
	}
	o.duplicate = true
	return o, nil
}

// waitingPush is a push that its edge has not taken or refused yet; the zero Job if it
// has.
func waitingPush(tx store.Tx, id store.JobID) (store.Job, error) {
	if id == 0 {
		return store.Job{}, nil
	}
	j, err := tx.Job(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (j.Kind != store.PushJob || j.Push.Ended != "") {
		return store.Job{}, nil
	}
	return j, err
}
