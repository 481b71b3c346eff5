package discovery

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Cache keeps what a Resolver found over a restart, as one document. It need
// not be trusted for more than the names in it, which are those that were asked
// for: certificates from it are judged as those from the network are.
type Cache interface {
	// Load returns the document, nil if there is none.
	Load(ctx context.Context) ([]byte, error)
	// Save replaces it.
	Save(ctx context.Context, document []byte) error
}

// Bounds on the document.
const (
	saveEvery    = 5 * time.Minute
	cacheTime    = 30 * time.Second // for reading or writing it
	maxDocument  = 16 << 20
	maxDirectory = maxDocument / 4 // of it for what directories and URLs gave
	maxShelfKey  = 4 << 10
)

// documentVersion is that of the form in which document is written.
const documentVersion = 1

// A document is all that survives a restart: answers with certificates, for as
// long as they had left. That somebody had nothing, or did not answer, is
// forgotten, so that no refusal can come of it.
type document struct {
	Version int
	DNS     []kept       // the last used first
	Shelf   []keptLearnt // the last used first
}

// A keptLearnt is what directories or a URL gave.
type keptLearnt struct {
	Key            string
	Query, Server  string // of the step that found it
	Certificates   [][]byte
	Unreadable     int `json:",omitempty"`
	Asked, Expires time.Time
}

// A keeper knows what the cache has. The zero keeper is ready.
type keeper struct {
	mu    sync.Mutex
	begun bool
	saved [sha256.Size]byte // digest of its content
}

// load takes up what the cache has. Without it everything is asked for anew.
func (r *Resolver) load() {
	r.keep.mu.Lock()
	defer r.keep.mu.Unlock()
	r.keep.begun = true
	if r.Cache == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cacheTime)
	defer cancel()
	text, err := r.Cache.Load(ctx)
	if err == nil && len(text) > 0 {
		var d document
		d, err = readDocument(text)
		if err == nil {
			r.restore(d)
			_, r.keep.saved, err = writeDocument(r.DNS.snapshot(), r.shelf.snapshot())
		}
	}
	if err != nil {
		r.log().Warn("what earlier look-ups found is not used", "err", err)
	}
}

var errDocument = errors.New("it is not what was saved")

func readDocument(text []byte) (document, error) {
	var d document
	if len(text) > maxDocument {
		return d, fmt.Errorf("%w: it has more than %d octets", errDocument, maxDocument)
	}
	err := json.Unmarshal(text, &d)
	if err != nil {
		return document{}, fmt.Errorf("%w: %w", errDocument, err)
	}
	if d.Version != documentVersion {
		return document{}, fmt.Errorf("%w: its version is %d", errDocument, d.Version)
	}
	return d, nil
}

func (r *Resolver) restore(d document) {
	r.DNS.restore(d.DNS)
	r.shelf.restore(d.Shelf)
}

// Run saves what was found every few minutes, if there is anything new, until
// ctx is done. Close saves as well.
func (r *Resolver) Run(ctx context.Context) {
	r.begin()
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.save()
		}
	}
}

// Close ends the searches of directories that are under way, saves what was
// found and returns when nothing is left to do. It leaves DNS alone, which others
// may use: close that after it.
func (r *Resolver) Close() {
	r.make()
	r.shelf.close()
	r.save()
}

// save writes down what was found, if that changed. A Resolver that was never
// used has nothing to say.
func (r *Resolver) save() {
	r.keep.mu.Lock()
	defer r.keep.mu.Unlock()
	if r.Cache == nil || !r.keep.begun {
		return
	}
	text, digest, err := writeDocument(r.DNS.snapshot(), r.shelf.snapshot())
	if err == nil && digest != r.keep.saved {
		ctx, cancel := context.WithTimeout(context.Background(), cacheTime)
		defer cancel()
		err = r.Cache.Save(ctx, text)
		if err == nil {
			r.keep.saved = digest
		}
	}
	if err != nil {
		r.log().Warn("saving what look-ups found", "err", err)
	}
}

