package trust

import (
	"encoding/asn1"
	"slices"
	"testing"
)

// FuzzConstraints: what passes for constraints that crypto/x509 checks has no
// others to encoding/asn1 either.
func FuzzConstraints(f *testing.F) {
	f.Add([]byte("\x30\x0f\xa0\x0d\x30\x0b\x82\x09b.example"))
	f.Add([]byte("\x30\x0f\xa1\x0d\x30\x0b\x81\x09b.example"))
	f.Add([]byte("\x30\x08\xa0\x06\x30\x04\xa4\x02\x30\x00"))
	f.Add([]byte("\x30\x0a\xa0\x08\x30\x06\x82\x01b\x80\x01\x01"))
	f.Add([]byte("\x30\x00"))
	type subtree struct {
		Base    asn1.RawValue
		Minimum int `asn1:"optional,tag:0"`
		Maximum int `asn1:"optional,tag:1"`
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		known := knownSubtrees(der)
		var constraints struct {
			Permitted []subtree `asn1:"optional,tag:0"`
			Excluded  []subtree `asn1:"optional,tag:1"`
		}
		_, err := asn1.Unmarshal(der, &constraints)
		if err != nil {
			return
		}
		for _, s := range slices.Concat(constraints.Permitted, constraints.Excluded) {
			supported := s.Base.Class == asn1.ClassContextSpecific && !s.Base.IsCompound && slices.Contains([]int{1, 2, 6, 7}, s.Base.Tag)
			if known && (!supported || s.Minimum != 0 || s.Maximum != 0) {
				t.Fatalf("%x passes", der)
			}
		}
	})
}
