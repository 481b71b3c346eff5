package discovery

// Waiting returns how many look-ups wait for searches of directories and for
// documents now.
func Waiting(r *Resolver) int {
	r.shelf.mu.Lock()
	defer r.shelf.mu.Unlock()
	n := 0
	for _, f := range r.shelf.flights {
		n += f.waiters
	}
	return n
}
