package smtp

import (
	"errors"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

// A loginServer is the server's end of AUTH LOGIN, which old clients still need
// (EP-5): two prompts, two answers.
type loginServer struct {
	authenticate func(user, password string) error
	user         string
	step         int
}

var errLoginOver = errors.New("the exchange is over")

// Next implements sasl.Server. A nil response means that none was sent.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 && response == nil {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	switch l.step {
	case 0, 1:
		l.user, l.step = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		l.step = 3
		err = l.authenticate(l.user, string(response))
		return nil, err == nil, err
	}
	return nil, false, errLoginOver
}

// A replySASL lets no error reach the peer but our replies.
type replySASL struct{ sasl.Server }

// Next implements sasl.Server.
func (r *replySASL) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = r.Server.Next(response)
	if err == nil {
		return challenge, done, nil
	}
	_, ok := err.(*gosmtp.SMTPError) // by assertion, as the library looks at it
	if !ok {
		err = errBadAuth
	}
	return nil, false, err
}
