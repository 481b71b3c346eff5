package pickup

import (
	"fmt"
	"net"
)

const shuttingDown = "Server is shutting down"

// errLeft says that the server has left the connection.
var errLeft = fmt.Errorf("the server shuts down: %w", net.ErrClosed)

// leaving is how the server leaves a connection: not between what a command did and its
// answer, for a client that hears nothing of an APPEND sends it once more.
type leaving struct {
	answering bool // a command is carried out that is answered whatever happens
	begun     bool // no command is carried out any more
	told      bool // the client, by the front; nothing is written any more
}

// leave has no further command carried out. It reports whether one is, behind the answer
// to which the front says goodbye; if not, somebody else has to.
func (f *front) leave() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving.begun = true
	return f.leaving.answering
}

// begin is called before a command is carried out, and fails where the server leaves.
func (f *front) begin(c command) error {
	f.mu.Lock()
	begun := f.leaving.begun
	switch c.name {
	case "IDLE", "AUTHENTICATE": // wait for the client
	case "FETCH", "UID FETCH": // may send for long, and can be asked again
	default:
		f.leaving.answering = !begun
	}
	f.mu.Unlock()
	if begun {
		return f.depart()
	}
	return nil
}

// leaveAnswered is called when the last command is answered.
func (f *front) leaveAnswered() error {
	f.mu.Lock()
	owed := f.leaving.begun && f.leaving.answering
	f.leaving.answering = false
	f.mu.Unlock()
	if owed {
		return f.depart()
	}
	return nil
}

// depart says goodbye for the server.
func (f *front) depart() error {
	f.mu.Lock()
	f.leaving.told = true
	f.mu.Unlock()
	return f.end(shuttingDown, errLeft)
}
