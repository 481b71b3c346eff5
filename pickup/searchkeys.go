package pickup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// A searchKey is what a message has to be like (RFC 9051 §6.4.4). The front reads them,
// for the library mixes up some that come together.
type searchKey struct {
	kind   searchKind
	keys   []searchKey // of all, either and not
	set    imap.NumSet
	flag   string
	field  string // of a header
	text   string
	number uint64
	since  time.Time // days; zero: any
	before time.Time

	spans []span // what set stands for
	fold  []byte // text, to be compared
}

type searchKind int

const (
	keyAll    searchKind = iota // all of keys
	keyEither                   // one of keys
	keyNot
	keySet
	keyFlag
	keyLarger
	keySmaller
	keyModSeq
	keyReceived
	keySent
	keyHeader
	keyBody
	keyText
)

// cost is what has to be read to decide: nothing, the header, the text.
func (k *searchKey) cost() int {
	most := 0
	switch k.kind {
	case keySent, keyHeader:
		most = 1
	case keyBody, keyText:
		most = 2
	}
	for i := range k.keys {
		most = max(most, k.keys[i].cost())
	}
	return most
}

// has reports whether a kind of key is in it.
func (k *searchKey) has(kind searchKind) bool {
	for i := range k.keys {
		if k.keys[i].has(kind) {
			return true
		}
	}
	return k.kind == kind
}

var errManyKeys = fmt.Errorf("%w: too many search criteria", ErrLimit)

// searchCommand is SEARCH: the library is told to search for everything, and finds what
// this one is for.
func (s *session) searchCommand(c command) (answer, instead string) {
	l := &keyLexer{lexer: lexer{b: c.args}, left: maxCriteria}
	options := l.options()
	if charset := l.charset(); charset != "" && charset != "UTF-8" && charset != "US-ASCII" {
		return c.tag + " NO [BADCHARSET (US-ASCII UTF-8)] The character set is not known\r\n", ""
	}
	all := searchKey{kind: keyAll}
	for more := true; more && l.err == nil; more = l.accept(' ') && len(l.b) > 0 {
		all.keys = append(all.keys, l.key(0))
	}
	err := l.end()
	if errors.Is(err, ErrLimit) && balanced(c.args) {
		return c.tag + " NO [LIMIT] Too many search criteria\r\n", ""
	}
	if err != nil {
		return badSyntax(c), ""
	}
	s.asked.search, s.asked.savedAlone = &all, options == returnSave
	if all.has(keyModSeq) {
		s.becomesAware()
	}
	return "", c.tag + " " + c.name + " " + options + "ALL"
}

// balanced reports whether every bracket is closed.
func balanced(args []byte) bool {
	l := lexer{b: append([]byte("("), append(bytes.Clone(args), ')')...)}
	l.group()
	return l.end() == nil
}

// A keyLexer reads search keys, and no more than there may be.
type keyLexer struct {
	lexer
	left int
}

// options reads RETURN (…), which the library reads again.
func (l *keyLexer) options() string {
	if !l.next("RETURN ") {
		return ""
	}
	list := string(l.group())
	l.expect(' ')
	if strings.ContainsAny(list, "\"{\\\r\n") {
		l.fail()
	}
	return "RETURN " + strings.ToUpper(list) + " "
}

// returnSave asks for no result but "$".
const returnSave = "RETURN (SAVE) "

// next takes a word if it is next.
func (l *keyLexer) next(word string) bool {
	if len(l.b) < len(word) || !strings.EqualFold(string(l.b[:len(word)]), word) {
		return false
	}
	l.b = l.b[len(word):]
	return true
}

func (l *keyLexer) charset() string {
	if !l.next("CHARSET ") {
		return ""
	}
	name := strings.ToUpper(l.text())
	l.expect(' ')
	return name
}

// key reads one search key.
func (l *keyLexer) key(depth int) searchKey {
	l.left--
	if l.left < 0 || depth > maxCriteriaDepth {
		l.err, l.b = errManyKeys, nil
		return searchKey{}
	}
	if !l.accept('(') {
		return l.named(depth)
	}
	all := searchKey{kind: keyAll}
	for more := true; more && l.err == nil; more = l.accept(' ') {
		all.keys = append(all.keys, l.key(depth+1))
	}
	if l.err == nil {
		l.expect(')')
	}
	return all
}

// words takes a name, or a set, which begin alike.
func (l *keyLexer) words() string {
	return strings.ToUpper(l.run(func(c byte) bool { return isAtom(c) || c == '*' }))
}

