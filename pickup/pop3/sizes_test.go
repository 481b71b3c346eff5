package pop3

import "testing"

// However many messages are listed, no more than maxSizes sizes are remembered, and those
// that were last are.
func TestSizesAreBounded(t *testing.T) {
	var s sizes
	const all = 2*maxSizes + 1
	for body := range uint64(all) {
		s.put(body, int64(body))
		if n := len(s.of) + len(s.last); n > maxSizes {
			t.Fatalf("%d sizes are remembered of %d", n, body)
		}
	}
	for _, body := range []uint64{all - 1, all - maxSizes/2} {
		if n, ok := s.get(body); !ok || n != int64(body) {
			t.Errorf("message %d has %d octets, %v", body, n, ok)
		}
	}
	if _, ok := s.get(0); ok {
		t.Error("the first is remembered")
	}
}
