package httpedge

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// sentAnswer is the answer to a message that was taken.
type sentAnswer struct {
	ID        string `json:"id"`
	MessageID string `json:"message_id"`
}

// send takes a message, in JSON or as it is.
func (s *Server) send(w http.ResponseWriter, r *request) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	read, most := s.readJSON, mime.Base64Size(s.options.MessageBytes)
	switch mediaType := contentType(r); mediaType {
	case "application/json":
		if len(r.query) > 0 {
			return badRequest("the parameters are for message/rfc822 alone")
		}
	case "message/rfc822":
		read, most = s.readRaw, s.options.MessageBytes
	default:
		w.Header().Set("Accept-Post", "application/json, message/rfc822")
		return newProblem(http.StatusUnsupportedMediaType, codeMediaType, "the content must be application/json or message/rfc822")
	}
	in, err := s.newBody(w, r, most)
	if err != nil {
		return err
	}
	if key != "" {
		release, ok := s.hold(r.login.Account, key)
		if !ok {
			p := newProblem(http.StatusConflict, codeKeyInUse, "a request with this idempotency key is under way")
			p.wait = 1
			return p
		}
		defer release()
		done, err := s.repeat(w, r, in, key)
		if err != nil || done {
			return err
		}
	}
	err = s.backend.Ready(r.Context(), r.login)
	if err != nil {
		return err
	}
	p := &posting{Outgoing: Outgoing{Key: key, Digest: in.sum}}
	defer p.end()
	err = read(r, in, p)
	if err == nil {
		err = s.checkNumber(p.To)
	}
	if err != nil {
		s.backend.Rejected(r.Context(), r.login, p.Outgoing, err)
		return err
	}
	err = s.check(r, p.Outgoing)
	if err != nil {
		return err
	}
	sent, err := s.backend.Send(r.Context(), r.login, p.Outgoing, p.content)
	if err != nil {
		return err
	}
	return s.accepted(w, sent)
}

// A posting is a message as a request hands it in.
type posting struct {
	Outgoing
	content io.Reader
	ends    []func() // what is to be done when the content was read
}

func (p *posting) atEnd(do func()) { p.ends = append(p.ends, do) }

func (p *posting) end() {
	for _, do := range slices.Backward(p.ends) {
		do()
	}
}

func (s *Server) accepted(w http.ResponseWriter, sent Sent) error {
	w.Header().Set("Location", "/v1/sent/"+sent.ID)
	return s.respond(w, http.StatusAccepted, sentAnswer(sent))
}

// repeat answers a request that was answered before.
func (s *Server) repeat(w http.ResponseWriter, r *request, in *body, key string) (done bool, err error) {
	sent, digest, err := s.backend.Answered(r.Context(), r.login, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = in.drain()
	}
	if err != nil {
		return false, err
	}
	if in.sum() != digest {
		return false, ErrKeyReused
	}
	return true, s.accepted(w, sent)
}

// maxKey bounds an idempotency key, in octets.
const maxKey = 255

// idempotencyKey reads the header field of that name: a string of structured fields
// (draft-ietf-httpapi-idempotency-key-header §2.1, RFC 8941 §3.3.3), or the bare key
// that many clients send.
func idempotencyKey(r *request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(values[0])
	quoted, isString := strings.CutPrefix(key, `"`)
	if isString {
		key, isString = strings.CutSuffix(quoted, `"`)
		if !isString {
			key = ""
		}
	}
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, notInKey) {
		return "", badRequest("Idempotency-Key must be there once, with 1 to %d printable ASCII characters but blanks, commas, quotes and backslashes", maxKey)
	}
	return key, nil
}

func notInKey(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' || c == ',' }

// contentType is the media type of a request, in lower case and without parameters.
func contentType(r *request) string {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return ""
	}
	t, _, _ := strings.Cut(values[0], ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// checkNumber refuses a message to nobody, and one to too many.
func (s *Server) checkNumber(to []mime.Address) error {
	switch {
	case len(to) == 0:
		return problemDetail(reason.BadHeader, "the message has no recipient", "to")
	case len(to) > s.options.Recipients:
		p := problemFor(reason.TooManyRecipients)
		p.Member = "to"
		return p
	}
	return nil
}

// check refuses at once what cannot be sent to: the whole message, so that no client
// has to find out who got it.
func (s *Server) check(r *request, m Outgoing) error {
	account := r.login.Account.Key()
	if !s.refused.Allows(time.Now(), account) {
		p := problemFor(reason.RateLimited)
		p.Detail, p.wait = "too many recipients were refused in too short a time", 60
		return p
	}
	refused, err := s.backend.Refused(r.Context(), r.login, m)
	if err != nil || len(refused) == 0 {
		return err
	}
	s.refused.Count(time.Now(), len(refused), account)
	p := problemFor(reason.Of(refused[0].Err))
	for _, f := range refused {
		code := reason.Of(f.Err)
		p.Recipients = append(p.Recipients, refusedAddress{f.Recipient.String(), code.String(), code.Outcome().Public, code.Advice()})
	}
	return p
}

// problemDetail is a problem with a detail that is for the client.
func problemDetail(code reason.Code, detail, member string) *problem {
	p := problemFor(code)
	p.Detail, p.Member = detail, member
	return p
}
