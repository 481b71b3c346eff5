package pickup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"postern/pickup/door"
)

// maxNonSync is the size of a literal of any command but APPEND.
const maxNonSync = 4096

// idleTime is how long a client may say nothing (RFC 9051 §5.4 says 30 minutes at
// least).
const idleTime = 35 * time.Minute

// maxCommand is how long a command may be without its literals. The library
// takes 50 KiB, and what is left over of a longer one for another command.
const maxCommand = 48 << 10

// These end a connection on which it is no longer certain what is a command and
// what is data.
var (
	errLiteral = errors.New("a literal that was not expected")
	errCommand = errors.New("a command that is too long")
	errBehind  = errors.New("something behind a message")
)

// A front stands between a connection and the library. It hands out one line
// or literal at a time, so that it can see from the answer what became of a
// literal. The library takes the octets of a literal it has refused for
// commands; here they are dropped, for nobody's message may become a command.
//
// Reads come from one goroutine, writes from one at a time.
type front struct {
	net.Conn // the counted connection, or TLS over it
	counted  *door.Conn
	wire     wire // to it; all goes through it

	r       *bufio.Reader
	rest    []byte // of a line, not handed out yet
	tail    []byte // the end of what was handed out of the line
	command int    // octets of the command so far, without literals
	lost    error  // why there is no more to read
	state   frontState
	literal int64 // octets still to come
	nonSync bool

	door.Patience           // with commands answered BAD
	deadline      time.Time // of reading, as it was last set
	taker         taker     // looks at commands before the library; nil does not
	talk          string    // the command whose lines are no commands
	appends       bool      // the command is APPEND
	message       bool      // a literal now is the message of APPEND, of any size (LITERAL+)
	bracket       bool      // the literal stands in a bracket, as with UTF8 (RFC 6855 §4)

	mu        sync.Mutex
	continued bool // "+" was written since the last line
	answered  bool // something else was
	greeted   bool // the library's greeting is to be dropped
	amends    []amendment
	ending    string // what is to go before the end of the response that is written
	held      []byte // the beginning of what may be that end
	leaving   leaving
}

type frontState int

const (
	frontLine    frontState = iota // a line comes next
	frontOffered                   // the last line announced a literal
	frontLiteral                   // octets of a literal come next
	frontDrop                      // octets of a refused literal, and its command's rest
)

func newFront(c *door.Conn) *front {
	f := &front{counted: c}
	f.over(c)
	return f
}

// over makes c, which is TLS over what was there, the connection.
func (f *front) over(c net.Conn) {
	f.Conn, f.wire.conn = c, c
	f.r = bufio.NewReaderSize(&f.wire, 16<<10)
}

// Close sends what was written, and closes the connection.
func (f *front) Close() error { return errors.Join(f.wire.flush(), f.Conn.Close()) }

// Read hands out octets of one line or one literal.
func (f *front) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if f.lost != nil {
			return 0, f.lost
		}
		switch f.state {
		case frontOffered:
			err := f.decide()
			if err != nil {
				return 0, err
			}
		case frontLiteral:
			n, err := f.octets(p)
			if err != nil {
				return n, errors.Join(err, f.leaveAnswered()) // it is not carried out
			}
			if n > 0 {
				return n, nil
			}
			f.state = frontLine
		case frontDrop:
			err := f.drop()
			if err != nil {
				return 0, err
			}
		default:
			return f.line(p)
		}
	}
}

