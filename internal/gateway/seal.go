package gateway

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/gateway/task"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust/reason"
)

// seal takes a submitted message one step on: it is signed once, encrypted to
// every recipient that passes, and queued for its destinations. Those that do
// not pass are retried or told to the sender.
func (c *Core) seal(ctx context.Context, job store.Job) error {
	dir, err := c.Directory(ctx)
	if err != nil {
		return err
	}
	found, err := c.lookUp(ctx, dir, job)
	if err != nil {
		return err
	}
	routes := found.routes
	release, err := c.holdCrypto(ctx, job.Size)
	if err != nil {
		return err
	}
	defer release()
	now, due := c.Now(), c.Steady()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	step := &sealing{Core: c, ctx: ctx, job: job, began: found.began, now: now, due: due}
	defer func() { step.discard() }()
	step.src, err = c.stored(ctx, job.Body)
	if err == nil && !job.Date.IsZero() {
		step.src, err = dated(step.src, job.Date)
	}
	if err == nil {
		err = step.findSigners(dir, routes)
	}
	if err == nil {
		err = step.sealAll(routes)
	}
	if err != nil {
		why := hopeless(err, job, due)
		if why == nil || ctx.Err() != nil {
			return err
		}
		step.discard()
		failAll(routes, why.Code, why.Detail)
	}
	return step.commit(routes, found.late)
}

// hopeless returns why a message will not be sealed, or nil if it may be later.
// When its time is over the sender is told, even if the fault is ours.
func hopeless(err error, job store.Job, now time.Time) *reason.Error {
	var refused *reason.Error
	switch {
	case errors.As(err, &refused) && !refused.Code.Outcome().Retry:
		return refused
	case unreadable(err) || errors.Is(err, smime.ErrNotCanonical):
		return reason.New(reason.Malformed, "%w", err)
	case !now.Before(job.Expires):
		return reason.New(reason.QueueExpired, "%w", err)
	}
	return nil
}

func failAll(routes []Route, code reason.Code, detail string) {
	for i := range routes {
		if routes[i].Code.IsOK() {
			routes[i].Code, routes[i].Detail, routes[i].Certificates = code, detail, nil
		}
	}
}

// A sealing is one run of the seal step.
type sealing struct {
	*Core
	ctx     context.Context
	job     store.Job
	src     smime.Source
	began   time.Time // the look-ups, by the clock of the queue
	now     time.Time
	due     time.Time // the present by the clock of the queue
	signers []cms.Signer
	copies  []sealedCopy
}

// A sealedCopy is one sealed message for the recipients of one destination.
type sealedCopy struct {
	destination mime.Domain
	recipients  []mime.Address
	local       bool
	body        store.BodyWriter
}

func (s *sealing) discard() {
	for _, c := range s.copies {
		c.body.Discard()
	}
	s.copies = nil
}

