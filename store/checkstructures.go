package store

import (
	"encoding/binary"
	"fmt"
)

// checkStructures opens what is kept of bodies. It can be made anew, so that none of it
// is damage: what is wrong is dropped where numbers are counted anew.
func (c *checker) checkStructures() error {
	return c.walk(bucketStructures, func(k, _ []byte) {
		if len(k) != 8 {
			c.problem("structure %x is of no body", k)
			return
		}
		id := BodyID(binary.BigEndian.Uint64(k))
		drop := func(t *tx) error { return t.remove(bucketStructures, u64(uint64(id))) }
		if !c.exists(bucketBodies, k) {
			c.miscounted(fmt.Sprintf("the structure of body %d", id), drop, "the structure of body %d is there and the body is not", id)
			return
		}
		_, err := c.Structure(id)
		if err != nil {
			c.miscounted(fmt.Sprintf("the structure of body %d", id), drop, "body %d: what is kept of its structure: %v", id, err)
		}
	})
}
