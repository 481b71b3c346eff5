// Package webhook is the form of what the web hooks of accounts are told: a small JSON
// document, signed as Standard Webhooks 1.0 says, so that its receiver knows by whom,
// when and that nobody changed it. It sends nothing.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Header fields of a request.
const (
	HeaderID        = "Webhook-Id"        // of the event: the same in each attempt
	HeaderTimestamp = "Webhook-Timestamp" // of the attempt, in seconds since 1970
	HeaderSignature = "Webhook-Signature" // one or more, with spaces between
)

// KeySize is how many octets a key has. Standard Webhooks asks for 24 to 64.
const KeySize = 32

// secretPrefix marks a secret as that of a web hook, for people and for those who look
// for secrets that got loose.
const secretPrefix = "whsec_"

// NewKey returns a key.
func NewKey(random io.Reader) ([]byte, error) {
	key := make([]byte, KeySize)
	_, err := io.ReadFull(random, key)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// Secret is a key as its owner gets it: whsec_ and Base64.
func Secret(key []byte) string { return secretPrefix + base64.StdEncoding.EncodeToString(key) }

// Sign returns the value of HeaderSignature: a signature by each key, which are
// HMAC-SHA256 over the id, the timestamp and the body with dots between.
func Sign(id string, at time.Time, body []byte, keys ...[]byte) string {
	var all []byte
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + Timestamp(at) + "."))
		mac.Write(body)
		if len(all) > 0 {
			all = append(all, ' ')
		}
		all = append(all, "v1,"...)
		all = base64.StdEncoding.AppendEncode(all, mac.Sum(nil))
	}
	return string(all)
}

// Timestamp is the value of HeaderTimestamp.
func Timestamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// An Event is the document.
type Event struct {
	ID   string    `json:"id"`
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"` // when it happened
	Data Data      `json:"data"`
}

// Data is what an event is about. It has no place for anything of a message's content.
type Data struct {
	Account string `json:"account"`
	// Message is our id of the message: for one that was sent that of the reply to
	// DATA, and of track.
	Message   string `json:"message,omitempty"`
	Recipient string `json:"recipient,omitempty"`
	Reason    string `json:"reason,omitempty"` // a reason code, of a failure
	Mailbox   string `json:"mailbox,omitempty"`
	UID       uint32 `json:"uid,omitempty"` // of what arrived, in Mailbox
	// InboxID is what the HTTP edge calls what arrived: the id of /v1/messages/{id}.
	InboxID string `json:"inbox_id,omitempty"`
	// Notification says that what arrived is an MDN or a DSN.
	Notification bool `json:"notification,omitempty"`
}

// Encode writes the document. Two of the same event are the same octets.
func (e Event) Encode() ([]byte, error) {
	e.At = e.At.UTC().Truncate(time.Millisecond)
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing an event: %w", err)
	}
	return text, nil
}
