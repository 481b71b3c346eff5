package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"postern/internal/guard"
	"postern/trust/reason"
)

// Bounds on one LDAP server.
const (
	ldapAddresses = 4
	ldapBases     = 8
	ldapName      = 1 << 10 // octets of a base's name
)

// A directory is one LDAP server, asked for one name.
type directory struct {
	server  SRV
	dns     *DNS
	network guard.Policy
	connect time.Duration // for reaching it

	conn  *ldap.Conn
	raw   net.Conn
	bases []string

	found   certificates
	entries int
	trail   trail        // of requests
	notes   []string     // what is worth telling of its ways
	reached bool         // it let us connect and answered
	patient bool         // it had all of connectTime to let us
	closed  error        // why it does not show its root DSE
	late    atomic.Int64 // how long it had, when its time was over
}

// name returns the server, and the address that was reached.
func (d *directory) name() string {
	if d.raw != nil {
		return fmt.Sprintf("%s:%d (%s)", d.server.Target, d.server.Port, d.raw.RemoteAddr())
	}
	return fmt.Sprintf("%s:%d", d.server.Target, d.server.Port)
}

func (d *directory) close() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// ask finds what the entries of mail have for certificates. There may be some
// beside an error. It ends when ctx does, by closing the connection.
func (d *directory) ask(ctx context.Context, mail string) (err error) {
	defer func() {
		// The last net under the library: a hostile directory must not take the
		// server down (CD-31).
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errNotLDAP, r)
		}
	}()
	err = d.dial(ctx)
	if err != nil {
		return err
	}
	d.conn = ldap.NewConn(&bounded{Conn: d.raw, left: ldapOctets}, false)
	d.conn.SetTimeout(2 * directoryTime) // ctx is over before
	d.conn.Start()
	began := time.Now()
	stop := context.AfterFunc(ctx, func() {
		d.late.Store(int64(time.Since(began)))
		_ = d.raw.Close()
	})
	defer stop()
	err = d.open(mail)
	if err != nil {
		return err
	}
	for _, base := range d.bases {
		baseErr := d.searchBase(base, mail)
		if baseErr != nil {
			err = fmt.Errorf("searching %q: %w", reason.Line(base, maxName), baseErr)
		}
		if !answered(baseErr) {
			break
		}
	}
	if err == nil && !d.found.any() {
		return d.closed // that it has nothing there proves nothing
	}
	return err
}

// dial connects to the first address that lets us. What the look-up of the
// addresses takes is not the server's fault.
func (d *directory) dial(ctx context.Context) error {
	err := guard.CheckPort(d.server.Port, 389, 636)
	if err != nil {
		return err
	}
	addrs, err := d.addresses(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	end, _ := ctx.Deadline()
	d.patient = time.Until(end) > connectTime-10*time.Millisecond
	for i, a := range addrs {
		dialer := d.network.Dialer(max(time.Until(end)/time.Duration(len(addrs)-i), time.Millisecond))
		d.raw, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), strconv.Itoa(int(d.server.Port))))
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("connecting: %w", err)
}

func (d *directory) addresses(ctx context.Context) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	addrs, err := d.dns.addresses(ctx, d.server.Target)
	return addrs[:min(len(addrs), ldapAddresses)], err
}

// tells reports whether what came of asking says anything about the server: not
// if DNS did not say where it is, nor if it had less than its time to answer.
func (d *directory) tells(err error) bool {
	var lookup *DNSError
	var network net.Error
	hasty := d.raw == nil && !d.patient && errors.As(err, &network) && network.Timeout()
	return !errors.As(err, &lookup) && !hasty
}

// plain makes a short error of one of the library's, to which the end of the time
// looks like any other end of the connection.
func (d *directory) plain(err error) error {
	late := time.Duration(d.late.Load())
	if late == 0 || answered(plain(err)) {
		return plain(err)
	}
	return lateError(late)
}

// open binds as nobody (CD-26) and reads from the root DSE where to search for mail.
func (d *directory) open(mail string) error {
	note := d.trail.add(d.name(), "anonymous bind")
	err := d.plain(d.conn.UnauthenticatedBind(""))
	note(requestAnswer(err, 1))
	if !answered(err) {
		return fmt.Errorf("binding anonymously: %w", err)
	}
	d.reached = true
	if err != nil {
		// LDAPv3 needs no bind: whoever has not bound is anonymous (RFC 4513 §5.1).
		d.note("it takes no anonymous bind, and was searched without: " + err.Error())
	}
	root, err := d.request("", ldap.ScopeBaseObject, "(objectClass=*)", "namingContexts", "defaultNamingContext")
	if !answered(err) {
		return fmt.Errorf("reading the naming contexts: %w", err)
	}
	if directoryRefuses(err) {
		d.closed = fmt.Errorf("reading the naming contexts: %w", err)
	}
	d.bases = basesOf(root, mail)
	if len(d.bases) == 0 {
		d.bases = []string{""}
		d.note("it names no naming contexts, and was searched from its root")
	}
	return nil
}

