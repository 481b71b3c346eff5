package trust

// Spent returns how many signatures were checked, and how many crypto/x509 may have
// checked where there was more than one way.
func (m *Memo) Spent() (ours, theirs int) { return len(m.signed), m.attempted }
