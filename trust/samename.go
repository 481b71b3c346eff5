package trust

import "bytes"

// SameName reports whether two names in DER are equal as RFC 5280 §7.1 compares
// them: whatever the string types, case and white space of their values.
func SameName(a, b []byte) bool { return bytes.Equal(a, b) || canonicalName(a) == canonicalName(b) }
