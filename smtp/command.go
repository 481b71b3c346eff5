package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
)

// maxCommand is the octets of a line with its CR LF. RFC 5321 §4.5.3.1.4 asks for
// 512, extensions for more, and AUTH for 12288 (RFC 4954 §4).
const maxCommand = 12 << 10

var (
	errLineForm = errors.New("a line that is no command")
	errLineLong = errors.New("a line that is too long")
)

// readLine reads a line and returns it without its CR LF. Of one that is too long or
// ends otherwise all is read, so that the next begins where it should; the line, or its
// begin, is there with these errors too.
func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part[:min(len(part), maxCommand+1-len(line))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return "", cut(err)
		}
		break
	}
	if len(line) > maxCommand {
		return string(line), errLineLong
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n")) // RFC 5321 §2.3.8
	if !ok || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return string(line), errLineForm
	}
	return string(text), nil
}

// A command is a line that a client sent.
type command struct {
	verb string // in upper case
	arg  string // without white space around it
}

// parseCommand takes a line apart. White space at its end is borne (RFC 5321 §4.1.1).
func parseCommand(line string) command {
	verb, arg, _ := strings.Cut(line, " ")
	return command{strings.ToUpper(strings.TrimRight(verb, " \t")), strings.Trim(arg, " \t")}
}

// cutWord takes a word such as "FROM:" off, whose letters have no case. White space
// behind it is against RFC 5321 §3.3 and what many clients send.
func cutWord(s, word string) (rest string, ok bool) {
	if len(s) < len(word) || !strings.EqualFold(s[:len(word)], word) {
		return "", false
	}
	return strings.TrimLeft(s[len(word):], " "), true
}
