package trust

// Checked returns how many signatures were checked for the memo.
func (m *Memo) Checked() int { return len(m.signed) }
