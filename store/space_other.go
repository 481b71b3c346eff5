//go:build !linux

package store

import "math"

// SpaceOf knows nothing here: what does not fit is refused when it is written.
func SpaceOf(string) (Space, error) { return Space{Free: math.MaxInt64}, nil }
