package mime

import (
	"fmt"
	"io"
	stdmime "mime"
	"net/mail"
	"strings"
)

// maxMailboxes bounds the addresses one header may name under one field name.
const maxMailboxes = 2000

// Addresses returns the mailboxes of all fields of this name, those of groups
// included, in order. Display names and comments are dropped. No such field,
// and a group without members, give none. One mailbox that is not a Direct
// address makes the whole a FieldError wrapping ErrAddress: whoever may not be
// named must not be overlooked.
func (h *Header) Addresses(name string) ([]Address, error) {
	var all []Address
	for _, value := range h.Values(name) {
		if value == "" {
			continue
		}
		parsed, err := parseMailboxes(value)
		if err != nil {
			return nil, &FieldError{Name: name, Err: fmt.Errorf("reading the addresses: %w", err)}
		}
		if len(all)+len(parsed) > maxMailboxes {
			return nil, &FieldError{Name: name, Err: fmt.Errorf("%w: more than %d addresses", ErrLimit, maxMailboxes)}
		}
		all = append(all, parsed...)
	}
	return all, nil
}

func parseMailboxes(value string) ([]Address, error) {
	// Old agents put raw Latin-1 into display names. The replacement character
	// is allowed in a name and refused in an address, so nothing is made up.
	value = strings.ToValidUTF8(value, "\uFFFD")
	p := mail.AddressParser{WordDecoder: &stdmime.WordDecoder{CharsetReader: anyCharset}}
	list, err := p.ParseList(value)
	if err != nil {
		return nil, fmt.Errorf("%w: the list does not follow RFC 5322 §3.4", ErrAddress)
	}
	addrs := make([]Address, 0, len(list))
	for _, m := range list {
		at := strings.LastIndexByte(m.Address, '@')
		if at < 0 {
			return nil, fmt.Errorf("%w: no @ and domain", ErrAddress)
		}
		a, err := NewAddress(m.Address[:at], Domain(m.Address[at+1:]))
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// anyCharset lets encoded words of every character set pass: they can only be
// display names, which are dropped.
func anyCharset(_ string, r io.Reader) (io.Reader, error) { return r, nil }

// Distinct leaves each address once, as it came first.
func Distinct(all []Address) []Address {
	seen := make(map[string]bool, len(all))
	var once []Address
	for _, a := range all {
		if !seen[a.Key()] {
			seen[a.Key()] = true
			once = append(once, a)
		}
	}
	return once
}
