package store

func (c *checker) checkCertCache() error {
	return walkRecords(c, bucketCertCache, func(k []byte, r certCacheRecord) {
		if r.Name != string(k) {
			c.problem("the listeners' certificates: %x is named %q", k, r.Name)
			return
		}
		_, err := c.CertCache(r.Name)
		if err != nil {
			c.problem("%v", err)
		}
	})
}
