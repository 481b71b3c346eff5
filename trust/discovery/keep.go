package discovery

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
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
	maxKeptText  = 4 << 10         // of each part of a result's key, and of what was asked
)

// documentVersion is that of the form in which document is written.
const documentVersion = 1

// A document is all that survives a restart: answers with certificates, for as
// long as they had left. That somebody had nothing, or did not answer, is
// forgotten, so that no refusal can come of it.
type document struct {
	Version int
	DNS     []kept       // the last used first
	Results []keptResult // the last used first
}

// A keeper knows what the Cache has.
type keeper struct {
	load   sync.Once
	ctx    context.Context // of loading; stop ends it
	stop   context.CancelFunc
	loaded chan struct{} // closed when that has ended

	mu    sync.Mutex
	begun bool              // what the Cache had is taken up, or of no use
	saved [sha256.Size]byte // digest of its content
}

func (k *keeper) make() {
	k.ctx, k.stop = context.WithCancel(context.Background())
	k.loaded = make(chan struct{})
}

// load takes up what the Cache has. Until then, and without it, everything is
// asked for anew.
func (r *Resolver) load() {
	defer close(r.keep.loaded)
	if r.Cache == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.keep.ctx, cacheTime)
	defer cancel()
	text, err := r.Cache.Load(ctx)
	if r.keep.ctx.Err() != nil {
		return // Close writes nothing over what was not read
	}
	r.keep.mu.Lock()
	defer r.keep.mu.Unlock()
	r.keep.begun = true
	if err == nil && len(text) > 0 {
		var d document
		d, err = readDocument(text)
		if err == nil {
			r.keep.saved, err = r.restore(d)
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

// restore takes up a document, and returns the digest of what it has that is good.
func (r *Resolver) restore(d document) ([sha256.Size]byte, error) {
	answers, results := r.DNS.restore(d.DNS), restoreResults(r.results, d.Results)
	_, digest, err := writeDocument(keptAnswers(answers), keptResults(results))
	return digest, err
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
	r.keep.stop()
	r.keep.load.Do(func() { close(r.keep.loaded) }) // it shall not begin any more
	<-r.keep.loaded
	r.results.close()
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
	text, digest, err := writeDocument(r.DNS.snapshot(), snapshotResults(r.results))
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
func writeDocument(answers []kept, results []keptResult) ([]byte, [sha256.Size]byte, error) {
	var d struct {
		Version      int
		DNS, Results []json.RawMessage
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
	for _, k := range results {
		text, ok, err := fits(k)
		if err != nil {
			return nil, digest, fmt.Errorf("writing what directories said: %w", err)
		}
		if ok {
			d.Results = append(d.Results, text)
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
