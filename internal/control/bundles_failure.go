package control

// failureHint is what to do about a kind of failure.
func failureHint(kind string) string { return "" }

// failurePasses reports whether a kind of failure may pass by itself.
func failurePasses(kind string) bool { return false }
