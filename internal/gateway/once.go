package gateway

import (
	"errors"

	"postern/store"
)

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
	d, err = tx.Delivered(key)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.Steady().Sub(d.At) > p.Care.KeepDuplicates {
		return store.Delivery{}, false, nil
	}
	return d, err == nil, err
}

// remember has the message known when it comes again.
func (p *part) remember(tx store.Tx, to store.MailboxID) error {
	key, ok := p.deliveryKey(to)
	if !ok {
		return nil
	}
	return tx.PutDelivered(key, store.Delivery{Track: p.job.Track, At: p.Steady()})
}

// forgetRefused has a message that did not reach the account of a push after all be
// delivered to it when it comes again.
func forgetRefused(tx store.Tx, t store.Track, push store.Job) error {
	account, held, err := pushHolder(tx, push)
	if err != nil || !held {
		return err
	}
	inbox, known, err := unlessMissing(tx.MailboxByName(account.Address, store.Inbox))
	if err != nil || !known || t.Outbound || t.MessageID == "" {
		return err
	}
	return tx.RemoveDelivered(store.NewDeliveryKey(t.Author, inbox.ID, t.MessageID, t.Digest))
}

func (p *part) deliveryKey(to store.MailboxID) (store.DeliveryKey, bool) {
	id := p.opened.Header.MessageID()
	if id == "" {
		return store.DeliveryKey{}, false
	}
	return store.NewDeliveryKey(p.opened.Sender, to, id, p.digest), true
}