// writeDocument returns as much as there is room for, and a digest that does not
// depend on the order, which changes with every use.
func writeDocument(answers []kept, found []keptLearnt) ([]byte, [sha256.Size]byte, error) {
	var d struct {
		Version    int
		DNS, Shelf []json.RawMessage
	}
	var digest [sha256.Size]byte
	d.Version = documentVersion
	room := maxDirectory
	fits := func(v any) (json.RawMessage, bool, error) {
		text, err := json.Marshal(v)
		if err != nil || len(text)+1 > room {
			return nil, false, err
		}
		room -= len(text) + 1
		for i, c := range sha256.Sum256(text) {
			digest[i] ^= c
		}
		return text, true, nil
	}
	for _, k := range found {
		text, ok, err := fits(k)
		if err != nil {
			return nil, digest, fmt.Errorf("writing what directories said: %w", err)
		}
		if ok {
			d.Shelf = append(d.Shelf, text)
		}
	}
	room += maxDocument - maxDirectory - 1024 // for what is around them
	for _, k := range answers {
		text, ok, err := fits(k)
		if err != nil {
			return nil, digest, fmt.Errorf("writing what DNS said: %w", err)
		}
		if ok {
			d.DNS = append(d.DNS, text)
		}
	}
	text, err := json.Marshal(d)
	return text, digest, err
}

// snapshot returns what was found and has time left, the last used first.
func (s *shelf) snapshot() []keptLearnt {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var all []keptLearnt
	for e := s.used.Front(); e != nil; e = e.Next() {
		at := e.Value.(*shelved)
		if len(at.haul.certs) == 0 || !now.Before(at.expires) {
			continue
		}
		step := at.steps[len(at.steps)-1]
		k := keptLearnt{Key: at.key, Query: step.Query, Server: step.Server, Unreadable: at.haul.bad,
			Asked: at.asked.Round(0), Expires: at.expires.Round(0)}
		for _, c := range at.haul.certs {
			k.Certificates = append(k.Certificates, c.Raw)
		}
		all = append(all, k)
	}
	return all
}

// restore takes back what snapshot returned: what is damaged, too old or from
// the future is left out.
func (s *shelf) restore(all []keptLearnt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for i := range min(len(all), shelfEntries) {
		k := all[min(len(all), shelfEntries)-1-i]
		l, ok := k.learnt()
		if ok && !now.Before(l.asked) {
			s.put(k.Key, l)
		}
	}
}

// learnt reads what was kept; the bounds on its time hold as when it was found.
func (k *keptLearnt) learnt() (learnt, bool) {
	l := learnt{asked: k.Asked.Round(0)}
	if !isShelfKey(k.Key) || len(k.Certificates) == 0 || len(k.Certificates) > MaxCertificates ||
		len(k.Query) > maxShelfKey || len(k.Server) > maxShelfKey || k.Unreadable < 0 || k.Unreadable > MaxCertificates {
		return l, false
	}
	for _, der := range k.Certificates {
		if len(der) > MaxCertificate {
			return l, false
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return l, false
		}
		l.haul.certs = append(l.haul.certs, cert)
	}
	l.haul.bad = k.Unreadable
	l.steps = []Step{{Query: k.Query, Server: k.Server, Answer: AnswerFound, Outcome: l.haul.String(), Certificates: len(l.haul.certs)}}
	l.expires = l.asked.Add(min(k.Expires.Sub(k.Asked), keepFound, l.haul.inDate(l.asked)))
	return l, true
}

// isShelfKey reports a key as shelfKey makes it.
func isShelfKey(key string) bool {
	parts := strings.Split(key, "\x00")
	return len(key) <= maxShelfKey && len(parts) == 3 && (parts[0] == ofDirectories || parts[0] == ofDocument)
}
