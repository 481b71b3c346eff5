package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"postern/mime"
)

// SentAs implements AliasTx.
func (t *tx) SentAs(a mime.Address) (SentAs, error) {
	s, err := getRow[SentAs](t, bucketSentAs, []byte(a.Key()))
	if err != nil {
		return SentAs{}, fmt.Errorf("who sent as %s: %w", a, err)
	}
	return s, nil
}

// PutSentAs implements AliasTx.
func (t *tx) PutSentAs(s SentAs) error {
	if s.Address.IsZero() || s.Account.IsZero() {
		return errors.New("who sent as an address needs that and an account")
	}
	s.At = s.At.UTC().Truncate(time.Hour)
	old, err := t.SentAs(s.Address)
	if err == nil && old.Account.Same(s.Account) && old.At.Equal(s.At) && t.writable {
		return nil
	}
	return t.putRecord(bucketSentAs, []byte(s.Address.Key()), s)
}

// ForgetSentAs implements AliasTx.
func (t *tx) ForgetSentAs(before time.Time, most int) (int, error) {
	if !t.writable {
		return 0, ErrReadOnly
	}
	var old [][]byte
	err := t.each(bucketSentAs, nil, nil, func(k, v []byte) (bool, error) {
		s, err := decodeRow[SentAs](bucketSentAs, k, v)
		if err == nil && s.At.Before(before) { // the next message as that address mends one that is damaged
			old = append(old, bytes.Clone(k))
		}
		return len(old) < most, nil
	})
	if err != nil {
		return 0, err
	}
	return len(old), t.removeAll(bucketSentAs, old)
}
