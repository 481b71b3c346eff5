package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"postern/mime"
)

// A DeliveryKey names what makes a delivery the same as another.
type DeliveryKey [sha256.Size]byte

// MarshalText writes the key in hexadecimal.
func (k DeliveryKey) MarshalText() ([]byte, error) { return Fingerprint(k).MarshalText() }

// UnmarshalText reads what MarshalText wrote.
func (k *DeliveryKey) UnmarshalText(text []byte) error { return (*Fingerprint)(k).UnmarshalText(text) }

// NewDeliveryKey names the delivery of a message to a mailbox: by whom its
// believed signature speaks for, its Message-ID, and the digest of its octets.
// The mailbox stands for the recipient: an account that was removed and made
// again has another, in which the message is not.
func NewDeliveryKey(signer mime.Address, to MailboxID, messageID, digest string) DeliveryKey {
	h := sha256.New()
	var n [8]byte
	for _, s := range []string{signer.Key(), messageID, digest} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	binary.BigEndian.PutUint64(n[:], uint64(to))
	h.Write(n[:])
	return DeliveryKey(h.Sum(nil))
}

// A Delivery is one that was made, or waits for an edge.
type Delivery struct {
	Track TrackID
	At    time.Time // when it was made; of one that waits when that began
	// Push is what hands it to an edge, while it waits for that; 0 once it was made. What
	// waits has no age: it is not forgotten.
	Push JobID
}

// DeliveredTx holds what was delivered for as long as it may come again, apart
// from the tracks, which are pruned by another age.
type DeliveredTx interface {
	// Delivered returns a delivery, or ErrNotFound.
	Delivered(k DeliveryKey) (Delivery, error)
	// PutDelivered remembers a delivery, in place of an earlier one of its key.
	PutDelivered(k DeliveryKey, d Delivery) error
	// RemoveDelivered forgets one delivery, if it is known.
	RemoveDelivered(k DeliveryKey) error
	// ForgetDelivered forgets deliveries that were made before a time, the oldest first
	// and at most so many, and returns how many they were.
	ForgetDelivered(before time.Time, most int) (int, error)
}
