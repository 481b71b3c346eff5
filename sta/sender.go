package sta

import (
	"postern/mime"
	"postern/trust/reason"
)

// authors returns the addresses of From, all of which a reader is shown.
func authors(h *mime.Header) ([]mime.Address, error) {
	all, err := h.Addresses("From")
	if err != nil {
		return nil, reason.New(reason.SenderMismatch, "reading From: %w", err)
	}
	return all, nil
}

// Sender returns the address that must stand behind a message's signature: the
// only address of From, or with several authors the one of Sender (RFC 5322
// §3.6.2; AS-65). Anything else is a reason.SenderMismatch.
func Sender(h *mime.Header) (mime.Address, error) {
	if h.Count("From") > 1 || h.Count("Sender") > 1 {
		return mime.Address{}, reason.New(reason.SenderMismatch, "From or Sender stands more than once")
	}
	from, err := authors(h)
	if err != nil {
		return mime.Address{}, err
	}
	if len(from) == 1 {
		return from[0], nil
	}
	sender, err := h.Addresses("Sender")
	if err != nil {
		return mime.Address{}, reason.New(reason.SenderMismatch, "reading Sender: %w", err)
	}
	if len(from) == 0 || len(sender) != 1 {
		return mime.Address{}, reason.New(reason.SenderMismatch, "From has %d addresses and Sender %d", len(from), len(sender))
	}
	return sender[0], nil
}
