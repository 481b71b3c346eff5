package gateway

import (
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// tooFull reports whether the mailboxes of a recipient do not take the message.
func (p *part) tooFull(tx store.Tx, to mime.Address, size int64) (bool, error) {
	if mime.IsNotification(p.opened.Header) {
		return p.overNoticeQuota(tx, to, size)
	}
	return p.overQuota(tx, to, size)
}

// undelivered is what became of a recipient whose mailbox takes nothing.
func undelivered(to mime.Address, code reason.Code, why string) outcome {
	return outcome{recipient: to, state: store.TrackFailed, stage: store.StageDeliver, code: code, detail: why}
}

// keptBack is what became of a notification that its addressee does not see.
func keptBack(to mime.Address, h hiding) outcome {
	o := outcome{recipient: to, state: store.TrackSuppressed, stage: store.StageDeliver, code: h.code, detail: "not put into the mailbox: " + h.why}
	if !h.code.IsOK() {
		o.state = store.TrackRefused
	}
	return o
}
