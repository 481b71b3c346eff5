package gateway

import (
	"fmt"

	"postern/store"
)

// DirectoryIn returns who we are and whom we believe as a transaction sees it, with what it
// has changed.
func (c *Core) DirectoryIn(tx store.Tx) (*Directory, error) { return c.directories.in(tx) }

// in returns the Directory of a transaction, which may come to nothing: it is not kept.
func (c *directories) in(tx store.Tx) (*Directory, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	generation, err := tx.Generation()
	if err == nil && c.latest != nil && c.latest.generation == generation {
		return c.latest, nil
	}
	var d *Directory
	if err == nil {
		d, err = c.read(tx, generation)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	return d, nil
}
