package login

import "errors"

// A loginServer is the server's end of LOGIN, which was never more than a draft and
// which old clients still need (EP-5): two prompts, two answers.
type loginServer struct {
	login func(user, password string) error
	user  string
	step  int
}

var errOver = errors.New("the exchange is over")

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
		err = l.login(l.user, string(response))
		return nil, err == nil, err
	}
	return nil, false, errOver
}
