package store

func (c *checker) checkRequests() error {
	return walkRecords(c, bucketRequests, func(k []byte, r Request) {
		if len(k) != len(RequestKey{}) || len(r.Track) != trackIDSize {
			c.problem("request %x is damaged", k)
			return
		}
		if !c.exists(bucketRequestTimes, requestTime(r.At, RequestKey(k))) {
			c.problem("request %x is missing in the index of times", k)
		}
	})
}

func (c *checker) checkRequestTimes() error {
	return c.walk(bucketRequestTimes, func(k, _ []byte) {
		if len(k) != 8+len(RequestKey{}) {
			c.problem("the index of the times of requests: %x is damaged", k)
			return
		}
		r, err := c.Request(RequestKey(k[8:]))
		if err != nil || string(requestTime(r.At, RequestKey(k[8:]))) != string(k) {
			c.problem("the index of times leads to request %x, which is not so", k[8:])
		}
	})
}
