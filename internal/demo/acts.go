package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/internal/control"
	"postern/mime"
	"postern/mime/mdn"
	"postern/pickup"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// crossing is the main job: a record goes out, arrives, and is acknowledged.
func (s *show) crossing(ctx context.Context) error {
	s.heading("3. A record crosses")
	raw, id, err := newMessage(s.hospital, s.app.user)
	if err != nil {
		return err
	}
	err = s.showLookup(ctx, s.hospital, s.app.user)
	if err != nil {
		return err
	}
	err = s.submit(ctx, s.hospital, s.app.user, raw)
	if err != nil {
		return err
	}
	arrived, err := fetch(ctx, s.app, 1)
	if err != nil {
		return err
	}
	front, err := inFront(arrived[0], raw)
	if err != nil {
		return err
	}
	s.step("IMAP: %s fetched the record, %d bytes, byte for byte what was submitted", s.app.user, len(raw))
	s.step("in front it says what was verified: %s", front.Get("Authentication-Results"))
	answers, err := fetch(ctx, s.hospital, 1)
	if err != nil {
		return err
	}
	err = checkMDN(answers[0], id, s.app.user)
	if err != nil {
		return err
	}
	s.step("IMAP: %s fetched the processed MDN for it", s.hospital.user)
	_, err = s.showTrack(ctx, s.hospital, id, store.TrackProcessed)
	if err != nil {
		return err
	}
	_, err = s.showTrack(ctx, s.app, id, store.TrackDelivered)
	return err
}

// strange sends a well-formed message from someone whom nobody trusts.
func (s *show) strange(ctx context.Context) error {
	s.heading("4. A stranger writes, whose anchor nobody holds")
	raw, id, err := newMessage(s.stranger, s.app.user)
	if err != nil {
		return err
	}
	err = s.submit(ctx, s.stranger, s.app.user, raw)
	if err != nil {
		return err
	}
	life, err := s.showTrack(ctx, s.app, id, store.TrackRefused)
	if err != nil {
		return err
	}
	if got := life.Recipients[0].Reason; got != reason.UntrustedAnchor.String() {
		return fmt.Errorf("the stranger was refused for %q", got)
	}
	inbox, err := fetch(ctx, s.app, 0)
	if err != nil {
		return err
	}
	if len(inbox) != 1 {
		return fmt.Errorf("%s has %d messages after the stranger wrote", s.app.user, len(inbox))
	}
	s.step("IMAP: %s still has the one record", s.app.user)
	return s.silence(ctx)
}

// silence proves that the stranger is told nothing: an answer would have been
// queued with the refusal, or be in the stranger's INBOX by now.
func (s *show) silence(ctx context.Context) error {
	jobs, err := s.app.control.Queue(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Automatic {
			return fmt.Errorf("%s is about to answer the stranger", s.app.domain)
		}
	}
	heard, err := fetch(ctx, s.stranger, 0)
	if err != nil {
		return err
	}
	if len(heard) != 0 {
		return fmt.Errorf("the stranger has heard %d times", len(heard))
	}
	s.step("IMAP: %s hears nothing, and nothing is queued to be told", s.stranger.user)
	return nil
}

// uncertified sends to a recipient that has no certificate.
func (s *show) uncertified(ctx context.Context) error {
	s.heading("5. A recipient without a certificate")
	to, err := mime.ParseAddress("clinic@plain.example")
	if err != nil {
		return err
	}
	raw, id, err := newMessage(s.hospital, to)
	if err != nil {
		return err
	}
	err = s.showLookup(ctx, s.hospital, to)
	if err != nil {
		return err
	}
	err = s.submit(ctx, s.hospital, to, raw)
	if err != nil {
		return err
	}
	inbox, err := fetch(ctx, s.hospital, 2)
	if err != nil {
		return err
	}
	for _, want := range []string{"multipart/report", "Final-Recipient: rfc822;", to.String(), id, reason.NoCertificate.String()} {
		if !bytes.Contains(inbox[1], []byte(want)) {
			return fmt.Errorf("the failure notice lacks %q", want)
		}
	}
	s.step("IMAP: %s fetched a failure notice that names %s and the reason", s.hospital.user, to)
	_, err = s.showTrack(ctx, s.hospital, id, store.TrackFailed)
	return err
}

