package gateway

import "postern/store"

// deliveredBefore returns how the same message was delivered to a mailbox or to its
// edge already, if it was. A sender that lost our 250 sends its message
// again (RFC 1047); it is delivered once and answered again. The same is a message
// of the same sender, Message-ID and content, octet by octet. One without a
// Message-ID cannot be told from another that says the same on purpose.
func (p *part) deliveredBefore(tx store.Tx, to store.MailboxID) (d store.Delivery, known bool, err error) {
	key, ok := p.deliveryKey(to)
	if !ok {
		return d, false, nil
	}
	d, known, err = unlessMissing(tx.Delivered(key))
	switch {
	case err != nil || !known:
	case d.Push != 0: // however long ago it came
		var waits store.Job
		waits, err = waitingPush(tx, d.Push)
		known = waits.ID != 0
	default:
		known = p.Steady().Sub(d.At) <= p.Care.KeepDuplicates
	}
	return d, known && err == nil, err
}

// remember has the message known when it comes again.
func (p *part) remember(tx store.Tx, to store.MailboxID) error {
	key, ok := p.deliveryKey(to)
	if !ok {
		return nil
	}
	return tx.PutDelivered(key, store.Delivery{Track: p.job.Track, At: p.Steady()})
}

// knowEnded has a message that waited for an edge known as one that was delivered now. What
// did not reach its account after all is delivered when it comes again.
func (c *Core) knowEnded(tx store.Tx, job store.Job, state store.TrackState) error {
	switch {
	case job.Push.Known == store.DeliveryKey{}:
		return nil
	case state == store.TrackFailed:
		return tx.RemoveDelivered(job.Push.Known)
	}
	return tx.PutDelivered(job.Push.Known, store.Delivery{Track: job.Track, At: c.Steady()})
}

func (p *part) deliveryKey(to store.MailboxID) (store.DeliveryKey, bool) {
	id := p.opened.Header.MessageID()
	if id == "" {
		return store.DeliveryKey{}, false
	}
	return store.NewDeliveryKey(p.opened.Sender, to, id, p.digest), true
}
