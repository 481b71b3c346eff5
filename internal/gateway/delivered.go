package gateway

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"postern/internal/gateway/mailbox"
	"postern/mime"
	"postern/sta"
)

// A delivery is the verified message as it is put into mailboxes: with what we say of
// it in front of its header. Recipients for whom the same was found share one.
type delivery struct {
	head string // what stands in front
	body *mailbox.Draft
}

// saysOurs reports whether a field says what only we may say to the reader of a
// delivered message. Every Authentication-Results counts, and not only those with our
// authserv-id: nobody whose word our reader could take stands before us, and what is
// compared with nothing cannot be mistaken for something else, by a comment, quotes or
// another spelling (RFC 8601 §5). RFC 5321 §4.4 wants one Return-Path, ours.
func saysOurs(name string) bool {
	const own = "Postern-"
	return strings.EqualFold(name, returnPath) || strings.EqualFold(name, authResults) || strings.EqualFold(name, deliveredTo) ||
		len(name) >= len(own) && strings.EqualFold(name[:len(own)], own)
}

// withoutOurs returns the fields of a header that may stay, and the number of those that
// may not. They stay as they came, but for what some reader takes for the end of a line:
// what stands behind it would be a field to him.
func withoutOurs(h *mime.Header) (kept *mime.Header, removed int) {
	kept = &mime.Header{}
	for _, f := range h.Fields() {
		if saysOurs(f.Name) {
			removed++
			continue
		}
		kept.AddField(f.Plain())
	}
	return kept, removed
}

// spool writes the verified inner message to bodies of its own, one for each finding
// about it. The header loses what only we may say and gets what we say; what is below
// it goes as it was signed, octet by octet. The digest is that of the message as it
// was signed.
func (p *part) spool(ctx context.Context) error {
	message, err := p.opened.Message(mime.Limits{})
	if err != nil {
		return fmt.Errorf("reading the opened message: %w", err)
	}
	digest := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(message, digest), 32<<10)
	header, err := mime.ReadHeader(in, mime.Limits{})
	if err != nil {
		return fmt.Errorf("spooling the opened message: %w", err)
	}
	kept, removed := withoutOurs(header)
	err = p.prepareDeliveries(ctx, kept, removed)
	if err != nil {
		return err
	}
	var all []io.Writer
	for _, d := range p.deliveries {
		all = append(all, d.body)
	}
	_, err = io.Copy(io.MultiWriter(all...), in)
	if err != nil {
		return fmt.Errorf("spooling the opened message: %w", err)
	}
	p.digest = hex.EncodeToString(digest.Sum(nil))
	return nil
}

// prepareDeliveries begins a body for each different finding, with its header.
func (p *part) prepareDeliveries(ctx context.Context, kept *mime.Header, removed int) error {
	p.byRecipient = make(map[string]*delivery)
	byHead := make(map[string]*delivery)
	for _, v := range p.opened.Verdicts {
		if !v.Accepted() {
			continue
		}
		head, err := p.headFor(v, removed)
		if err != nil {
			return err
		}
		d := byHead[head]
		if d == nil {
			d, err = p.begin(ctx, head, kept)
			if err != nil {
				return err
			}
			byHead[head] = d
		}
		p.byRecipient[v.Recipient.Key()] = d
	}
	return nil
}

// headFor writes the fields for a recipient.
func (p *part) headFor(v sta.Verdict, removed int) (string, error) {
	fields, err := verified{
		host: p.Hostname, from: p.job.Sender, at: p.now, trace: p.job.Trace, track: p.job.Track,
		profile: p.Profile, opened: p.opened, verdict: v, sources: p.dir.anchorSources(v), removed: removed,
	}.fields()
	if err != nil {
		return "", fmt.Errorf("telling what was verified: %w", err)
	}
	var head strings.Builder
	_, err = fields.WriteFields(&head)
	if p.toldApart(v.Recipient) {
		head.WriteString(deliveredTo + ": " + v.Recipient.String() + "\r\n")
	}
	return head.String(), err
}

// begin begins a body with its whole header.
func (p *part) begin(ctx context.Context, head string, kept *mime.Header) (*delivery, error) {
	body, err := mailbox.NewDraft(ctx, p.Store)
	if err != nil {
		return nil, err
	}
	d := &delivery{head: head, body: body}
	p.deliveries = append(p.deliveries, d)
	_, err = io.WriteString(body, head)
	if err != nil {
		return nil, fmt.Errorf("spooling the opened message: %w", err)
	}
	_, err = kept.WriteTo(body)
	return d, err
}
