package trust

import "testing"

func TestCanonicalNamesTellAttributesApart(t *testing.T) {
	// Two relative names of one attribute are not one of two.
	one := []byte("\x30\x1a\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02ab\x31\x0b\x30\x09\x06\x03\x55\x04\x0a\x0c\x02cd")
	two := []byte("\x30\x18\x31\x16\x30\x09\x06\x03\x55\x04\x03\x0c\x02ab\x30\x09\x06\x03\x55\x04\x0a\x0c\x02cd")
	turned := []byte("\x30\x18\x31\x16\x30\x09\x06\x03\x55\x04\x0a\x0c\x02CD\x30\x09\x06\x03\x55\x04\x03\x0c\x02AB")
	if canonicalName(one) == canonicalName(two) {
		t.Error("one name for two")
	}
	if canonicalName(two) != canonicalName(turned) {
		t.Error("the order in a set matters")
	}
}

// FuzzCanonicalName reads names as strangers write them into certificates.
func FuzzCanonicalName(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add([]byte("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x13\x02Ab"))
	f.Add([]byte("\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x1e\x04\x00A\x01\x30"))
	f.Add([]byte("\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x1c\x04\x00\x11\x00\x00"))
	f.Fuzz(func(t *testing.T, der []byte) {
		name := canonicalName(der)
		if name != canonicalName(append([]byte(nil), der...)) {
			t.Fatal("a name is not equal to itself")
		}
		if len(name) > 4*len(der)+16 {
			t.Fatalf("%d octets became %d", len(der), len(name))
		}
	})
}
