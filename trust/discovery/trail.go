package discovery

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"postern/trust/reason"
)

// maxDetail is how many octets are told of why one question failed.
const maxDetail = 160

// A trail is the questions that were sent for one thing, in their order. The zero
// trail is empty. It may be read while it grows.
type trail struct {
	mu        sync.Mutex
	questions []Question
}

// add notes a question that is about to be sent. What is returned notes the
// answer; until then there is none.
func (t *trail) add(server, query string) (answered func(Answer, string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, began := len(t.questions), time.Now()
	t.questions = append(t.questions, Question{Server: server, Query: query, Answer: AnswerTimeout})
	return func(a Answer, detail string) {
		t.mu.Lock()
		defer t.mu.Unlock()
		q := &t.questions[at]
		q.Answer, q.Detail, q.Duration = a, reason.Line(detail, maxDetail), time.Since(began)
	}
}

func (t *trail) all() []Question {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.questions)
}

func (t *trail) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.questions)
}

// server returns the one asked last, or "".
func (t *trail) server() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.questions) == 0 {
		return ""
	}
	return t.questions[len(t.questions)-1].Server
}

// dnsQuery writes a question as trails have it.
func dnsQuery(question *dns.Msg, network string) string {
	q := question.Question[0]
	query := strings.TrimSuffix(q.Name, ".") + " " + dns.TypeToString[q.Qtype]
	if network == "tcp" {
		query += " over TCP"
	}
	return query
}

// answerOf tells what one server said, or why it did not.
func answerOf(m *dns.Msg, err error) (Answer, string) {
	switch {
	case err != nil:
		return kindOf(err), err.Error()
	case m.Rcode == dns.RcodeNameError:
		return AnswerNoName, ""
	case m.Rcode != dns.RcodeSuccess:
		code := rcodeError(m.Rcode)
		return code.kind(), code.Error()
	case m.Truncated:
		return AnswerFound, "cut off"
	case isReferral(m):
		return AnswerFound, "it refers to other servers"
	case len(m.Answer) == 0:
		return AnswerNoRecord, ""
	}
	return AnswerFound, ""
}
