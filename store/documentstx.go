package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// A documentRecord is a Document at rest, beside its body.
type documentRecord struct {
	Document
	// SHA256 is that of the body. It is for Check alone: whoever uses a document
	// checks its signature.
	SHA256 Fingerprint `json:"sha256"`
}

// Document implements DocumentTx.
func (t *tx) Document(key string) (Document, error) {
	r, err := t.documentRecord(key)
	if err != nil {
		return Document{}, err
	}
	r.Body = bytes.Clone(t.alone(bucketDocumentBodies, []byte(key)))
	r.Size = int64(len(r.Body))
	return r.Document, nil
}

func (t *tx) documentRecord(key string) (documentRecord, error) {
	r, err := getRecord[documentRecord](t, bucketDocuments, []byte(key))
	if err != nil {
		return r, fmt.Errorf("document %q: %w", key, err)
	}
	return r, nil
}

// EachDocument implements DocumentTx. The length of a body is known without a
// look at it.
func (t *tx) EachDocument(fn func(Document) bool) error {
	return t.each(bucketDocuments, nil, nil, func(k, v []byte) (bool, error) {
		r, err := decodeRecord[documentRecord](bucketDocuments, v)
		r.Size = int64(len(t.alone(bucketDocumentBodies, k)))
		return err == nil && fn(r.Document), err
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
	err = t.putRecord(bucketDocuments, []byte(d.Key), documentRecord{Document: d, SHA256: sha256.Sum256(d.Body)})
	if err != nil {
		return err
	}
	return t.putAlone(bucketDocumentBodies, []byte(d.Key), d.Body)
}

// TouchDocument implements DocumentTx.
func (t *tx) TouchDocument(key string, used time.Time) error {
	if !t.writable {
		return ErrReadOnly
	}
	r, err := t.documentRecord(key)
	if err != nil {
		return err
	}
	r.Used = used.UTC()
	return t.putRecord(bucketDocuments, []byte(key), r)
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
	return t.removeAlone(bucketDocumentBodies, []byte(key))
}
