package mdn

import (
	"errors"
	"fmt"
	"strings"

	"postern/mime"
)

// Header fields by which a sender asks for notifications (RFC 8098 §2).
const (
	NotificationTo      = "Disposition-Notification-To"
	NotificationOptions = "Disposition-Notification-Options"
)

// finalDelivery is the attribute that asks for notice of final delivery, and
// the extension field by which a notification says that it is one (DN-1, DN-5).
const finalDelivery = "X-DIRECT-FINAL-DESTINATION-DELIVERY"

// RequestFinalDelivery is the value of NotificationOptions that asks the far
// side to tell when it has handed the message over (DN-1).
const RequestFinalDelivery = finalDelivery + "=optional,true"

// WantsFinalDelivery reports whether the message with header h asks for notice
// of final delivery. Case and white space do not matter; everything but
// attribute, importance "optional" and value "true" does (DN-3).
func WantsFinalDelivery(h *mime.Header) bool {
	for _, options := range h.Values(NotificationOptions) {
		for option := range strings.SplitSeq(options, ";") {
			if strings.EqualFold(withoutSpace(option), RequestFinalDelivery) {
				return true
			}
		}
	}
	return false
}

func withoutSpace(s string) string { return strings.Join(strings.Fields(s), "") }

// ErrUnanswerable is wrapped by the errors of Answer.
var ErrUnanswerable = errors.New("this message gets no notification")

// Answer begins the notification of one recipient about the message with header
// original: the recipient is its sender, so that it is signed for that address
// (AS-93), and it goes to those of Destination. The caller adds Date, MessageID
// and ReportingUA. A message that is itself a notification, has no Message-ID
// or nobody to answer to is an error wrapping ErrUnanswerable (AS-86).
func Answer(original *mime.Header, recipient mime.Address, d Disposition) (Notification, error) {
	if mime.IsNotification(original) {
		return Notification{}, fmt.Errorf("%w: it is a notification itself", ErrUnanswerable)
	}
	id := original.MessageID()
	if id == "" {
		return Notification{}, fmt.Errorf("%w: it has no Message-ID", ErrUnanswerable)
	}
	to, err := Destination(original)
	if err != nil {
		return Notification{}, fmt.Errorf("%w: %w", ErrUnanswerable, err)
	}
	return Notification{
		From:              recipient,
		To:                to,
		FinalRecipient:    recipient,
		OriginalMessageID: id,
		Disposition:       d,
	}, nil
}

// maxDestinations bounds how many copies a stranger's message can set off.
const maxDestinations = 10

// Destination returns where notifications about a message go: to the addresses
// of Disposition-Notification-To, or else of From, each once without regard to
// case (AS-92). A Disposition-Notification-To that cannot be read, or names more
// than ten, counts for nothing, since the sender waits for an answer; a From
// like that is an error.
func Destination(original *mime.Header) ([]mime.Address, error) {
	to, err := destinations(original, NotificationTo)
	if err == nil && len(to) > 0 {
		return to, nil
	}
	to, err = destinations(original, "From")
	if err != nil {
		return nil, err
	}
	if len(to) == 0 {
		return nil, errors.New("it has no From")
	}
	return to, nil
}

func destinations(original *mime.Header, name string) ([]mime.Address, error) {
	all, err := original.Addresses(name)
	if err != nil {
		return nil, err
	}
	to := mime.Distinct(all)
	if len(to) > maxDestinations {
		return nil, fmt.Errorf("%w: %s names %d addresses", mime.ErrLimit, name, len(to))
	}
	return to, nil
}
