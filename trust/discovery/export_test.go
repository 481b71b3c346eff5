package discovery

// Waiting returns how many look-ups wait for searches of directories and for
// documents now.
func Waiting(r *Resolver) int {
	r.results.mu.Lock()
	defer r.results.mu.Unlock()
	n := 0
	for _, f := range r.results.flights {
		n += f.waiting
	}
	return n
}

// Load waits until what the Cache of a Resolver has is taken up.
func Load(r *Resolver) {
	r.begin()
	<-r.keep.loaded
}
