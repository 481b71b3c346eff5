package pickup

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Conditional STORE (RFC 7162 §3.1) is all of it at the front: the library answers the
// commands without what it does not know, and its responses get their sequences.

// becomesAware notes that the client knows of modification sequences, so that it is told
// of them from now on (RFC 7162 §3.1).
func (s *session) becomesAware() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aware = true
}

// tellModSeq has the FETCH response that comes next say the message's sequence.
func (s *session) tellModSeq(seqNum uint32, modSeq uint64) {
	s.front.insert(fmt.Sprintf("* %d FETCH (", seqNum), fmt.Sprintf("MODSEQ (%d) ", modSeq))
}

// enableCommand is ENABLE, which may name CONDSTORE (RFC 7162 §3.1.8).
func (s *session) enableCommand(c command) {
	for _, word := range strings.Fields(strings.ToUpper(string(c.args))) {
		if word == "CONDSTORE" {
			if _, err := s.whom(); err == nil {
				s.becomesAware()
				s.front.amend(amendment{begins: "* ENABLED", tail: " CONDSTORE"})
			}
			return
		}
	}
}

// selectCommand is SELECT or EXAMINE, with HIGHESTMODSEQ in its answer and perhaps the
// parameter CONDSTORE (RFC 7162 §3.1.2, §3.1.8).
func (s *session) selectCommand(c command) (answer, instead string) {
	at := bytes.LastIndexByte(c.args, '(')
	if at < 1 || !bytes.HasSuffix(c.args, []byte(")")) {
		return "", ""
	}
	l := lexer{b: c.args}
	l.text()
	l.expect(' ')
	if l.err != nil || l.peek() != '(' {
		return "", ""
	}
	params := strings.ToUpper(string(l.group()))
	if l.end() != nil || params != "(CONDSTORE)" {
		return badSyntax(c), ""
	}
	name, ok := oneLine(bytes.TrimRight(c.args[:at], " "))
	if !ok {
		return badSyntax(c), ""
	}
	s.becomesAware()
	return "", c.tag + " " + c.name + " " + name
}

// without takes a word out of a list in brackets, and reports whether it was there.
func without(list, word string) (string, bool) {
	inner := strings.TrimSuffix(strings.TrimPrefix(list, "("), ")")
	var kept []string
	found := false
	for _, w := range strings.Fields(inner) {
		if strings.EqualFold(w, word) {
			found = true
			continue
		}
		kept = append(kept, w)
	}
	return "(" + strings.Join(kept, " ") + ")", found
}

const highestModSeq = "HIGHESTMODSEQ"

