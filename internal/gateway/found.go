package gateway

import (
	"context"

	"postern/trust/discovery"
	"postern/trust/evidence"
)

// foundKey names the document of what discovery found, which no URL is.
const foundKey = "discovery"

// foundDocument keeps what discovery found in the store of a Core.
type foundDocument struct{ *Core }

var _ discovery.Cache = foundDocument{}

// Load implements discovery.Cache.
func (d foundDocument) Load(ctx context.Context) ([]byte, error) {
	found, _, err := Documents{d.Store}.Load(ctx, foundKey)
	return found.Body, err
}

// Save implements discovery.Cache.
func (d foundDocument) Save(ctx context.Context, document []byte) error {
	now := d.Now()
	return Documents{d.Store}.Save(ctx, evidence.Stored{Key: foundKey, Body: document, Fetched: now, Expires: now, Used: now})
}