// octets hands out octets of a literal; none are left if there is no error. The last of a
// message wait for the end of their command: the library stores a message before it looks
// what is behind it, does not answer if that is no end, and takes the literal of a second
// message (RFC 3502), which is not offered, for commands.
func (f *front) octets(p []byte) (n int, err error) {
	if f.literal > 0 {
		n, err = f.r.Read(p[:min(int64(len(p)), f.literal)])
		f.literal -= int64(n)
	}
	if err != nil || f.literal > 0 || !f.message {
		return n, err
	}
	f.message = false
	f.rest, err = f.r.ReadSlice('\n')
	if err == nil && !f.closes(f.rest) || errors.Is(err, bufio.ErrBufferFull) {
		err = f.giveUp(errBehind)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// closes reports whether a line is the end of an APPEND, as the library takes it.
func (f *front) closes(line []byte) bool {
	end, _ := bytes.CutSuffix(line, []byte("\n"))
	end = bytes.TrimSuffix(bytes.TrimSuffix(end, []byte("\r")), []byte(" "))
	if f.bracket {
		return string(end) == ")"
	}
	return len(end) == 0
}

// line hands out a line, or a piece of a long one, and looks at its end.
func (f *front) line(p []byte) (int, error) {
	for len(f.rest) == 0 {
		err := f.next()
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.tail = append(f.tail, f.rest[:n]...)
	f.tail = f.tail[max(0, len(f.tail)-64):]
	f.rest = f.rest[n:]
	if bytes.HasSuffix(f.tail, []byte("\n")) {
		f.ended()
	}
	return n, nil
}

// next reads what is handed out next, which is nothing where a command was answered.
func (f *front) next() error {
	first := f.command == 0
	if first { // no answer waits for what comes next, which may take its time
		err := f.leaveAnswered()
		if err == nil {
			err = f.wire.flush()
		}
		if err != nil {
			return err
		}
	}
	err := f.pay()
	if err != nil {
		return err
	}
	piece, err := f.r.ReadSlice('\n')
	if len(piece) == 0 {
		return err // anything else shows again with the next read
	}
	f.command += len(piece)
	if errors.Is(err, bufio.ErrBufferFull) && first {
		piece, err = f.longLine(piece)
		if err != nil {
			return err
		}
	}
	if f.command > maxCommand {
		return f.giveUp(errCommand)
	}
	f.rest = piece
	if !first {
		f.message = f.appends
		return nil
	}
	rest, ok, err := f.look(piece)
	f.rest = rest
	if err != nil || ok {
		return err
	}
	f.command = 0
	if f.state == frontDrop {
		err = f.drop()
	}
	return errors.Join(err, f.SetReadDeadline(time.Now().Add(idleTime)))
}

// longLine reads the rest of a line that the reader cannot hold.
func (f *front) longLine(piece []byte) ([]byte, error) {
	line := bytes.Clone(piece)
	for f.command <= maxCommand {
		piece, err := f.r.ReadSlice('\n')
		f.command += len(piece)
		line = append(line, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
	return line, nil
}

// ended looks whether a line announces a literal (RFC 9051 §9), after which its
// command goes on.
func (f *front) ended() {
	size, nonSync, ok := literalSize(f.tail)
	f.bracket = ok && bytes.HasSuffix(f.tail[:bytes.LastIndexByte(f.tail, '{')], []byte("(~"))
	f.tail = f.tail[:0]
	if !ok {
		f.command = 0
		return
	}
	f.state, f.literal, f.nonSync = frontOffered, size, nonSync
	f.mu.Lock()
	defer f.mu.Unlock()
	f.continued, f.answered = false, false
}

// giveUp says why the connection ends.
func (f *front) giveUp(err error) error {
	return f.end(fmt.Sprintf("The connection ends: %v", err), err)
}

// end says goodbye. Nothing is read any more.
func (f *front) end(text string, err error) error {
	told := f.SetWriteDeadline(time.Now().Add(sayTime))
	if told == nil {
		_, told = fmt.Fprintf(&f.wire, "* BYE %s\r\n", text)
	}
	told = errors.Join(told, f.wire.flush())
	f.lost = errors.Join(err, told)
	return f.lost
}

// literalSize reads {123} or {123+} at the end of a line.
func literalSize(line []byte) (size int64, nonSync, ok bool) {
	line, ended := bytes.CutSuffix(line, []byte("\n"))
	line, closed := bytes.CutSuffix(bytes.TrimRight(line, "\r "), []byte("}"))
	open := bytes.LastIndexByte(line, '{')
	if !ended || !closed || open < 0 {
		return 0, false, false
	}
	digits, nonSync := bytes.CutSuffix(line[open+1:], []byte("+"))
	n, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil {
		return 0, false, false
	}
	return int64(n), nonSync, true
}

// decide is called when the library wants to read on after a line with a
// literal: by now it has asked for it, or refused it, or reads what needs no
// asking.
func (f *front) decide() error {
	f.mu.Lock()
	answered, continued := f.answered, f.continued
	f.mu.Unlock()
	switch {
	case answered && f.nonSync:
		f.state = frontDrop // it is on its way already
	case answered:
		f.state, f.command = frontLine, 0 // the client does not send it
	case continued || f.nonSync && (f.literal <= maxNonSync || f.message):
		f.state = frontLiteral
	default:
		return f.giveUp(errLiteral)
	}
	return nil
}

// drop passes over a refused literal and the rest of its command, which may
// hold more of them.
func (f *front) drop() error {
	for {
		_, err := io.CopyN(io.Discard, f.r, f.literal)
		if err != nil {
			return err
		}
		line, err := f.discardLine()
		if err != nil {
			return err
		}
		size, nonSync, ok := literalSize(line)
		if !ok || !nonSync {
			f.state, f.command = frontLine, 0
			return nil
		}
		f.literal = size
	}
}

// discardLine passes over a line and returns its end.
func (f *front) discardLine() ([]byte, error) {
	for {
		piece, err := f.r.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return piece, err
		}
	}
}

// misnamed is how the library answers syntax it cannot read: as if the server
// were at fault. Our own faults have another text.
const misnamed = " NO [SERVERBUG] Internal server error\r\n"

// Write passes on what the library writes, which is whole responses, or pieces
// of long ones.
func (f *front) Write(p []byte) (int, error) {
	f.mu.Lock()
	if f.leaving.told {
		f.mu.Unlock()
		return 0, errLeft
	}
	if bytes.HasPrefix(p, []byte("+ ")) {
		f.continued = true
	} else {
		f.answered = true
		f.judge(p)
	}
	dropped := f.greeted
	f.greeted = false
	n := len(p)
	if len(f.amends) > 0 || f.ending != "" {
		p = f.amended(p)
	}
	f.mu.Unlock()
	if dropped {
		return n, nil
	}
	if tag, found := bytes.CutSuffix(p, []byte(misnamed)); found && !bytes.ContainsAny(tag, " \r\n") {
		f.Wrong()
		_, err := f.wire.Write([]byte(string(tag) + " BAD [CLIENTBUG] Syntax error\r\n"))
		return n, err
	}
	_, err := f.wire.Write(p)
	if err != nil {
		return 0, err
	}
	return n, nil
}
