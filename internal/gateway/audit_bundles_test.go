package gateway

import "testing"

// A fetch that changed whom we believe is recorded, and one that changed nothing
// is not.
func TestAuditOfBundles(t *testing.T) {
	w, c := newWebWorld(t)
	s := w.bare("b.example")
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, w.pki.Root("one"), w.pki.Root("two")))
	s.refreshed("community")
	s.refreshed("community")
	c.put("/bundle", []byte("no bundle"))
	s.refreshed("community")
	equal(t, "records", s.trail(), []string{"system changed bundle community"})
	c.put("/bundle", unsigned(t, w.pki.Root("instead")))
	s.refreshed("community")
	equal(t, "records after a change", len(s.trail()), 2)
}
