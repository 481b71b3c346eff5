package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// patience is how long the first attempt waits for the look-ups of all its
// recipients: most take well below a second, and what takes longer than two may
// take a minute. Those go on as jobs of their own, and hold up nobody else of the
// message.
const patience = 2 * time.Second

// A lookedUp is what is known of the recipients of a job.
type lookedUp struct {
	began  time.Time // by the clock of the queue
	routes []Route
	late   []mime.Address // whose look-ups take longer than patience
}

// lookUp looks up all recipients of a job. In its first attempt it may be for
// several domains, of which the slowest must not hold up the others; later it is
// for one, and there is time.
func (c *Core) lookUp(ctx context.Context, dir *Directory, job store.Job) (lookedUp, error) {
	l := lookedUp{began: c.Steady(), routes: c.neverFound(job)}
	if l.routes != nil {
		return l, nil
	}
	looking, hurry := context.WithCancel(ctx)
	defer hurry()
	if job.Lane == "" {
		timer := time.AfterFunc(patience, hurry)
		defer timer.Stop()
	}
	all, err := c.sideBySide(ctx, job.Recipients, func(to mime.Address, known *judged) Route {
		if dir.findIn(to, job.Era).isGone() {
			return Route{Recipient: to, Local: true, Code: reason.UnknownRecipient, Detail: goneAccount}
		}
		r := c.routeBeside(looking, dir, job.Sender.Domain(), to, c.Now(), known)
		// Also one that was found: of its revocation less may be known than there
		// would be time to ask for.
		r.late = looking.Err() != nil
		if job.Attempts < directoryTries {
			r.hopeForDirectory()
		}
		return r
	})
	if err != nil {
		return lookedUp{}, err
	}
	for _, r := range all {
		if r.late {
			l.late = append(l.late, r.Recipient)
		} else {
			l.routes = append(l.routes, r)
		}
	}
	c.observeLookups(l.routes)
	return l, nil
}

// directoryTries is in how many attempts a message waits for a directory that gave
// no answer in its time. In the next its silence is as good as nothing (CD-31).
const directoryTries = 2

// hopeForDirectory has a recipient tried again when there was no certificate and a
// directory was silent. One that refuses, or that nothing listens for, is not waited
// for. It is no failure of the domain, whose name servers did answer.
func (r *Route) hopeForDirectory() {
	silent := func(s discovery.Step) bool {
		return s.Answer == discovery.AnswerTimeout && (s.Source == discovery.LDAPAddress || s.Source == discovery.LDAPDomain)
	}
	if r.Code == reason.NoCertificate && slices.ContainsFunc(r.Discovery.Steps, silent) {
		r.Code = reason.DiscoveryTimeout
	}
}

func sealLane(d mime.Domain) laneID { return laneID{kind: store.SealJob, lane: string(d)} }

// observeLookups tells the breakers of domains how looking for their certificates
// went. What was found before says nothing of their servers; what was spared because
// they were silent a moment ago is as good as a failure.
func (c *Core) observeLookups(routes []Route) {
	type domain struct {
		worked bool
		failed *Route
	}
	seen := make(map[mime.Domain]domain)
	for i, r := range routes {
		d := seen[r.Recipient.Domain()]
		switch {
		case r.Local:
			continue
		case r.Discovery.Err != nil && r.Discovery.Err.Code.Outcome().Retry:
			d.failed = &routes[i]
		case slices.ContainsFunc(r.Discovery.Steps, func(s discovery.Step) bool { return !s.Cached }):
			d.worked = true
		}
		seen[r.Recipient.Domain()] = d
	}
	for name, d := range seen {
		switch {
		case d.worked:
			c.laneWorked(sealLane(name))
		case d.failed != nil:
			c.laneFailed(sealLane(name), failure{code: d.failed.Code, detail: d.failed.Detail})
		}
	}
}

// neverFound are the routes of a job whose time is over while its domain is left
// alone: it is not looked up another time. Otherwise it is nil.
func (c *Core) neverFound(job store.Job) []Route {
	if job.Lane == "" || c.Steady().Before(job.Expires) {
		return nil
	}
	why, since, down := c.whyDown(laneID{kind: store.SealJob, lane: job.Lane})
	if !down {
		return nil
	}
	var all []Route
	for _, a := range job.Recipients {
		all = append(all, Route{Recipient: a, Code: why.code,
			Detail: fmt.Sprintf("down since %s, not looked up again: %s", since.UTC().Format(time.RFC3339), why.detail)})
	}
	return all
}

// rest is what remains of a seal job: one for each domain whose recipients are late
// or to be tried again, the first of which takes the job's own place. late ones go
// on at once.
func (s *sealing) rest(again []failure, late []mime.Address) []store.Job {
	var jobs []store.Job
	for _, d := range domainsOf(again, late) {
		of := func(f failure) bool { return f.recipient.Domain() != d }
		j := s.job
		j.Lane = string(d)
		waiting := slices.DeleteFunc(slices.Clone(again), of)
		for _, a := range late {
			if a.Domain() == d {
				waiting = append(waiting, failure{recipient: a, code: reason.OK})
			}
		}
		if waiting[len(waiting)-1].code.IsOK() {
			j.Recipients, j.Due = recipientsOf(waiting), s.due
		} else {
			j = s.inLane(sealLane(d), retry(j, waiting, s.due, s.uneven), s.began)
		}
		if len(jobs) > 0 {
			j.ID, j.Next = 0, 0
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// domainsOf are the domains of recipients, each once, in their order.
func domainsOf(again []failure, late []mime.Address) []mime.Domain {
	var all []mime.Domain
	for _, a := range append(recipientsOf(again), late...) {
		if !slices.Contains(all, a.Domain()) {
			all = append(all, a.Domain())
		}
	}
	return all
}

func recipientsOf(failed []failure) []mime.Address {
	var all []mime.Address
	for _, f := range failed {
		all = append(all, f.recipient)
	}
	return all
}

// queueRest puts what remains of the job back, or ends it.
func (s *sealing) queueRest(tx store.Tx, rest []store.Job) error {
	if len(rest) == 0 {
		return s.handOn(tx)
	}
	err := putAgain(tx, rest[0])
	if err != nil {
		return err
	}
	for _, j := range rest[1:] {
		_, err := tx.Enqueue(j)
		if err != nil {
			return err
		}
	}
	return nil
}
