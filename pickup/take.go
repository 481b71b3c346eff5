package pickup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A command is one that the front looks at before the library.
type command struct {
	tag, name string // the name in upper case, with its "UID "
	args      []byte // with their literals, and without the line break
}

// A taker looks at commands. It answers one itself, or has the library do another one
// instead, which is one line; with neither the command goes on as it came.
type taker interface {
	take(c command) (answer string, instead string)
}

// gatherTime bounds how long the literals of a command that is looked at may take.
const gatherTime = 30 * time.Second

// looked are the commands that takers look at, whole. Of the others they are told the
// name alone.
var looked = map[string]bool{
	"ID": true, "GETQUOTA": true, "GETQUOTAROOT": true, "SETQUOTA": true, "ENABLE": true,
	"SELECT": true, "EXAMINE": true, "STATUS": true, "LIST": true,
	"FETCH": true, "UID FETCH": true, "STORE": true, "UID STORE": true, "SEARCH": true, "UID SEARCH": true,
}

// maxAnswer is how long a line may be that answers the server, as in AUTHENTICATE and IDLE:
// the library reads so much at once, and takes what is left over for a command.
const maxAnswer = 4096

// look takes the first line of a command and returns what the library is to read: the
// line, or another command in its stead. ok is false if it was answered.
func (f *front) look(line []byte) (instead []byte, ok bool, err error) {
	f.mu.Lock()
	talking := f.talk != "" && f.continued
	if !talking {
		f.amends, f.ending, f.held = nil, "", nil
	}
	f.continued = false
	if f.talk == "IDLE" || !talking {
		f.talk = ""
	}
	f.mu.Unlock()
	if talking || f.taker == nil {
		f.appends, f.message = false, false
		if len(line) > maxAnswer {
			return nil, false, f.giveUp(errCommand)
		}
		return line, true, nil // an answer, and no command
	}
	c, rest, ok := splitCommand(line)
	// The name of the mailbox may be a literal as well.
	f.appends, f.message = c.name == "APPEND", c.name == "APPEND" && !bytes.HasPrefix(rest, []byte("{"))
	whole := bytes.HasSuffix(line, []byte("\n"))
	if !ok && !whole {
		return line, true, nil // it broke off
	}
	if !ok || strings.Contains(c.tag, "]") {
		// The library takes more for a tag, and would answer what takers know nothing of;
		// and it hangs up on what is no command, and on a tag with "]", without a word.
		size, nonSync, literal := literalSize(line)
		f.refuse(size, literal && nonSync)
		if !validTag(c.tag) {
			c.tag = "*"
			f.Wrong()
		}
		return nil, false, f.say(badSyntax(c))
	}
	if !looked[c.name] || !whole {
		if c.name == "IDLE" || c.name == "AUTHENTICATE" {
			f.talk = c.name
		}
		err := f.begin(c)
		if err != nil {
			return nil, false, err
		}
		f.taker.take(c)
		return line, true, nil
	}
	until := f.deadline
	c.args, err = f.gather(rest)
	err = errors.Join(err, f.SetReadDeadline(until))
	if errors.Is(err, errRefused) {
		return nil, false, f.say(fmt.Sprintf("%s NO [TOOBIG] Literals are limited to %d octets for this command\r\n", c.tag, maxNonSync))
	}
	if err == nil {
		err = f.begin(c)
	}
	if err != nil {
		return nil, false, err
	}
	answer, other := f.taker.take(c)
	switch {
	case answer != "":
		return nil, false, f.say(answer)
	case other != "":
		return []byte(other + "\r\n"), true, nil
	}
	if len(c.args) < len(rest) {
		return line, true, nil // without literals it is as it came
	}
	all, fits := oneLine(c.args)
	if !fits {
		return nil, false, f.say(badSyntax(c))
	}
	if len(c.args) > 0 {
		all = " " + all
	}
	return []byte(c.tag + " " + c.name + all + "\r\n"), true, nil
}

// splitCommand finds tag and name. rest is what follows the space behind the name. ok says
// that they are a tag and a name.
func splitCommand(line []byte) (c command, rest []byte, ok bool) {
	tag, rest, found := bytes.Cut(line, []byte(" "))
	if !found {
		tag = bytes.TrimRight(tag, "\r\n")
	}
	c.tag = string(tag)
	name, rest := cutWord(rest)
	ok = validTag(c.tag) && name != ""
	if name == "UID" {
		var sub string
		sub, rest = cutWord(rest)
		ok = ok && sub != ""
		name += " " + sub
	}
	c.name = name
	return c, rest, ok
}

// cutWord takes a word and the one space behind it.
func cutWord(b []byte) (string, []byte) {
	n := 0
	for n < len(b) && isAtom(b[n]) {
		n++
	}
	word := strings.ToUpper(string(b[:n]))
	return word, bytes.TrimPrefix(b[n:], []byte(" "))
}

// refuse has a literal that is on its way dropped, with the rest of its command.
func (f *front) refuse(size int64, nonSync bool) {
	if nonSync {
		f.literal, f.state = size, frontDrop
	}
}

// sayTime bounds how long a client may take to read what the front says, as the library
// bounds its responses.
const sayTime = 30 * time.Second

// say writes a response of the front's own, between those of the library. A client that
// does not read it has lost the connection.
func (f *front) say(response string) error { return f.sayTo(f, response) }

func (f *front) sayTo(w io.Writer, response string) error {
	err := f.SetWriteDeadline(time.Now().Add(sayTime))
	if err == nil {
		_, err = io.WriteString(w, response)
	}
	if err == nil {
		err = f.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		f.lost = err
	}
	return err
}

// errRefused says that a command has a literal that is too long for it. What came of it
// is dropped.
var errRefused = errors.New("a literal that is too long")

// gather reads the rest of a command of which the first line is there.
func (f *front) gather(line []byte) ([]byte, error) {
	all := bytes.Clone(line)
	for {
		size, nonSync, more := literalSize(line)
		if !more {
			all, _ = bytes.CutSuffix(all, []byte("\n"))
			return bytes.TrimSuffix(all, []byte("\r")), nil
		}
		if size > maxNonSync || f.command > maxCommand {
			f.refuse(size, nonSync)
			return nil, errRefused
		}
		err := f.SetReadDeadline(time.Now().Add(gatherTime))
		if err == nil && !nonSync {
			err = f.sayTo(&f.wire, "+ Ready for literal data\r\n")
		}
		if err != nil {
			return nil, err
		}
		literal := make([]byte, size)
		_, err = io.ReadFull(f.r, literal)
		if err != nil {
			return nil, err
		}
		all = append(all, literal...)
		line, err = f.r.ReadSlice('\n')
		f.command += len(literal) + len(line)
		if errors.Is(err, bufio.ErrBufferFull) || err == nil && f.command > maxCommand {
			return nil, f.giveUp(errCommand)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, line...)
	}
}
