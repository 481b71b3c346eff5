package sta

import (
	"strings"

	"postern/mime"
	"postern/trust/reason"
)

// addresses returns the addresses of all fields of this name, none of which may
// be read as another: a local part with an @ in it, "chief@hospital.example" in
// quotes, shows readers the address of somebody else. SMTP refuses it as well.
func addresses(h *mime.Header, name string) ([]mime.Address, error) {
	all, err := h.Addresses(name)
	if err != nil {
		return nil, reason.New(reason.SenderMismatch, "%w", err).In(name)
	}
	for _, a := range all {
		if strings.Contains(a.Local(), "@") {
			return nil, reason.New(reason.SenderMismatch, "%s has the local part %q", name, a.Local()).In(name)
		}
	}
	return all, nil
}

// maxSpoken bounds the names that are compared with all names of a certificate.
const maxSpoken = 100

// SpokenFor returns everybody, once, in whose name a message is shown to its reader.
// The signer must speak for them all, whichever of them is the sender (AS-65):
// agents show Sender and Resent-From as "by" and "on behalf of". What cannot be read
// is a reason.SenderMismatch, and so are more than 100 names.
func SpokenFor(h *mime.Header) ([]mime.Address, error) {
	var all []mime.Address
	for _, name := range []string{"From", "Sender", "Resent-From", "Resent-Sender"} {
		some, err := addresses(h, name)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if len(all) > maxSpoken {
		return nil, reason.New(reason.SenderMismatch, "From, Sender and what was resent name %d addresses, more than %d", len(all), maxSpoken)
	}
	return mime.Distinct(all), nil
}

// Sender returns the address that must stand behind a message's signature: the
// only address of From, or with several authors the one of Sender (RFC 5322
// §3.6.2; AS-65). Anything else is a reason.SenderMismatch.
func Sender(h *mime.Header) (mime.Address, error) {
	if h.Count("From") > 1 || h.Count("Sender") > 1 {
		return mime.Address{}, reason.New(reason.SenderMismatch, "From or Sender stands more than once")
	}
	from, err := addresses(h, "From")
	if err != nil {
		return mime.Address{}, err
	}
	if len(from) == 1 {
		return from[0], nil
	}
	sender, err := addresses(h, "Sender")
	if err != nil {
		return mime.Address{}, err
	}
	if len(from) == 0 || len(sender) != 1 {
		return mime.Address{}, reason.New(reason.SenderMismatch, "From has %d addresses and Sender %d", len(from), len(sender))
	}
	return sender[0], nil
}
