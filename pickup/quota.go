package pickup

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A Quota is what the mailboxes of a user hold and may hold. A limit of 0 is none.
type Quota struct {
	Bytes, BytesLimit       int64
	Messages, MessagesLimit int64
}

// quotaLine is the QUOTA response of the one quota root there is, "", which has all
// mailboxes of the user (RFC 9208 §4.2.1). STORAGE is in units of 1,024 octets, rounded
// up.
func (q Quota) quotaLine() string {
	const unit = 1 << 10
	var resources []string
	if q.BytesLimit > 0 {
		resources = append(resources, fmt.Sprintf("STORAGE %d %d", (q.Bytes+unit-1)/unit, q.BytesLimit/unit))
	}
	if q.MessagesLimit > 0 {
		resources = append(resources, fmt.Sprintf("MESSAGE %d %d", q.Messages, q.MessagesLimit))
	}
	return "* QUOTA \"\" (" + strings.Join(resources, " ") + ")\r\n"
}

// quotaCommand answers GETQUOTA (RFC 9208 §4.1.1), and refuses SETQUOTA, which is not
// offered: quotas are the operator's.
func (s *session) quotaCommand(c command) string {
	l := lexer{b: c.args}
	root := l.text()
	if c.name == "SETQUOTA" && l.err == nil {
		return c.tag + " NO [CANNOT] Quotas are set by the operator\r\n"
	}
	if l.end() != nil {
		return badSyntax(c)
	}
	line, err := s.quotaOf()
	if err == nil && root != "" {
		err = no(imap.ResponseCodeNonExistent, "No such quota root")
	}
	if err != nil {
		return refusal(c, err)
	}
	return fmt.Sprintf("%s%s OK GETQUOTA completed\r\n", line, c.tag)
}

func (s *session) quotaOf() (string, error) {
	user, err := s.whom()
	if err != nil {
		return "", err
	}
	q, err := user.Quota(s.ctx)
	if err != nil {
		return "", s.reply("quota", err)
	}
	return q.quotaLine(), nil
}

// quotaRoot has the library answer GETQUOTAROOT (RFC 9208 §4.1.2) as if it were a STATUS
// of the mailbox, whose name it so reads and writes.
func (s *session) quotaRoot(c command) (answer, instead string) {
	name, ok := oneLine(c.args)
	if !ok || name == "" {
		return badSyntax(c), ""
	}
	line, err := s.quotaOf()
	if err != nil {
		return refusal(c, err), ""
	}
	const item = " (MESSAGES"
	s.front.amend(amendment{begins: "* STATUS ", change: func(r []byte) []byte {
		box := strings.TrimPrefix(string(r), "* STATUS ")
		return []byte("* QUOTAROOT " + box[:max(0, strings.LastIndex(box, item))] + " \"\"\r\n" + line)
	}})
	done := c.tag + " OK "
	s.front.amend(amendment{begins: done + "STATUS", change: func([]byte) []byte {
		return []byte(done + "GETQUOTAROOT completed\r\n")
	}})
	return "", c.tag + " STATUS " + name + item + ")"
}

// refusal writes what the library would of an error.
func refusal(c command, err error) string {
	var known *imap.Error
	if !errors.As(err, &known) {
		known = no(imap.ResponseCodeServerBug, "Trouble of the server")
	}
	code := ""
	if known.Code != "" {
		code = "[" + string(known.Code) + "] "
	}
	return fmt.Sprintf("%s %s %s%s\r\n", c.tag, known.Type, code, known.Text)
}
