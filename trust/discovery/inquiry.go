package discovery

import (
	"context"
	"fmt"
	"time"
)

// inquiryTimeout bounds a look-up, however long its callers would wait.
const inquiryTimeout = 10 * time.Second

// An inquiryKey is a question under way. One that must be put anew joins no other
// that need not.
type inquiryKey struct {
	cacheKey
	fresh bool
}

// An inquiry is a look-up that callers wait for. It goes on for as long as anybody
// does.
type inquiry struct {
	lookup
	key       inquiryKey
	cancel    context.CancelFunc
	waiting   int           // guarded by DNS.mu
	abandoned bool          // guarded by DNS.mu
	done      chan struct{} // closed when entry is set
	entry     *entry
}

// join returns the inquiry to wait for, a new one if there is none.
func (d *DNS) join(name string, key inquiryKey) (*inquiry, error) {
	if d.closed {
		return nil, errClientEnd
	}
	f := d.inquiries[key]
	if f == nil && !key.fresh {
		f = d.inquiries[inquiryKey{key.cacheKey, true}]
	}
	if f != nil {
		f.waiting++
		d.counts.joined.Add(1)
		return f, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), inquiryTimeout)
	f = &inquiry{lookup: lookup{dns: d}, key: key, cancel: cancel, waiting: 1, done: make(chan struct{})}
	if d.inquiries == nil {
		d.inquiries = make(map[inquiryKey]*inquiry)
	}
	d.inquiries[key] = f
	d.ended.Go(func() {
		defer cancel()
		d.land(f, f.fly(ctx, name))
	})
	return f, nil
}

// leave is for a caller that waits no more.
func (d *DNS) leave(f *inquiry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.waiting--
	if f.waiting == 0 {
		d.abandon(f)
	}
}

// abandon ends an inquiry. DNS.mu is held.
func (d *DNS) abandon(f *inquiry) {
	f.abandoned = true
	f.cancel()
	if d.inquiries[f.key] == f {
		delete(d.inquiries, f.key)
	}
}

// fly does the work. What strangers send is read here: the last net under the
// libraries is that a panic is a failure of this one question.
func (f *inquiry) fly(ctx context.Context, name string) (e *entry) {
	asked := f.dns.now()
	defer func() {
		if r := recover(); r != nil {
			e = newEntry(f.key.cacheKey, finding{kind: AnswerBroken, server: f.trail.server(), life: failureLife,
				err: fmt.Errorf("%w: %v", errLibrary, r)}, asked)
		}
	}()
	return newEntry(f.key.cacheKey, f.run(ctx, name, f.key.qtype), asked)
}

// land keeps what was found and hands it to those who wait.
func (d *DNS) land(f *inquiry, e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A failure because nobody waited says nothing about the servers, unless all
	// of them had their turn.
	if e.final() || !f.abandoned || f.allFailed {
		d.cache.put(e, d.now())
	}
	if d.inquiries[f.key] == f {
		delete(d.inquiries, f.key)
	}
	if !e.final() && !f.abandoned {
		d.counts.failures.Add(1)
	}
	if e.authoritative {
		d.counts.authoritative.Add(1)
	}
	f.entry = e
	close(f.done)
}

// keep puts an answer into the cache.
func (d *DNS) keep(e *entry) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cache.put(e, now)
}
