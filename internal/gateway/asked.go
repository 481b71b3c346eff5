package gateway

import (
	"context"

	"postern/mime"
	"postern/mime/dsn"
	"postern/smtp"
	"postern/store"
)

// noteAsked writes into a track what its client asked for of notices (RFC 3461).
func noteAsked(t *store.Track, e smtp.Envelope) {
	t.EnvelopeID = e.EnvelopeID
	for i := range t.Recipients {
		if i >= len(e.Asked) {
			return
		}
		a := e.Asked[i]
		t.Recipients[i].Asked = store.Asked{
			Original:  a.Original,
			NoFailure: !a.Notify.Wants(smtp.NotifyFailure),
			NoDelay:   !a.Notify.Wants(smtp.NotifyDelay),
			Success:   a.Notify.Wants(smtp.NotifySuccess),
		}
	}
}

// unasked reports whether the sender wants no notice when a recipient fails. Who asks
// for Direct's notice of final delivery gets one or the other (DN-15, DN-19), whatever
// he said to SMTP. Track and audit have all failures.
func unasked(t store.Track, to mime.Address) bool {
	for _, r := range t.Recipients {
		if r.Address.Same(to) {
			return r.NoFailure && !t.Timely
		}
	}
	return false
}

// asAsked has recipients named in a notice as the client named them, and returns what
// it calls the message.
func (c *Core) asAsked(ctx context.Context, job store.Job, recipients []dsn.Recipient) (envelope string, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		t, _, err := trackOf(tx, job.Track)
		envelope = t.EnvelopeID
		for i := range recipients {
			for _, r := range t.Recipients {
				if r.Address.Same(recipients[i].Final) {
					recipients[i].Asked = r.Original
				}
			}
		}
		return err
	})
	return envelope, err
}
