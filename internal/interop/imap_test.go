package interop

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// An imapSession is as little of an IMAP client as it takes to look at what
// the server sends without keeping it.
type imapSession struct {
	conn *tls.Conn
	in   *bufio.Reader
	tag  int
}

// dialIMAP logs in and opens INBOX.
func dialIMAP(ctx context.Context, address, user string, config *tls.Config) (*imapSession, error) {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &imapSession{conn: conn.(*tls.Conn), in: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	_, err = s.in.ReadString('\n') // the greeting
	for _, command := range []string{fmt.Sprintf("LOGIN %q %q", user, password), "SELECT INBOX"} {
		if err == nil {
			_, err = s.do(command)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// maxFront is more than the gateway puts in front of a message.
const maxFront = 4 << 10

// do sends a command and returns what came before its OK, but for literals, of
// which it returns the SHA-256 in their place, without what the gateway says in front.
func (s *imapSession) do(command string) (string, error) {
	s.tag++
	tag := fmt.Sprintf("t%d ", s.tag)
	_, err := io.WriteString(s.conn, tag+command+"\r\n")
	if err != nil {
		return "", err
	}
	var answer strings.Builder
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		rest, ended := strings.CutPrefix(line, tag)
		if ended {
			if !strings.HasPrefix(rest, "OK") {
				return "", fmt.Errorf("%s: %s", command, rest)
			}
			return answer.String(), nil
		}
		answer.WriteString(line)
		size, found := literal(line)
		if !found {
			continue
		}
		sum := sha256.New()
		head := make([]byte, min(size, maxFront))
		_, err = io.ReadFull(s.in, head)
		if err == nil {
			_, err = io.WriteString(sum, asSent(string(head)))
		}
		if err == nil {
			_, err = io.CopyN(sum, s.in, size-int64(len(head)))
		}
		if err != nil {
			return "", err
		}
		answer.WriteString(hex.EncodeToString(sum.Sum(nil)))
	}
}

// literal reads the size of a literal that follows a line (RFC 3501 §4.3).
func literal(line string) (size int64, found bool) {
	line, ended := strings.CutSuffix(line, "}\r\n")
	if !ended {
		return 0, false
	}
	size, err := strconv.ParseInt(line[strings.LastIndexByte(line, '{')+1:], 10, 64)
	return size, err == nil
}
