package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postern/internal/gateway/care"
	"postern/mime"
	"postern/store"
)

// A RetentionOrder says how long a domain keeps mail after it was read.
type RetentionOrder struct {
	Name string `json:"name"`
	Keep string `json:"retention"` // as in 90d, 36h or forever
}

// A DomainInfo is what is shown of a domain.
type DomainInfo struct {
	Name      string    `json:"name"`
	Retention string    `json:"retention"` // as in 90d or 36h0m0s, or forever
	Created   time.Time `json:"created"`
	// Damaged says that its record cannot be read: it keeps all mail until its retention is
	// set again.
	Damaged bool `json:"damaged,omitempty"`
}

// Forever is the retention of a domain that keeps its mail.
const Forever = "forever"

// Bounds of the times that an operator gives: mail stays after it was read, and an
// access is good. Less than a day would take mail from under those who read it now.
const (
	leastSpan = 24 * time.Hour
	mostSpan  = 100 * 365 * 24 * time.Hour
	spanHint  = "from 1d to 36500d, as in 90d or 36h"
)

// parseSpan reads a time as in 90d or 36h, within its bounds.
func parseSpan(text string) (span time.Duration, ok bool) {
	days, isDays := strings.CutSuffix(text, "d")
	var err error
	if isDays {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		span = time.Duration(n) * 24 * time.Hour
	} else {
		span, err = time.ParseDuration(text)
	}
	return span, err == nil && span >= leastSpan && span <= mostSpan
}

// parseRetention reads a retention; 0 is forever.
func parseRetention(text string) (time.Duration, error) {
	if text == Forever {
		return 0, nil
	}
	keep, ok := parseSpan(text)
	if !ok {
		return 0, invalid(fmt.Errorf("%q is no time to keep mail for", text), spanHint+", or forever")
	}
	return keep, nil
}

// setRetention says how long a domain keeps mail after it was read.
func (s *Service) setRetention(ctx context.Context, in RetentionOrder) (DomainInfo, error) {
	name, err := mime.ParseDomain(in.Name)
	if err != nil {
		return DomainInfo{}, err
	}
	keep, err := parseRetention(in.Keep)
	if err != nil {
		return DomainInfo{}, err
	}
	var d store.Domain
	err = s.change(ctx, "domain "+name.String(), "read mail is kept "+care.Days(keep), func(tx store.Tx) error {
		d, err = tx.Domain(name)
		if errors.Is(err, store.ErrNotFound) {
			return &Error{Kind: Negative, Message: fmt.Sprintf("there is no domain %s", name), Hint: "postern domain list shows them"}
		}
		if errors.Is(err, store.ErrCorrupt) { // nothing else stands there
			d, err = store.Domain{Name: name, Created: s.Core.Now()}, nil
		}
		if err != nil {
			return err
		}
		d.Retention = keep
		return tx.PutDomain(d)
	})
	return domainInfo(d), err
}

// showDomains lists our domains.
func (s *Service) showDomains(ctx context.Context, _ None) ([]DomainInfo, error) {
	all, err := s.listDomains(ctx, None{})
	infos := []DomainInfo{}
	for _, d := range all {
		infos = append(infos, domainInfo(d))
	}
	return infos, err
}

func domainInfo(d store.Domain) DomainInfo {
	return DomainInfo{Name: d.Name.String(), Retention: care.Days(d.Retention), Created: d.Created, Damaged: d.Damaged}
}

// SetRetention says how long a domain keeps mail after it was read.
func (c *Client) SetRetention(ctx context.Context, in RetentionOrder) (DomainInfo, error) {
	return call[RetentionOrder, DomainInfo](ctx, c, "domain/retention", in)
}
