package store

import "time"

// A Document is something that was fetched to judge certificates by, such as a
// CRL, kept so that a restart need not fetch it again. It is public and not
// sealed; whoever uses it checks its signature.
type Document struct {
	Key     string    `json:"key"` // names the document, such as its URL; at most 1024 bytes
	Body    []byte    `json:"-"`
	Size    int64     `json:"-"` // octets of Body; told by the store, ignored by PutDocument
	Fetched time.Time `json:"fetched"`
	Expires time.Time `json:"expires"`
	Used    time.Time `json:"used"` // when it was asked for last, to the day
}

// DocumentTx holds what was fetched. None of it is part of the directory's
// generation.
type DocumentTx interface {
	// Document returns ErrNotFound when there is none.
	Document(key string) (Document, error)
	// EachDocument calls fn for every document, without Body, until it returns
	// false.
	EachDocument(fn func(Document) bool) error
	PutDocument(Document) error
	// TouchDocument sets Used and leaves the body alone. It returns ErrNotFound
	// when there is no document.
	TouchDocument(key string, used time.Time) error
	RemoveDocument(key string) error
}
