package store

import (
	"bytes"
	"crypto/sha256"
)

func (c *checker) checkDocuments() error {
	return walkRecords(c, bucketDocuments, func(k []byte, r documentRecord) {
		c.report.Documents++
		if string(k) != r.Key {
			c.problem("document %q is stored under another key", r.Key)
		}
		body := c.alone(bucketDocumentBodies, k)
		digest := sha256.Sum256(body)
		if body == nil || !bytes.Equal(digest[:], r.SHA256[:]) {
			c.problem("document %q: the body is missing, or it is another", r.Key)
		}
	})
}

func (c *checker) checkDocumentBodies() error {
	return c.walk(bucketDocumentBodies, func(k, _ []byte) {
		if !c.exists(bucketDocuments, k) {
			c.problem("the body of a document %q is there, and no document", k)
		}
	})
}
