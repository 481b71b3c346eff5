package pickup

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// maxAddresses bounds the addresses of one header field in an ENVELOPE.
const maxAddresses = 1000

// parseAddresses reads an address list as ENVELOPE shows it (RFC 9051
// §7.5.2): display names keep their encoded words, groups are marked at both
// ends, and what is not understood is left out instead of refusing the rest.
// It needs one pass.
func parseAddresses(s string) []imap.Address {
	p := addressParser{}
	for i := 0; i < len(s) && len(p.out) < maxAddresses; {
		i = p.take(s, i)
	}
	p.finish()
	if p.group {
		p.out = append(p.out, imap.Address{})
	}
	return p.out
}

// An addressParser collects one mailbox at a time.
type addressParser struct {
	out    []imap.Address
	phrase strings.Builder // outside of angle brackets
	route  strings.Builder // inside of them
	note   string          // the last comment
	angle  bool
	seen   bool // angle brackets were seen in this mailbox
	group  bool
}

// take reads one token at s[i] and returns where the next begins.
func (p *addressParser) take(s string, i int) int {
	switch c := s[i]; {
	case c == '"':
		text, next := quotedAt(s, i)
		p.target().WriteString(text)
		return next
	case c == '(':
		p.note, i = commentAt(s, i)
		return i
	case c == '<' && !p.angle:
		p.angle, p.seen = true, true
	case c == '>' && p.angle:
		p.angle = false
	case (c == ',' || c == ';') && !p.angle:
		p.finish()
		if c == ';' && p.group {
			p.group = false
			p.out = append(p.out, imap.Address{})
		}
	case c == ':' && !p.angle && !p.group:
		p.beginGroup()
	default:
		p.target().WriteByte(c)
	}
	return i + 1
}

func (p *addressParser) target() *strings.Builder {
	if p.angle {
		return &p.route
	}
	return &p.phrase
}

func (p *addressParser) beginGroup() {
	name := strings.TrimSpace(p.phrase.String())
	p.reset()
	if name == "" {
		return
	}
	p.group = true
	p.out = append(p.out, imap.Address{Mailbox: name})
}

// finish ends a mailbox.
func (p *addressParser) finish() {
	spec, name := p.phrase.String(), p.note
	if p.seen {
		spec, name = p.route.String(), strings.Join(strings.Fields(p.phrase.String()), " ")
	}
	p.reset()
	spec = strings.TrimSpace(spec)
	if i := strings.LastIndexByte(spec, ':'); i >= 0 && strings.HasPrefix(spec, "@") {
		spec = spec[i+1:] // a source route (RFC 5322 §4.4)
	}
	at := strings.LastIndexByte(spec, '@')
	if at <= 0 || at == len(spec)-1 {
		return
	}
	p.out = append(p.out, imap.Address{
		Name:    name,
		Mailbox: strings.TrimSpace(spec[:at]),
		Host:    strings.TrimSpace(spec[at+1:]),
	})
}

func (p *addressParser) reset() {
	p.phrase.Reset()
	p.route.Reset()
	p.note, p.angle, p.seen = "", false, false
}

// quotedAt reads a quoted string and takes its quotes away.
func quotedAt(s string, i int) (string, int) {
	var b strings.Builder
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i + 1
		case '\\':
			if i+1 < len(s) {
				i++
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), i
}

// commentAt reads a comment, which may hold others.
func commentAt(s string, i int) (string, int) {
	start, depth := i+1, 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return strings.TrimSpace(s[start:i]), i + 1
		}
	}
	return "", len(s)
}
