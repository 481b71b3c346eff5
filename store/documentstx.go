package store

import (
	"bytes"
	"errors"
	"fmt"
)

// Document implements DocumentTx.
func (t *tx) Document(key string) (Document, error) {
	d, err := getRecord[Document](t, bucketDocuments, []byte(key))
	if err != nil {
		return Document{}, fmt.Errorf("document %q: %w", key, err)
	}
	d.Body = bytes.Clone(t.get(bucketDocumentBodies, []byte(key)))
	return d, nil
}

// EachDocument implements DocumentTx.
func (t *tx) EachDocument(fn func(Document) bool) error {
	return t.each(bucketDocuments, nil, nil, func(_, v []byte) (bool, error) {
		d, err := decodeRecord[Document](bucketDocuments, v)
		return err == nil && fn(d), err
	})
}

// PutDocument implements DocumentTx.
func (t *tx) PutDocument(d Document) error {
	err := checkText("the key of a document", d.Key)
	if err != nil {
		return err
	}
	if d.Key == "" {
		return errors.New("a document needs a key")
	}
	d.Fetched, d.Expires, d.Used = d.Fetched.UTC(), d.Expires.UTC(), d.Used.UTC()
	err = t.putRecord(bucketDocuments, []byte(d.Key), d)
	if err != nil {
		return err
	}
	return t.put(bucketDocumentBodies, []byte(d.Key), d.Body)
}

// RemoveDocument implements DocumentTx.
func (t *tx) RemoveDocument(key string) error {
	if !t.writable {
		return ErrReadOnly
	}
	if !t.exists(bucketDocuments, []byte(key)) {
		return fmt.Errorf("document %q: %w", key, ErrNotFound)
	}
	err := t.remove(bucketDocuments, []byte(key))
	if err != nil {
		return err
	}
	return t.remove(bucketDocumentBodies, []byte(key))
}
