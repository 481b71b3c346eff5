package store

import "crypto/x509"

func (c *checker) checkBundles() error {
	return walkRecords(c, bucketBundles, func(k []byte, b Bundle) {
		c.report.Bundles++
		if string(k) != b.Name {
			c.problem("bundle %s is stored under another name", b.Name)
		}
		err := b.check()
		if err != nil {
			c.problem("%v", err)
		}
		if len(b.Signer) == 0 {
			return
		}
		_, err = x509.ParseCertificate(b.Signer)
		if err != nil {
			c.problem("bundle %s: its signer's certificate cannot be read, so that it is not refreshed: %v", b.Name, err)
		}
	})
}

func (c *checker) checkBundleStates() error {
	return walkRecords(c, bucketBundleStates, func(k []byte, _ BundleState) {
		if !c.exists(bucketBundles, k) {
			c.problem("the state of a bundle %q is there, and no bundle", k)
		}
	})
}

func (c *checker) checkBundleAnchors() error {
	return c.walk(bucketBundleAnchors, func(k, _ []byte) {
		if !c.exists(bucketBundles, k) {
			c.problem("the anchors of a bundle %q are there, and no bundle", k)
		}
		anchors, err := decodeBundleSet(c.bundleSet(string(k)))
		if err != nil {
			c.problem("the anchors of bundle %s: %v", k, err)
		}
		bad := 0
		for _, a := range anchors {
			_, err := x509.ParseCertificate(a.Certificate)
			if err != nil {
				bad++
			}
		}
		if bad > 0 {
			c.problem("bundle %s: %d of %d anchors cannot be read, so that nothing is trusted for them", k, bad, len(anchors))
		}
	})
}
