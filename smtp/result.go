package smtp

import (
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"postern/mime"
	"postern/trust/reason"
)

// maxText is how much of a peer's words is kept.
const maxText = 500

// A ReplyError is a reply of the peer other than the one hoped for.
type ReplyError struct {
	Code     int    // RFC 5321 §4.2
	Enhanced string // RFC 3463, or the general one of the code's class
	Text     string // printable ASCII, at most 500 octets
}

// Error returns the reply on one line.
func (e *ReplyError) Error() string { return fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text) }

// replyIn finds the peer's reply in an error of the library or of net/textproto;
// nil means that there was none.
func replyIn(err error) *ReplyError {
	var own *ReplyError
	var lib *gosmtp.SMTPError
	var std *textproto.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &lib):
		text := lib.Message
		if lib.EnhancedCode != gosmtp.EnhancedCodeNotSet {
			text = reason.Enhanced(lib.EnhancedCode).String() + " " + text
		}
		return newReply(lib.Code, text)
	case errors.As(err, &std):
		return newReply(std.Code, std.Msg)
	}
	return nil
}

// newReply reads the lines of a reply. An enhanced status of another class than
// the reply code contradicts it, and the code decides (RFC 2034 §3).
func newReply(code int, text string) *ReplyError {
	class := code / 100
	e := &ReplyError{Code: code, Enhanced: fmt.Sprintf("%d.0.0", class)}
	word, rest, _ := strings.Cut(text, " ")
	if isEnhanced(word) {
		if word[0] == byte('0'+class) {
			e.Enhanced = word
		}
		text = strings.ReplaceAll(rest, "\n"+word+" ", "\n") // on every line (RFC 2034 §4)
	}
	e.Text = printable(strings.ReplaceAll(text, "\n", " "), maxText)
	return e
}

// isEnhanced reports whether s is an RFC 3463 §2 status code.
func isEnhanced(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || strings.IndexByte("245", parts[0][0]) < 0 {
		return false
	}
	for _, p := range parts[1:] {
		_, err := strconv.ParseUint(p, 10, 16)
		if err != nil || len(p) > 3 {
			return false
		}
	}
	return true
}

// local makes a result for which the peer gave no reply.
func local(code reason.Code, host, text string) Result {
	return Result{
		Code: code, Host: host, Enhanced: code.Outcome().Enhanced.String(),
		Text: printable(text, maxText),
	}
}

// outcome makes the result of an error in the middle of a session: the class of
// the reply decides, and no reply is a lost connection.
func outcome(err error, host string) Result {
	reply := replyIn(err)
	if reply == nil {
		r := local(reason.PeerUnreachable, host, err.Error())
		r.Down = true
		return r
	}
	r := said(reply, host)
	r.Code = reason.PeerDeferred
	switch reply.Code / 100 {
	case 5:
		r.Code = reason.PeerRefused
	case 2, 3: // out of place, and its status is none of a failure
		r.Enhanced = r.Code.Outcome().Enhanced.String()
	}
	r.Down = reply.Code == 421 // it closes the connection (RFC 5321 §3.8)
	return r
}

// beforeDot makes the result of what a peer says before the end of the message: a
// refusal counts, for it waits for no more. That it took what it does not have yet is no
// reply to it.
func beforeDot(err error, host string) Result {
	reply := replyIn(err)
	if reply != nil && reply.Code/100 < 4 {
		err = errOutOfTurn
	}
	return outcome(err, host)
}

// errTwoReplies says that a peer took the message and did not take it.
var errTwoReplies = errors.New("the server answered it twice, and not alike")

// afterDot makes the result of an error at the end of the message. Without a reply
// nobody knows whether it was taken, unless not all of it was sent.
func afterDot(err error, host string) Result {
	r := outcome(err, host)
	var op *net.OpError
	unsent := errors.As(err, &op) && op.Op == "write"
	if r.Reply == 0 && !unsent {
		r.Unanswered = true
		r.Text = printable("the whole message was sent and no answer that counts came, so that it may come twice: "+r.Text, maxText)
	}
	return r
}

// tooFast marks a failure that came before a recipient was named and says that no more
// is taken for the moment. 452 is not such: it may be about the size of the message.
func tooFast(r Result) Result {
	r.Slow = r.Reply == 421 || r.Reply == 450 || r.Reply == 451
	return r
}

// noService makes the result of an error before MAIL. A 5yz there says that this
// host gives no service now, which another host or another day may (RFC 5321
// §3.1), unless it says that it never will (RFC 7504). A Dialer's reason stands.
func noService(err error, host string) Result {
	var refused *reason.Error
	if errors.As(err, &refused) {
		return failed(err, host)
	}
	r := outcome(err, host)
	if r.Code == reason.PeerRefused && r.Reply != 521 && r.Reply != 556 {
		r.Code = reason.PeerDeferred
		r.Enhanced = r.Code.Outcome().Enhanced.String()
	}
	r.Down = r.Code.Outcome().Retry
	return r
}

func said(reply *ReplyError, host string) Result {
	return Result{Reply: reply.Code, Enhanced: reply.Enhanced, Text: reply.Text, Host: host}
}

// spread gives every recipient the same result.
func spread(to []mime.Address, r Result) []Result {
	all := make([]Result, len(to))
	for i, a := range to {
		r.Recipient = a
		all[i] = r
	}
	return all
}
