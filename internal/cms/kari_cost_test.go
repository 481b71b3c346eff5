package cms

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"
)

// What one message costs does not grow with the product of its parts: the
// keying material counts once, however many keys are wrapped beside it.
func TestKeyAgreementCost(t *testing.T) {
	c := certificate(t, "p256")
	key := recipientKey(t, "p256")
	one := tlv(tagSequence, tlv(0xa0, tlv(tagOctetString, c.SubjectKeyId)), tlv(tagOctetString, nil))
	for name, tt := range map[string]struct {
		ukm  int
		want error
	}{
		"usual ukm": {maxUKM, nil},
		"long ukm":  {880 << 10, ErrNoRecipient}, // it is nobody's
	} {
		k := newKARI(c)
		k.ukm = make([]byte, tt.ukm)
		k.before = [][]byte{slices.Concat(slices.Repeat([][]byte{one}, maxAgreed-1)...)}
		message := toP256(t, k.bytes(t, c))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{key}, Limits{})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
			t.Errorf("%s: %d octets allocated for a message of %d", name, got, len(message))
		}
	}
}
