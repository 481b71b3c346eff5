package gateway

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postern/internal/config"
	"postern/internal/publish"
	"postern/mime"
)

// publishOptions reads the table publish. Where it names no servers, this one is
// meant: as name server and for mail, and as directory if it listens for LDAP at
// a port that the configuration tells.
func publishOptions(cfg *config.Config) (publish.Options, error) {
	o := publish.Options{TTL: cfg.Publish.TTL}
	var err error
	o.NameServers, err = cfg.Publish.Servers()
	if err != nil {
		return o, err
	}
	mail, err := cfg.Publish.MailServers()
	if err != nil {
		return o, err
	}
	directories, err := cfg.Publish.DirectoryServers()
	if err != nil {
		return o, err
	}
	o.Hosts, err = cfg.Publish.Addresses()
	if err != nil {
		return o, err
	}
	for _, m := range mail {
		o.Mail = append(o.Mail, publish.MailServer(m))
	}
	for _, d := range directories {
		o.Directories = append(o.Directories, publish.Directory(d))
	}
	if len(o.NameServers) == 0 {
		o.NameServers = []mime.Domain{cfg.Hostname}
	}
	if len(o.Mail) == 0 {
		o.Mail = []publish.MailServer{{Preference: 10, Host: cfg.Hostname}}
	}
	port := portOf(cfg.Listen.LDAP)
	if len(o.Directories) == 0 && port != 0 {
		o.Directories = []publish.Directory{{Host: cfg.Hostname, Port: port}}
	}
	return o, nil
}

// portOf returns the port of a listener's address, 0 if there is none yet.
func portOf(address string) uint16 {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0 // no listener
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// Published returns what others may know of our domains at this moment: the
// certificates that they may encrypt to, as Directory.Certificates has them, and
// the servers of Core.Publish. While nothing changes it is the same Set.
//
// Its serial is the Unix time since which it is what it is: of the change, of the
// beginning or end of a certificate, or of this process's start. It grows by one
// at least, and so it grows over a restart too, unless there was more than one
// change a second until then.
func (c *Core) Published(ctx context.Context) (*publish.Set, error) {
	dir, err := c.Directory(ctx)
	if err != nil {
		return nil, err
	}
	return c.published.of(dir, c.Publish, c.Now()), nil
}

// publications keeps the newest Set.
type publications struct {
	mu     sync.Mutex
	latest *publish.Set
	dir    *Directory // that latest was made of
	from   time.Time  // latest is true since then
	until  time.Time  // and before then; zero is for ever
}

// of returns what a directory publishes at a time.
func (p *publications) of(dir *Directory, o publish.Options, now time.Time) *publish.Set {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == dir && !now.Before(p.from) && (p.until.IsZero() || now.Before(p.until)) {
		return p.latest
	}
	fresh := &publish.Set{Options: o, Domains: slices.Sorted(maps.Keys(dir.domains))}
	fresh.Certificates, p.until = dir.published(now)
	p.dir, p.from = dir, now
	if p.latest != nil && sameSet(p.latest, fresh) {
		return p.latest // what changed is not published
	}
	fresh.Serial = uint32(now.Unix()) // modulo 2^32, as serials are compared (RFC 1982)
	if p.latest != nil && int32(fresh.Serial-p.latest.Serial) <= 0 {
		fresh.Serial = p.latest.Serial + 1
	}
	p.latest = fresh
	return fresh
}

// published lists the certificates of our domains that are published at a time,
// and when that changes by itself; zero is never. They are in the order of their
// owners, and those of one owner the newest first.
func (d *Directory) published(now time.Time) (all []publish.Certificate, until time.Time) {
	for _, owner := range slices.Sorted(maps.Keys(d.keys)) {
		address, domain, ok := ownerOf(owner)
		if !ok || !d.domains[domain] {
			continue
		}
		ids := slices.DeleteFunc(slices.Clone(d.keys[owner]), func(id Identity) bool {
			return !id.Retired.IsZero() || !MayEncryptTo(id.Leaf)
		})
		slices.SortFunc(ids, func(a, b Identity) int {
			return cmp.Or(byAge(b, a), bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]))
		})
		for _, id := range ids {
			until = earliest(until, nextChange(id, now))
			if inDate(id.Leaf, now) {
				all = append(all, publish.Certificate{Address: address, Domain: domain, Certificate: id.Leaf})
			}
		}
	}
	return all, until
}

// ownerOf reads the owner of a key: an address or a domain.
func ownerOf(owner string) (mime.Address, mime.Domain, bool) {
	if !strings.Contains(owner, "@") {
		return mime.Address{}, mime.Domain(owner), true
	}
	a, err := mime.ParseAddress(owner)
	return a, a.Domain(), err == nil
}

// nextChange returns when a certificate comes into date, or is out of it; zero if
// it stays as it is.
func nextChange(id Identity, now time.Time) time.Time {
	switch {
	case now.Before(id.Leaf.NotBefore):
		return id.Leaf.NotBefore
	case !now.After(id.Leaf.NotAfter):
		return id.Leaf.NotAfter.Add(1) // NotAfter itself is in date (RFC 5280 §4.1.2.5)
	}
	return time.Time{}
}

// earliest returns the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sameSet reports whether two Sets of one Core say the same.
func sameSet(a, b *publish.Set) bool {
	return slices.Equal(a.Domains, b.Domains) &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(x, y publish.Certificate) bool {
			return x.Address == y.Address && x.Domain == y.Domain && x.Certificate.Equal(y.Certificate)
		})
}