// statusCommand is STATUS, or LIST with it, which may ask for HIGHESTMODSEQ (RFC 7162
// §3.1.7). The list of items is the last in the command.
func (s *session) statusCommand(c command) (answer, instead string) {
	line, ok := oneLine(c.args)
	if !ok || !strings.Contains(strings.ToUpper(line), highestModSeq) {
		return "", ""
	}
	at := strings.LastIndexByte(line, '(')
	if c.name == "LIST" {
		at = statusItems(line)
	}
	if at < 0 {
		return "", ""
	}
	end := strings.IndexByte(line[at:], ')')
	if end < 0 {
		return "", ""
	}
	items, found := without(line[at:at+end+1], highestModSeq)
	if !found || strings.ContainsAny(items, `"\`) {
		return "", ""
	}
	if items == "()" {
		items = "(UIDVALIDITY)" // the library has no empty list
	}
	s.asked.highest = true
	s.becomesAware()
	return "", c.tag + " " + c.name + " " + line[:at] + items + line[at+end+1:]
}

// statusItems finds the items of RETURN (… STATUS (…)).
func statusItems(line string) int {
	at := strings.LastIndex(strings.ToUpper(line), "STATUS (")
	if at < 0 {
		return -1
	}
	return at + len("STATUS ")
}

// tellHighest has the STATUS response that comes next say the mailbox's sequence.
func (s *session) tellHighest(modSeq uint64) {
	if s.asked.highest {
		s.front.amend(amendment{begins: "* STATUS ", change: func(r []byte) []byte {
			body, ended := bytes.CutSuffix(r, []byte(")\r\n"))
			if !ended {
				return r
			}
			return fmt.Appendf(nil, "%s %s %d)\r\n", body, highestModSeq, modSeq)
		}})
	}
}

// fetchCommand is FETCH, which may ask for MODSEQ and for what changed (RFC 7162
// §3.1.4).
func (s *session) fetchCommand(c command) (answer, instead string) {
	line, ok := oneLine(c.args)
	if upper := strings.ToUpper(line); !ok || !strings.Contains(upper, "MODSEQ") && !strings.Contains(upper, "CHANGEDSINCE") {
		return "", ""
	}
	set, items, _ := strings.Cut(line, " ")
	items, modifiers := cutItems(items)
	if modifiers != "" {
		if !s.changedSince(modifiers) {
			return badSyntax(c), ""
		}
	}
	items, s.asked.modSeq = withoutModSeq(items)
	s.asked.modSeq = s.asked.modSeq || s.asked.since
	if s.asked.modSeq {
		s.becomesAware()
	}
	return "", c.tag + " " + c.name + " " + set + " " + items
}

// cutItems parts the items of FETCH from the modifiers behind them.
func cutItems(s string) (items, modifiers string) {
	depth, square, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted:
			if c == '\\' {
				i++
			}
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '[':
			square++
		case c == ']':
			square--
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ' ' && depth == 0 && square == 0:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// withoutModSeq takes MODSEQ out of items of FETCH. UID, which is always sent, stands in
// where nothing is left.
func withoutModSeq(items string) (string, bool) {
	if strings.EqualFold(items, "MODSEQ") {
		return "UID", true
	}
	inner, ok := strings.CutPrefix(items, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !ok || !closed {
		return items, false
	}
	var kept []string
	found := false
	for inner != "" {
		var item string
		item, inner = cutItems(inner)
		if strings.EqualFold(item, "MODSEQ") {
			found = true
			continue
		}
		kept = append(kept, item)
	}
	if len(kept) == 0 {
		kept = []string{"UID"}
	}
	return "(" + strings.Join(kept, " ") + ")", found
}

// changedSince reads the modifiers of FETCH. VANISHED is of QRESYNC, which is not
// offered.
func (s *session) changedSince(modifiers string) bool {
	n, ok := modifier(modifiers, "CHANGEDSINCE")
	s.asked.since, s.asked.changedSince = ok, n
	return ok && n > 0
}

// modifier reads (NAME number).
func modifier(list, name string) (uint64, bool) {
	l := lexer{b: []byte(list)}
	l.expect('(')
	word := l.word()
	l.expect(' ')
	n := l.number()
	l.expect(')')
	return n, l.end() == nil && word == name
}

// storeCommand is STORE, which may be for messages alone that did not change (RFC 7162
// §3.1.3).
func (s *session) storeCommand(c command) (answer, instead string) {
	set, rest, _ := bytes.Cut(c.args, []byte(" "))
	if !bytes.HasPrefix(rest, []byte("(")) {
		return "", ""
	}
	l := lexer{b: rest}
	n, ok := modifier(string(l.group()), "UNCHANGEDSINCE")
	l.expect(' ')
	line, fits := oneLine(l.b)
	if l.err != nil || !ok || !fits {
		return badSyntax(c), ""
	}
	s.asked.unchanged = &n
	s.becomesAware()
	return "", c.tag + " " + c.name + " " + string(set) + " " + line
}

// changed leaves of the messages of a FETCH those that changed since what it asks for.
func (s *session) changed(v *view, positions []int) []int {
	if !s.asked.since {
		return positions
	}
	return slices.DeleteFunc(positions, func(i int) bool { return v.entries[i].ModSeq <= s.asked.changedSince })
}

// tellModified says which of the messages of a STORE changed before it, and how they are
// now.
func (s *session) tellModified(w *imapserver.FetchWriter, v *view, set imap.NumSet, uids []uint32, after []Message) error {
	err := v.refresh(s.ctx)
	if err != nil {
		return err
	}
	var seqs imap.SeqSet
	var left imap.UIDSet
	done := make(map[uint32]bool, len(after))
	for _, m := range after {
		done[m.UID] = true
	}
	for _, uid := range uids {
		i, ok := v.find(uid)
		if !ok || done[uid] {
			continue
		}
		seqs.AddNum(uint32(i + 1))
		left.AddNum(imap.UID(uid))
		e := &v.entries[i]
		if e.gone {
			continue
		}
		e.dirty = false
		s.tellModSeq(uint32(i+1), e.ModSeq)
		out := w.CreateMessage(uint32(i + 1))
		out.WriteUID(imap.UID(uid))
		out.WriteFlags(wireFlags(e.Flags))
		err = out.Close()
		if err != nil {
			return err
		}
	}
	told := seqs.String()
	if _, byUID := set.(imap.UIDSet); byUID {
		told = left.String()
	}
	return &imap.Error{Type: imap.StatusResponseTypeOK, Code: imap.ResponseCode("MODIFIED " + told), Text: "Some messages changed before"}
}
