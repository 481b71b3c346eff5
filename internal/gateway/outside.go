package gateway

import (
	"errors"

	"postern/trust/discovery"
)

// Outside returns what looks our own addresses up as others do: by the resolvers
// of the configuration, and without anything that was found earlier. end ends it.
func (c *Core) Outside() (r *discovery.Resolver, end func(), err error) {
	if c.found == nil {
		return nil, nil, errors.New("this gateway has no resolvers")
	}
	r = c.found.Anew()
	return r, func() { r.Close(); r.DNS.Close() }, nil
}
