package smtp

import (
	"errors"
	"fmt"
	"io"

	gosmtp "github.com/emersion/go-smtp"

	"postern/mime"
	"postern/trust/reason"
)

// mail begins a transaction. Its error is a *ReplyError for a message that the peer
// has said is too large.
func (l *link) mail(d Delivery) error {
	limit, ok := l.client.MaxMessageSize()
	if ok && limit > 0 && d.Size > int64(limit) { // RFC 1870 §6.1
		return &ReplyError{Code: 552, Enhanced: "5.3.4",
			Text: fmt.Sprintf("a message of %d octets is above the server's limit of %d", d.Size, limit)}
	}
	options := &gosmtp.MailOptions{Size: d.Size}
	if l.eightBit {
		options.Body = gosmtp.Body8BitMIME
	}
	return l.client.Mail(d.From.String(), options)
}

// deliver runs the transaction that mail began. It returns a result for each
// recipient, and whether the peer has taken the message.
func (l *link) deliver(d Delivery) (results []Result, taken bool) {
	results, waiting := l.recipients(d.To)
	if len(waiting) == 0 {
		return results, false
	}
	r := l.mark(l.data(d.Message))
	if !r.Code.IsOK() && r.Reply/100 == 2 {
		// The reply to DATA is another command's, and so were those before it.
		return spread(d.To, r), false
	}
	for _, i := range waiting {
		r.Recipient = results[i].Recipient
		results[i] = r
	}
	return results, r.Code.IsOK()
}

// recipients names the recipients. It returns the results of those refused, and
// which wait for the message.
func (l *link) recipients(to []mime.Address) (results []Result, waiting []int) {
	results = make([]Result, len(to))
	for i, a := range to {
		results[i].Recipient = a
		err := l.client.Rcpt(a.String(), nil)
		if err == nil {
			waiting = append(waiting, i)
			continue
		}
		results[i] = l.mark(outcome(err, l.host))
		results[i].Recipient = a
	}
	return results, waiting
}

// data sends the message and returns the result of all who wait for it.
func (l *link) data(open func() (io.Reader, error)) Result {
	message, err := open()
	if err != nil {
		return local(reason.Internal, l.host, reason.Internal.Outcome().Public)
	}
	closer, ok := message.(io.Closer)
	if ok {
		defer closer.Close()
	}
	w, err := l.client.Data()
	if err != nil {
		return outcome(err, l.host)
	}
	source := &witness{Reader: message}
	lines := io.Reader(source)
	if l.foreign {
		lines = mime.NewDataReader(source) // RFC 5321 §2.3.8
	}
	err = sendDotted(l.lines, w, lines)
	if source.err != nil {
		l.client.Close() // no final dot: half a message must not look like a whole one
		return local(reason.Internal, l.host, reason.Internal.Outcome().Public)
	}
	early := l.unasked()
	if err == nil || refuses(early) { // most who refuse midway hang up behind it
		err = early
	}
	if err != nil {
		// No final dot, whose reply would be taken for nothing, and this one for it.
		l.client.Close()
		return beforeDot(err, l.host)
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		return afterDot(err, l.host)
	}
	if l.takesBack() {
		return afterDot(errTwoReplies, l.host)
	}
	r := said(newReply(250, reply.StatusText), l.host)
	r.Code = reason.OK
	return r
}

// takesBack reports whether behind the reply that took the message there stands one that
// refuses it. That the service ends (RFC 5321 §3.8) is about what comes next.
func (l *link) takesBack() bool {
	err := l.unasked()
	l.keep = l.keep && err == nil
	return refuses(err) && replyIn(err).Code != 421
}

// refuses reports whether err is a reply that refuses.
func refuses(err error) bool {
	reply := replyIn(err)
	return reply != nil && reply.Code/100 >= 4
}

func (l *link) mark(r Result) Result {
	r.TLS = l.tls
	return r
}

// A witness remembers that the fault was the message's, not the connection's.
type witness struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (w *witness) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