func (l *keyLexer) named(depth int) searchKey {
	name := l.words()
	if flag, ok := strings.CutPrefix(name, "UN"); ok && isSystemFlag(flag) {
		return not(searchKey{kind: keyFlag, flag: `\` + flag})
	}
	switch name {
	case "ALL", "OLD": // nothing is recent (RFC 9051 §2.3.2)
		return searchKey{kind: keyAll}
	case "NEW", "RECENT":
		return searchKey{kind: keyEither}
	case "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN":
		return searchKey{kind: keyFlag, flag: `\` + name}
	case "NOT":
		l.expect(' ')
		return not(l.key(depth + 1))
	case "OR":
		l.expect(' ')
		one := l.key(depth + 1)
		l.expect(' ')
		return searchKey{kind: keyEither, keys: []searchKey{one, l.key(depth + 1)}}
	case "$":
		return searchKey{kind: keySet, set: imap.SearchRes()}
	case "MODSEQ":
		return l.modSeq()
	case "BODY", "TEXT", "BCC", "CC", "FROM", "SUBJECT", "TO", "HEADER", "KEYWORD", "UNKEYWORD", "UID",
		"LARGER", "SMALLER", "SINCE", "BEFORE", "ON", "SENTSINCE", "SENTBEFORE", "SENTON":
		l.expect(' ')
		return l.argument(name)
	}
	set, ok := parseSet(name)
	if !ok {
		l.fail()
	}
	return searchKey{kind: keySet, set: set}
}

func isSystemFlag(name string) bool {
	for _, f := range systemFlags {
		if strings.EqualFold(string(f), `\`+name) {
			return true
		}
	}
	return false
}

func not(k searchKey) searchKey { return searchKey{kind: keyNot, keys: []searchKey{k}} }

// argument reads what a key of a name is about.
func (l *keyLexer) argument(name string) searchKey {
	switch name {
	case "BODY":
		return searchKey{kind: keyBody, text: l.text()}
	case "TEXT":
		return searchKey{kind: keyText, text: l.text()}
	case "HEADER":
		field := l.text()
		l.expect(' ')
		return searchKey{kind: keyHeader, field: field, text: l.text()}
	case "KEYWORD":
		return searchKey{kind: keyFlag, flag: l.run(isAtom)}
	case "UNKEYWORD":
		return not(searchKey{kind: keyFlag, flag: l.run(isAtom)})
	case "LARGER":
		return searchKey{kind: keyLarger, number: l.number()}
	case "SMALLER":
		return searchKey{kind: keySmaller, number: l.number()}
	case "UID":
		set, ok := parseSet(l.words())
		if !ok {
			l.fail()
		}
		return searchKey{kind: keySet, set: asUIDs(set)}
	}
	if when, sent := strings.CutPrefix(name, "SENT"); sent {
		return l.day(keySent, when)
	}
	if name == "SINCE" || name == "BEFORE" || name == "ON" {
		return l.day(keyReceived, name)
	}
	return searchKey{kind: keyHeader, field: name, text: l.text()}
}

// day reads a date, and makes days of it that a message may be of.
func (l *keyLexer) day(kind searchKind, when string) searchKey {
	t, err := time.Parse("2-Jan-2006", l.text())
	if err != nil {
		l.fail()
	}
	k := searchKey{kind: kind}
	if when != "BEFORE" {
		k.since = t
	}
	if when != "SINCE" {
		k.before = t
	}
	if when == "ON" {
		k.before = t.AddDate(0, 0, 1)
	}
	return k
}

// modSeq reads MODSEQ, whose metadata item may be named and is one with all others here
// (RFC 7162 §3.1.5).
func (l *keyLexer) modSeq() searchKey {
	l.expect(' ')
	if l.peek() == '"' {
		l.quoted()
		l.expect(' ')
		if kind := l.word(); kind != "PRIV" && kind != "SHARED" && kind != "ALL" {
			l.fail()
		}
		l.expect(' ')
	}
	return searchKey{kind: keyModSeq, number: l.number()}
}

// parseSet reads a set of numbers.
func parseSet(s string) (imap.SeqSet, bool) {
	var set imap.SeqSet
	for _, r := range strings.Split(s, ",") {
		first, last, isRange := strings.Cut(r, ":")
		from, ok := parseNumber(first)
		to := from
		if isRange && ok {
			to, ok = parseNumber(last)
		}
		if !ok {
			return nil, false
		}
		set = append(set, imap.SeqRange{Start: from, Stop: to})
	}
	return set, true
}

// parseNumber reads a number from 1 to 2^32-1, or "*" as 0.
func parseNumber(s string) (uint32, bool) {
	if s == "*" {
		return 0, true
	}
	l := lexer{b: []byte(s)}
	n := l.number()
	return uint32(n), l.end() == nil && n > 0 && n < 1<<32
}

func asUIDs(seqs imap.SeqSet) imap.UIDSet {
	out := make(imap.UIDSet, len(seqs))
	for i, r := range seqs {
		out[i] = imap.UIDRange{Start: imap.UID(r.Start), Stop: imap.UID(r.Stop)}
	}
	return out
}
