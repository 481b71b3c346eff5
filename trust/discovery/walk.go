package discovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/mime"
)

// Bounds on the directories of one domain.
const (
	maxDirectories = 8
	directoryTime  = 6 * time.Second // for one
	connectTime    = 2 * time.Second // for reaching one, at all its addresses
	maxOutcome     = 400             // octets that are told of what a server said
	maxName        = 200             // of a name that it gave
)

// How long what directories said is kept, at most: no longer than the SRV
// records that led to them.
const (
	keepFound   = time.Hour
	keepNothing = 5 * time.Minute
	keepFailure = 30 * time.Second
)

// A walk asks the directories of a domain for one name, one after the other,
// until one has certificates (CD-23, CD-24, CD-31).
type walk struct {
	*Resolver
	domain  mime.Domain // whose directories they are
	servers []SRV       // in order
	mail    string
	fresh   bool
	began   time.Time     // the look-up that this is for
	left    time.Duration // of the SRV records
	result  *lookupResult
}

// run finds what the directories have, and for how long to keep it.
func (w *walk) run(ctx context.Context, into *lookupResult) {
	w.result = into
	servers := w.Resolver.servers.last(w.domain, w.servers, w.result.asked)
	for i, s := range servers {
		if w.pass(ctx, s) {
			continue
		}
		w.ask(ctx, s, len(servers)-i)
		if w.result.found.any() {
			break
		}
	}
	w.result.expires = w.result.asked.Add(w.keep())
}

// pass records a server that is not asked, because it was dead not long ago or
// there is no time left, and reports whether it is not. One that was dead for an
// earlier look-up may be back: that nothing is found then is not known.
func (w *walk) pass(ctx context.Context, s SRV) bool {
	step := w.step(s)
	if ctx.Err() != nil {
		w.tooLate(step, ctx.Err())
		return true
	}
	now := w.now()
	d, dead := w.Resolver.servers.dead(w.key(s), now)
	earlier := d.since.Before(w.began)
	if !dead || w.fresh && earlier {
		return false
	}
	step.Cached, step.Age, step.Answer, step.Err = earlier, now.Sub(d.since), d.answer, d.err
	step.Left = notAskedFor - step.Age
	step.Outcome = "not asked: it gave no answer " + seconds(step.Age) + " ago"
	if earlier {
		w.result.temporary = fmt.Errorf("the directory %s was not asked, since it gave no answer %s ago: %w", step.Server, seconds(step.Age), d.err)
	}
	w.result.steps = append(w.result.steps, step)
	return true
}

func (w *walk) step(s SRV) Step {
	return Step{Query: mailFilter(w.mail), Server: fmt.Sprintf("%s:%d", s.Target, s.Port), Then: nextServer}
}

// tooLate records a server that there is no time left for.
func (w *walk) tooLate(step Step, err error) {
	step.Answer, step.Outcome, step.Err = AnswerNotAsked, "not asked: the time for it was over", err
	w.result.temporary = err
	w.result.steps = append(w.result.steps, step)
}

// ask asks one server, when its turn comes: what directories send takes memory,
// so that few are asked at once. Those that are dead may take so much of the time
// that the rest have a part each.
func (w *walk) ask(ctx context.Context, s SRV, rest int) {
	leave, err := w.asking.enter(ctx, directoryBounds, w.domain, w.domains.known(w.domain, w.now()))
	if err != nil {
		w.tooLate(w.step(s), err)
		return
	}
	defer leave()
	end, _ := ctx.Deadline()
	share := time.Until(end) / time.Duration(rest+1)
	own, cancel := context.WithTimeout(ctx, directoryTime)
	defer cancel()
	d := &directory{server: s, dns: w.DNS, network: w.Network, connect: min(connectTime, share)}
	defer d.close()
	began := time.Now()
	err = d.ask(own, w.mail)
	step := Step{Query: mailFilter(w.mail), Server: d.name(), Duration: time.Since(began), Answer: AnswerNoEntry, Err: err,
		Outcome: d.outcome(err), Certificates: len(d.found.list), Then: nextServer, Questions: d.trail.all()}
	switch {
	case d.found.any():
		step.Answer, step.Err = AnswerFound, nil
	case err != nil:
		step.Answer = directoryAnswer(err)
	}
	switch {
	case err == nil || d.found.any():
	case temporary(err): // DNS did not say where the server is
		w.result.temporary = err
	case ctx.Err() != nil: // cut short, which proves nothing
		w.result.temporary = ctx.Err()
	}
	if ctx.Err() == nil && d.tells(err) {
		w.Resolver.servers.tell(w.key(s), deadServer{w.now(), step.Answer, err}, d.reached)
	}
	w.result.found = d.found
	w.result.steps = append(w.result.steps, step)
}

// keep returns for how long the result may be used without asking: until a
// certificate that is in date ends (CD-12), so that the one after it is found.
func (w *walk) keep() time.Duration {
	r := w.result
	switch {
	case len(r.found.list) > 0:
		return min(w.left, keepFound, r.found.inDate(r.asked))
	case r.found.any():
		return min(w.left, keepNothing)
	case !slices.ContainsFunc(r.steps, func(s Step) bool { return s.Answer != AnswerNotAsked }):
		return 0 // nobody was asked, for want of places or of time
	case r.failed():
		return keepFailure
	}
	return min(w.left, keepNothing)
}

// A directory that could not be reached is asked after all others for a while,
// and in the first part of it not at all.
const (
	askedLastFor   = time.Minute
	notAskedFor    = 30 * time.Second
	maxDeadServers = 1000
)

// deadServers remembers LDAP servers that could not be reached. The zero
// deadServers is ready.
type deadServers struct {
	mu  sync.Mutex
	all map[serverKey]deadServer
}

// A serverKey is a server of a domain. Strangers say which servers are theirs:
// what was found for one domain says nothing about the server for another.
type serverKey struct {
	domain mime.Domain
	target string // in lower case
	port   uint16
}

type deadServer struct {
	since  time.Time
	answer Answer
	err    error
}

func keyOf(domain mime.Domain, s SRV) serverKey {
	return serverKey{domain, strings.ToLower(s.Target), s.Port}
}

func (w *walk) key(s SRV) serverKey { return keyOf(w.domain, s) }

// dead reports whether a server could not be reached not long ago.
func (d *deadServers) dead(key serverKey, now time.Time) (deadServer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was, ok := d.all[key]
	age := now.Sub(was.since)
	return was, ok && 0 <= age && age < notAskedFor
}

// last returns the servers of a domain with those behind that were dead not long
// ago.
func (d *deadServers) last(domain mime.Domain, servers []SRV, now time.Time) []SRV {
	d.mu.Lock()
	defer d.mu.Unlock()
	var live, dead []SRV
	for _, s := range servers {
		was, ok := d.all[keyOf(domain, s)]
		age := now.Sub(was.since)
		if ok && 0 <= age && age < askedLastFor {
			dead = append(dead, s)
		} else {
			live = append(live, s)
		}
	}
	return slices.Concat(live, dead)
}

// tell takes note of how it went with a server.
func (d *deadServers) tell(key serverKey, how deadServer, reached bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if reached || how.answer != AnswerTimeout && how.answer != AnswerUnreachable {
		delete(d.all, key)
		return
	}
	if d.all == nil {
		d.all = map[serverKey]deadServer{}
	}
	for other, was := range d.all {
		if len(d.all) < maxDeadServers {
			break
		}
		if how.since.Sub(was.since) >= askedLastFor || len(d.all) == maxDeadServers {
			delete(d.all, other)
		}
	}
	d.all[key] = how
}
