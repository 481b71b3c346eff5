package control

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A QueueFilter says which messages under way are meant; the zero filter means
// all.
type QueueFilter struct {
	To   string `json:"to,omitempty"`   // a recipient's address, or a domain
	From string `json:"from,omitempty"` // the envelope sender, or its domain
	Held bool   `json:"held,omitempty"` // those alone that wait for an operator
	Kept bool   `json:"kept,omitempty"` // refused originals alone
}

// A QueuePage asks for a part of the queue.
type QueuePage struct {
	QueueFilter
	Start store.JobID `json:"start"` // the lowest id that is meant
}

// A QueueSummary is the state of the queue by destination.
type QueueSummary struct {
	Groups []QueueGroup       `json:"groups"`
	Down   []gateway.DownLane `json:"down"` // what those that are meant wait for
}

// A QueueGroup are the messages that wait for the same in the same state.
type QueueGroup struct {
	Kind        store.JobKind `json:"kind"`
	Destination string        `json:"destination"` // a domain, or SeveralDomains
	State       QueueState    `json:"state"`
	Jobs        int           `json:"jobs"`
	Bytes       int64         `json:"bytes"`
	Oldest      time.Time     `json:"oldest"`        // when the first of them began to wait
	Next        time.Time     `json:"next,omitzero"` // when one of them is tried next, or, kept, is dropped; not for held ones
}

// SeveralDomains stands for the destination of a message that is not divided yet.
const SeveralDomains = "several domains"

// A QueueState is how a message under way waits.
type QueueState string

// States of messages under way.
const (
	QueueFirst QueueState = "waiting"  // for its first attempt
	QueueAgain QueueState = "retrying" // after an attempt that failed for the moment
	QueueHeld  QueueState = "held"     // for an operator, or for another message
	QueueKept  QueueState = "kept"     // a refused original, for an operator to look into
)

func queueState(j store.Job) QueueState {
	switch {
	case j.Idle():
		return QueueHeld
	case j.Kind == store.KeptJob:
		return QueueKept
	case j.Attempts > 0:
		return QueueAgain
	}
	return QueueFirst
}

func (s *Service) handleQueue(mux *http.ServeMux) {
	handle(mux, commandBytes, "queue/list", s.listQueue)
	handle(mux, commandBytes, "queue/jobs", s.listJobs)
	handle(mux, commandBytes, "queue/show", s.showQueue)
	handleMessage(mux, "queue/original", 0, s.takeOriginal)
	handle(mux, commandBytes, "queue/retry", s.retryJobs)
	handle(mux, commandBytes, "queue/hold", s.holdJobs)
	handle(mux, commandBytes, "queue/release", s.releaseJobs)
	handle(mux, commandBytes, "queue/drop", s.dropJobs)
}

// A picker is a filter that was read.
type picker struct {
	to, from       mime.Address // if whole
	toDom, fromDom mime.Domain  // if not
	held, kept     bool
}

// read checks what a filter names.
func (f QueueFilter) read() (p picker, err error) {
	p.held, p.kept = f.Held, f.Kept
	p.to, p.toDom, err = readName(f.To)
	if err != nil {
		return p, err
	}
	p.from, p.fromDom, err = readName(f.From)
	return p, err
}

// readName reads an address or a domain; "" is neither.
func readName(name string) (a mime.Address, d mime.Domain, err error) {
	switch {
	case name == "":
	case strings.Contains(name, "@"):
		a, err = mime.ParseAddress(name)
	default:
		d, err = mime.ParseDomain(name)
	}
	return a, d, err
}

// picks reports whether a job is meant. The deadlines of notifications are no
// messages.
func (p picker) picks(j store.Job) bool {
	if j.Kind == store.WatchJob || p.held && !j.Idle() || p.kept && j.Kind != store.KeptJob {
		return false
	}
	if (!p.from.IsZero() || p.fromDom != "") && !isAt(j.Sender, p.from, p.fromDom) {
		return false
	}
	if p.to.IsZero() && p.toDom == "" {
		return true
	}
	return slices.ContainsFunc(j.Recipients, func(a mime.Address) bool { return isAt(a, p.to, p.toDom) }) ||
		slices.ContainsFunc(j.Push.Also, func(n store.PushName) bool { return isAt(n.Address, p.to, p.toDom) }) ||
		j.Kind == store.PushJob && isAt(j.Push.Account, p.to, p.toDom)
}

func isAt(a, whole mime.Address, domain mime.Domain) bool {
	if !whole.IsZero() {
		return a.Same(whole)
	}
	return a.Domain() == domain
}