// submit hands a message in as an EHR does: SMTP, STARTTLS, AUTH.
func (s *show) submit(ctx context.Context, from *site, to mime.Address, raw []byte) error {
	err := smtp.Submit(ctx, from.gateway.Address("submission").String(), from.tls, from.user.String(), from.password,
		from.user, []mime.Address{to}, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("submitting: %w", err)
	}
	s.step("SMTP: %s submitted %d bytes to %s with TLS and a password", from.user, len(raw), to)
	return nil
}

// fetch waits until so many messages are in the user's INBOX and returns all.
func fetch(ctx context.Context, at *site, least int) ([][]byte, error) {
	messages, err := pickup.FetchInbox(ctx, pickup.FetchOptions{
		Addr: at.gateway.Address("imaps").String(), TLS: at.tls, User: at.user.String(), Password: at.password, AtLeast: least,
	})
	if err != nil {
		return nil, fmt.Errorf("fetching mail of %s: %w", at.user, err)
	}
	var all [][]byte
	for _, m := range messages {
		all = append(all, m.Raw)
	}
	return all, nil
}

// checkMDN proves that a message is the processed notification of a recipient.
func checkMDN(raw []byte, id string, from mime.Address) error {
	r, err := mdn.Parse(bytes.NewReader(raw), mime.Limits{})
	if err != nil {
		return fmt.Errorf("the notification cannot be read: %w", err)
	}
	if r.OriginalMessageID != id || r.Disposition != mdn.Processed || !r.FinalRecipient.Same(from) {
		return fmt.Errorf("the notification says %s of %s for %s", r.Disposition, r.FinalRecipient, r.OriginalMessageID)
	}
	return nil
}

// showLookup prints where the certificate of an address is found.
func (s *show) showLookup(ctx context.Context, from *site, to mime.Address) error {
	a, err := from.control.Lookup(ctx, control.Lookup{Address: to.String(), From: string(from.domain)})
	if err != nil {
		return fmt.Errorf("looking %s up: %w", to, err)
	}
	for _, step := range a.Steps {
		s.step("lookup: %-11s %s: %s", step.Source, step.Query, step.Outcome)
	}
	for _, c := range a.Certificates {
		s.step("lookup: %-11s certificate %s…: %s, anchor %s", c.Source, c.SHA256[:16], c.Verdict, c.Anchor)
	}
	s.step("lookup: %s: %s", to, a.Verdict)
	return nil
}

// pollPause is how often a track is looked at while it is not there yet.
const pollPause = 20 * time.Millisecond

// showTrack waits until a message stands where it must and prints its life.
func (s *show) showTrack(ctx context.Context, at *site, id string, want store.TrackState) (control.Life, error) {
	for {
		found, err := at.control.Track(ctx, id)
		var refused *control.Error
		if err != nil && !(errors.As(err, &refused) && refused.Kind == control.Negative) {
			return control.Life{}, fmt.Errorf("tracking: %w", err)
		}
		if err == nil && len(found.Lives) == 1 && found.Lives[0].Recipients[0].State == want {
			s.printLife(at, found.Lives[0])
			return found.Lives[0], nil
		}
		select {
		case <-ctx.Done():
			return control.Life{}, fmt.Errorf("waiting until %s at %s is %s: %w", id, at.domain, want, ctx.Err())
		case <-time.After(pollPause):
		}
	}
}

func (s *show) printLife(at *site, l control.Life) {
	for _, e := range l.Events {
		text := e.Detail
		if e.Reason != "" && e.Reason != "ok" {
			text = e.Reason + ": " + text
		}
		s.step("track at %s: %s %-8s %s", at.domain, e.At.Local().Format("15:04:05.000"), e.Stage, strings.TrimSpace(text))
	}
}