// sealAll seals for the routes that passed: one signature and one copy for
// each destination, and for each blind recipient a copy of its own.
func (s *sealing) sealAll(routes []Route) error {
	blind := make(map[string]bool)
	for _, a := range s.job.Blind {
		blind[a.Key()] = true
	}
	var open []mime.Domain // destinations in the order of the recipients
	groups := make(map[mime.Domain][]*Route)
	for i := range routes {
		r := &routes[i]
		switch {
		case !r.Code.IsOK():
		case blind[r.Recipient.Key()]:
			err := s.sealBlind(r)
			if err != nil {
				return err
			}
		default:
			d := r.Recipient.Domain()
			if groups[d] == nil {
				open = append(open, d)
			}
			groups[d] = append(groups[d], r)
		}
	}
	if len(open) == 0 {
		return nil
	}
	signed, err := s.sign(s.src)
	if err != nil {
		return err
	}
	for _, d := range open {
		err := s.sealGroup(signed, groups[d])
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sealing) sign(src smime.Source) (*sta.Signed, error) {
	header, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	src, err = sevenBit(s.ctx, src)
	if err != nil {
		return nil, err
	}
	return sta.Sign(s.ctx, src, header, s.signers, s.now)
}

// sealBlind seals the copy of a blind recipient. Agents refuse a message whose
// RCPT TO stands in neither To nor Cc (AS-56), so this one copy, which nobody
// else ever sees, names the recipient in Cc.
func (s *sealing) sealBlind(r *Route) error {
	src, err := withCc(s.src, r.Recipient)
	if err != nil {
		return err
	}
	signed, err := s.sign(src)
	if err != nil {
		return err
	}
	return s.sealGroup(signed, []*Route{r})
}

// sealGroup seals a copy. What an odd certificate does to it is the matter of
// its recipients alone; a store that fails is everybody's.
func (s *sealing) sealGroup(signed *sta.Signed, routes []*Route) error {
	before := len(s.copies)
	err := task.Contained(func() error { return s.sealCopy(signed, routes) })
	if err == nil || s.ctx.Err() != nil || isStoreError(err) {
		return err
	}
	for _, c := range s.copies[before:] {
		c.body.Discard()
	}
	s.copies = s.copies[:before]
	s.Log.Error("encrypting for a recipient failed", "track", s.job.Track, "rcpt", routes[0].Recipient, "err", err)
	for _, r := range routes {
		r.Code, r.Detail, r.Certificates = encryptionCode(err), err.Error(), nil
	}
	return nil
}

// encryptionCode is the reason for a copy that could not be encrypted.
func encryptionCode(err error) reason.Code {
	for _, known := range []error{cms.ErrUnsupported, cms.ErrWeakAlgorithm, cms.ErrLimit, rsa.ErrMessageTooLong} {
		if errors.Is(err, known) {
			return reason.Unsupported
		}
	}
	if unreadable(err) {
		return reason.Malformed
	}
	return reason.Of(err)
}

// isStoreError tells whether the store is what failed.
func isStoreError(err error) bool {
	for _, known := range []error{store.ErrFull, store.ErrCorrupt, store.ErrNotFound, store.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func (s *sealing) sealCopy(signed *sta.Signed, routes []*Route) error {
	body, err := s.Store.NewBody(s.ctx)
	if err != nil {
		return err
	}
	c := sealedCopy{destination: routes[0].Recipient.Domain(), local: routes[0].Local, body: body}
	s.copies = append(s.copies, c)
	var certificates []*x509.Certificate
	seen := make(map[string]bool)
	for _, r := range routes {
		c.recipients = append(c.recipients, r.Recipient)
		for _, cert := range r.Certificates {
			if !seen[string(cert.Raw)] {
				seen[string(cert.Raw)] = true
				certificates = append(certificates, cert)
			}
		}
	}
	s.copies[len(s.copies)-1] = c
	return signed.Seal(body, c.recipients, certificates, s.Sealing.to(c.destination))
}

// commit ends the step in one transaction: sealed copies are queued, failures
// told to the sender, temporary ones and those that are late kept in jobs, one for
// each domain.
func (s *sealing) commit(routes []Route, late []mime.Address) error {
	outcomes, failed, again := s.sort(routes)
	rest := s.rest(again, late)
	end := ending{job: s.job, at: s.now, done: outcomes, failed: failed, keys: s.keysUsed()}
	err := s.endOutgoing(s.ctx, end, func(tx store.Tx) error {
		err := standing(tx, s.job.ID)
		if err != nil {
			return err
		}
		for i, c := range s.copies {
			err := s.enqueueCopy(tx, c, s.nextOf(i, rest))
			if err != nil {
				return err
			}
		}
		return s.queueRest(tx, rest)
	})
	if err == nil {
		s.tell(s.job.Track, outcomes)
	}
	return err
}

// sort tells what becomes of each recipient: sealed, failed or tried again.
func (s *sealing) sort(routes []Route) (outcomes []outcome, failed []failure, again []failure) {
	for _, r := range routes {
		outcomes = append(outcomes, r.found()...)
		o := outcome{recipient: r.Recipient, stage: store.StageSeal, state: store.TrackSealed, detail: s.describe(r)}
		if !r.Code.IsOK() {
			f := failure{recipient: r.Recipient, code: r.Code, detail: r.Detail}
			o.stage, o.code, o.detail, o.more = "discover", r.Code, r.Detail, r.search()
			if len(r.Discovery.Certificates) > 0 {
				o.stage, o.more = "trust", r.judgement()
			}
			if r.Code.Outcome().Retry && s.due.Before(s.job.Expires) {
				o.state = store.TrackQueued
				again = append(again, f)
			} else {
				o.state = store.TrackFailed
				failed = append(failed, f)
			}
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, failed, again
}

// describe says for the track what a recipient's copy was sealed to, and which keys
// signed it.
func (s *sealing) describe(r Route) string {
	by := func(k cms.Signer) string { return shortPrint(k.Certificate) }
	return "to " + listOf(r.Certificates, shortPrint) + ", signed by " + listOf(s.signers, by)
}

// enqueueCopy queues a sealed copy for relay or, for a domain of ours, straight
// for opening.
func (s *sealing) enqueueCopy(tx store.Tx, c sealedCopy, next store.JobID) error {
	id, err := tx.PutBody(c.body)
	if err != nil {
		return err
	}
	j := store.Job{
		Kind: store.RelayJob, Track: s.job.Track, Era: s.job.Era, Body: id, Size: c.body.Size(),
		Sender: s.job.Sender, Recipients: c.recipients, Destination: c.destination,
		Lane: string(c.destination), Flow: cmp.Or(s.job.Flow, flowOf(s.job.Sender)),
		Automatic: s.job.Automatic, Created: s.job.Created, Due: s.due, Expires: s.job.Expires, Next: next,
	}
	if !c.local {
		_, err = tx.Enqueue(j)
		return err
	}
	for _, a := range c.recipients {
		went, err := s.wentSince(tx, a, s.job.Era)
		if err != nil {
			return err
		}
		if went { // with the certificates that its copy is sealed to: the next run says so
			return errOvertaken
		}
	}
	out, _, err := trackOf(tx, s.job.Track)
	if err != nil {
		return err
	}
	in, err := s.newTrack(s.job.Era, out.MessageID, s.job.Sender, c.recipients, c.body.Size(), s.now)
	if err != nil {
		return err
	}
	err = beginTrack(tx, audit.Accepted, audit.System, in, store.Event{At: s.now, Stage: store.StageAccept, Detail: "from our own " + s.job.Sender.Domain().String()})
	if err != nil {
		return err
	}
	j.Kind, j.Track, j.Destination, j.Lane = store.OpenJob, in.ID, "", ""
	j.Created = s.due // it is judged from now on
	_, err = tx.Enqueue(j)
	if err != nil {
		return err
	}
	var outcomes []outcome
	for _, a := range c.recipients {
		outcomes = append(outcomes, outcome{recipient: a, state: store.TrackRelayed, stage: store.StageRelay, detail: "to ourselves", relayed: s.due})
	}
	return record(tx, s.job.Track, s.now, outcomes)
}

// withCc is the message with one more address in Cc.
func withCc(src smime.Source, a mime.Address) (smime.Source, error) {
	header, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	cc := a.String()
	if old := header.Get("Cc"); strings.TrimSpace(old) != "" {
		cc = old + ", " + cc
	}
	err = header.Set("Cc", cc)
	if err != nil {
		return nil, err
	}
	return newHeaderSource(src, header)
}