// queuePage is how many jobs are read at once: a snapshot must not last.
const queuePage = 1000

// pickJobs calls fn with the jobs that are meant, in order of their ids, a page at
// a time.
func (s *Service) pickJobs(ctx context.Context, p picker, fn func(store.Job)) error {
	for from := store.JobID(1); ; {
		page, next, err := s.readPage(ctx, p, from)
		if err != nil {
			return err
		}
		for _, j := range page {
			fn(j)
		}
		if next == 0 {
			return nil
		}
		from = next
	}
}

// readPage returns the jobs that are meant among the next queuePage ones, and where
// to go on; 0 is the end.
func (s *Service) readPage(ctx context.Context, p picker, from store.JobID) (page []store.Job, next store.JobID, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		page, next = nil, 0
		read := 0
		return tx.EachJob(from, func(j store.Job) bool {
			if read == queuePage {
				next = j.ID
				return false
			}
			read++
			if p.picks(j) {
				page = append(page, j)
			}
			return true
		})
	})
	return page, next, err
}

// listQueue sums up what is under way, by what it waits for.
func (s *Service) listQueue(ctx context.Context, in QueueFilter) (QueueSummary, error) {
	p, err := in.read()
	if err != nil {
		return QueueSummary{}, err
	}
	type key struct {
		kind        store.JobKind
		destination string
		state       QueueState
	}
	groups, waited := make(map[key]*QueueGroup), make(map[laneName]bool)
	err = s.pickJobs(ctx, p, func(j store.Job) {
		if !j.Idle() {
			waited[laneName{j.Kind, laneOf(j)}] = true
		}
		k := key{j.Kind, destinationOf(j), queueState(j)}
		g := groups[k]
		if g == nil {
			g = &QueueGroup{Kind: k.kind, Destination: k.destination, State: k.state}
			groups[k] = g
		}
		g.add(j)
	})
	if err != nil {
		return QueueSummary{}, err
	}
	sum := QueueSummary{Groups: []QueueGroup{}, Down: []gateway.DownLane{}}
	for _, g := range groups {
		g.Oldest = s.Core.Wall(g.Oldest)
		if !g.Next.IsZero() {
			g.Next = s.Core.Wall(g.Next)
		}
		sum.Groups = append(sum.Groups, *g)
	}
	slices.SortFunc(sum.Groups, func(a, b QueueGroup) int {
		return cmp.Or(cmp.Compare(step(a.Kind), step(b.Kind)), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.State, b.State))
	})
	for _, d := range s.Core.DownLanes() {
		if waited[laneName{d.Kind, d.Lane}] {
			sum.Down = append(sum.Down, d)
		}
	}
	return sum, nil
}

func (g *QueueGroup) add(j store.Job) {
	g.Jobs++
	g.Bytes += j.Size
	if g.Oldest.IsZero() || j.Created.Before(g.Oldest) {
		g.Oldest = j.Created
	}
	if !j.Idle() && (g.Next.IsZero() || j.Due.Before(g.Next)) {
		g.Next = j.Due
	}
}

// step orders the kinds of jobs as a message meets them.
func step(kind store.JobKind) int {
	i := slices.Index(store.Steps(), kind)
	if i < 0 {
		return len(store.Steps()) // what is kept
	}
	return i
}

// destinationOf names what a message waits for.
func destinationOf(j store.Job) string {
	if j.Destination != "" {
		return j.Destination.String()
	}
	if len(j.Recipients) == 0 {
		return ""
	}
	first := j.Recipients[0].Domain()
	if slices.ContainsFunc(j.Recipients, func(a mime.Address) bool { return a.Domain() != first }) {
		return SeveralDomains
	}
	return first.String()
}

// A QueueJobs is one part of the queue, and where the next begins; 0 is the end.
type QueueJobs struct {
	Jobs []store.Job `json:"jobs"`
	Next store.JobID `json:"next"`
}

func (s *Service) listJobs(ctx context.Context, in QueuePage) (QueueJobs, error) {
	p, err := in.QueueFilter.read()
	if err != nil {
		return QueueJobs{}, err
	}
	page, next, err := s.readPage(ctx, p, in.Start)
	s.wall(page)
	return QueueJobs{Jobs: page, Next: next}, err
}

// wall gives jobs times as people read them.
func (s *Service) wall(jobs []store.Job) {
	for i := range jobs {
		j := &jobs[i]
		for _, t := range []*time.Time{&j.Created, &j.Due, &j.Expires, &j.Kept.Until} {
			if !t.IsZero() {
				*t = s.Core.Wall(*t)
			}
		}
	}
}