// searchBase searches one naming context (CD-28).
func (d *directory) searchBase(base, mail string) error {
	before := d.entries
	err := d.search(base, mailFilter(mail))
	switch {
	case d.found.any(), !answered(err), err == nil && d.entries > before:
		return err
	case hasCode(err, ldap.LDAPResultNoSuchObject):
		d.note("it does not have a naming context that it names")
		return nil
	}
	return d.search(base, certificateFilter(mail))
}

// search puts one search and takes what comes of it. What a server sends before
// it has enough counts.
func (d *directory) search(base, filter string) error {
	result, err := d.request(base, ldap.ScopeWholeSubtree, filter, "userCertificate", "userCertificate;binary")
	sent := collect(&d.found, result)
	d.entries += sent
	if result != nil && len(result.Referrals) > 0 || hasCode(err, ldap.LDAPResultReferral) {
		d.note("it refers elsewhere, which is not followed")
	}
	switch {
	case hasCode(err, ldap.LDAPResultReferral):
		return nil
	case sent > 0 && hasCode(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded):
		d.note("it has more than it sent, or than was taken")
		return nil
	}
	return err
}

// request searches once. There may be a result beside an error.
func (d *directory) request(base string, scope int, filter string, attributes ...string) (*ldap.SearchResult, error) {
	note := d.trail.add(d.name(), searchQuery(base, scope, filter))
	r := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, MaxCertificates,
		int(directoryTime/time.Second), false, filter, attributes, nil)
	r.EnforceSizeLimit = true // the server may not care about the limit
	result, err := d.conn.Search(r)
	err = d.plain(err)
	sent := 0
	if result != nil {
		sent = len(result.Entries)
	}
	note(requestAnswer(err, sent))
	return result, err
}

// searchQuery writes a search as trails have it.
func searchQuery(base string, scope int, filter string) string {
	if scope == ldap.ScopeBaseObject {
		return "root entry"
	}
	return filter + " below " + cmp.Or(reason.Line(base, maxName), "the root")
}

// requestAnswer tells what came of a request.
func requestAnswer(err error, entries int) (Answer, string) {
	switch {
	case err != nil:
		return directoryAnswer(err), err.Error()
	case entries == 0:
		return AnswerNoEntry, ""
	}
	return AnswerFound, ""
}

func (d *directory) note(s string) {
	for _, n := range d.notes {
		if n == s {
			return
		}
	}
	d.notes = append(d.notes, s)
}

// outcome says what came of it.
func (d *directory) outcome(err error) string {
	s := d.found.String()
	switch {
	case d.found.any():
	case err != nil:
		s = "failed: " + reason.Line(err.Error(), maxOutcome)
	case d.entries > 0:
		s = fmt.Sprintf("entries: %d, %s", d.entries, s)
	default:
		s = "no entry"
	}
	return strings.Join(append([]string{s}, d.notes...), "; ")
}

// mailFilter returns the filter for entries of an address or a domain (CD-28),
// with what could change its meaning escaped (RFC 4515 §3).
func mailFilter(mail string) string { return "(mail=" + ldap.EscapeFilter(mail) + ")" }

// certificateFilter asks for certificates as well, for directories with many
// entries of one mail and for those that answer no shorter question (CD-28).
func certificateFilter(mail string) string {
	return "(&" + mailFilter(mail) + "(|(userCertificate;binary=*)(userCertificate=*)))"
}

// collect reads userCertificate, with or without ;binary (CD-29), and returns the
// number of entries.
func collect(found *certificates, result *ldap.SearchResult) int {
	if result == nil {
		return 0
	}
	for _, entry := range result.Entries {
		for _, a := range entry.Attributes {
			kind, _, _ := strings.Cut(a.Name, ";")
			if !strings.EqualFold(kind, "userCertificate") {
				continue
			}
			for _, der := range a.ByteValues {
				found.add(der)
			}
		}
	}
	return len(result.Entries)
}
