package control

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/publish"
	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
)

// An owner is whom a certificate is for: an address, or with the zero address a
// whole domain.
type owner struct {
	address mime.Address
	domain  mime.Domain
}

func (o owner) String() string {
	if o.address.IsZero() {
		return string(o.domain)
	}
	return o.address.String()
}

// key is the owner as keys have it.
func (o owner) key() string {
	if o.address.IsZero() {
		return string(o.domain)
	}
	return o.address.Key()
}

// certificatesOf returns what is published of an owner.
func (v *survey) certificatesOf(o owner) (all []*x509.Certificate) {
	for _, c := range v.set.Certificates {
		if c.Domain == o.domain && c.Address.Key() == o.address.Key() {
			all = append(all, c.Certificate)
		}
	}
	return all
}

// fingerprints are those of an owner's certificates, sorted.
func (v *survey) fingerprints(o owner) []string {
	all := []string{}
	for _, c := range v.certificatesOf(o) {
		all = append(all, sha256Of(c))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func fingerprintText(der []byte) string { return store.FingerprintOf(der).String() }

// longest returns the owner with the most to publish, whose answer is the longest.
func (v *survey) longest(all []owner) owner {
	var best owner
	most := -1
	for _, o := range all {
		size := 0
		for _, c := range v.certificatesOf(o) {
			size += len(c.Raw)
		}
		if size > most {
			best, most = o, size
		}
	}
	return best
}

// certificates compares the CERT records of an owner's name with what the store
// publishes there.
func (v *survey) certificates(ctx context.Context, o owner) {
	want := v.certificatesOf(o)
	patient := v.patients[o.key()]
	f := PublishFinding{Domain: string(o.domain), What: whatCertificate, Name: o.String()}
	if len(want) == 0 {
		v.withoutCertificate(f, o, patient)
	}
	name, err := discovery.OwnerName(o.address, o.domain)
	if err != nil {
		if len(want) > 0 && len(v.set.Directories) == 0 {
			f.State, f.Detail, f.Hint = FoundMissing, err.Error(), "only an LDAP directory can publish it: set listen.ldap or publish.directories"
			v.found(f)
		}
		return
	}
	certs, err := v.DNS.LookupCERT(ctx, name)
	if err != nil && !discovery.Answered(err) {
		f.State, f.Detail = FoundUnanswered, err.Error()
		v.found(f)
		return
	}
	v.compareCertificates(f, o, want, certs)
}

// withoutCertificate tells of an owner who publishes none: whether one is needed.
func (v *survey) withoutCertificate(f PublishFinding, o owner, patient bool) {
	whole := len(v.certificatesOf(owner{domain: o.domain})) > 0
	switch {
	case patient: // BB-35
		f.State, f.Detail = FoundMissing, "a patient's address has to have a certificate of its own, and has none in use"
		f.Hint = fmt.Sprintf("postern cert csr %s makes the request for one", o)
	case o.address.IsZero() && slices.ContainsFunc(v.set.Certificates, func(c publish.Certificate) bool { return c.Domain == o.domain }):
		return // its addresses have
	case whole:
		f.State, f.Detail = FoundOK, "it has no certificate of its own; that of its domain serves"
	default:
		f.State, f.Detail, f.Hint = FoundMissing, "it has no certificate in use that others could encrypt to", "postern cert import FILE --for "+o.String()
	}
	v.found(f)
}

func (v *survey) compareCertificates(f PublishFinding, o owner, want []*x509.Certificate, certs []discovery.CERT) {
	have := make(map[string]bool)
	for _, c := range certs {
		have[fingerprintText(c.Data)] = c.Type == discovery.CertPKIX
	}
	expected := make(map[string]bool)
	for _, c := range want {
		f, sha := f, sha256Of(c)
		expected[sha] = true
		f.State, f.Detail = FoundOK, "CERT "+sha[:16]
		switch {
		case have[sha]:
		case len(certs) == 0 && v.inLDAP[o.key()] == FoundOK: // CD-44: one of the two is enough
			f.Detail = "found by LDAP alone"
		case len(certs) == 0 && v.inLDAP[o.key()] == FoundUnanswered:
			f.State, f.Detail = FoundUnanswered, "there is no CERT record, and no answer of the directory"
		default:
			f.State, f.Detail = FoundMissing, "others do not find CERT "+sha[:16]
			f.Hint, f.Record = "add the record; what resolvers remember lasts as long as its TTL", certRecord(o.key(), c)
		}
		v.found(f)
	}
	for _, c := range certs {
		if c.Type != discovery.CertPKIX || !expected[fingerprintText(c.Data)] {
			v.found(v.unwanted(f, o, c))
		}
	}
}

// unwanted says what a CERT record is that should not be there.
func (v *survey) unwanted(f PublishFinding, o owner, c discovery.CERT) PublishFinding {
	sha := fingerprintText(c.Data)
	f.Hint = "take the record out; where our own name server speaks for the zone it is out, and what resolvers remember ends with its TTL"
	leaf, err := x509.ParseCertificate(c.Data)
	if c.Type != discovery.CertPKIX || err != nil {
		f.State, f.Detail = FoundExtra, fmt.Sprintf("a CERT record of type %d of %d octets is no certificate", c.Type, len(c.Data))
		return f
	}
	k, ours := v.keys[sha]
	switch {
	case v.at.After(leaf.NotAfter):
		f.State, f.Detail = FoundExpired, fmt.Sprintf("CERT %s ended on %s", sha[:16], leaf.NotAfter.UTC().Format(time.DateOnly))
	case !ours:
		f.State, f.Detail = FoundForeign, fmt.Sprintf("CERT %s %s is none of ours: nobody here opens what is encrypted to it", sha[:16], subjectOf(leaf))
	case !k.Retired.IsZero():
		f.State, f.Detail = FoundStale, fmt.Sprintf("CERT %s is retired since %s", sha[:16], k.Retired.UTC().Format(time.DateOnly))
	case k.Owner != o.key():
		f.State, f.Detail = FoundExtra, fmt.Sprintf("CERT %s is that of %s", sha[:16], plain(k.Owner, maxSubject))
	default:
		f.State, f.Detail = FoundExtra, fmt.Sprintf("CERT %s is one that others may not encrypt to now", sha[:16])
	}
	return f
}

// directories looks for our directories and for what they have.
func (v *survey) directories(ctx context.Context, domain mime.Domain, owners []owner) {
	if len(v.set.Directories) == 0 {
		return
	}
	name := "_ldap._tcp." + string(domain)
	servers, err := v.DNS.LookupSRV(ctx, name)
	if err != nil && !discovery.Answered(err) {
		v.found(PublishFinding{Domain: string(domain), What: whatDirectory, Name: name, State: FoundUnanswered, Detail: err.Error()})
		return
	}
	for i, d := range v.set.Directories {
		f := PublishFinding{Domain: string(domain), What: whatDirectory, Name: string(d.Host), State: FoundOK, Detail: "others are led there"}
		if !slices.ContainsFunc(servers, func(s discovery.SRV) bool { return s.Target == string(d.Host) && s.Port == d.Port }) {
			f.State, f.Detail = FoundMissing, "no SRV record leads there"
			f.Hint, f.Record = "add the record", fmt.Sprintf("%s. IN SRV %d 0 %d %s.", name, i, d.Port, d.Host)
		}
		v.found(f)
		v.host(ctx, domain, d.Host)
	}
	published := slices.DeleteFunc(slices.Clone(owners), func(o owner) bool { return len(v.certificatesOf(o)) == 0 })
	// Directories that say nothing of the first owner are not waited for again.
	if len(servers) == 0 || len(published) == 0 {
		return
	}
	if v.inDirectories(ctx, published[0]) {
		v.each(published[1:], func(o owner) { v.inDirectories(ctx, o) })
		return
	}
	for _, o := range published {
		v.inLDAP[o.key()] = FoundUnanswered
	}
}

// inDirectories looks for an owner's certificates in the directories, as somebody
// does who found none in DNS, and reports whether a directory answered.
func (v *survey) inDirectories(ctx context.Context, o owner) (answered bool) {
	to := o.address
	if to.IsZero() {
		var err error
		to, err = addressIn(string(o.domain))
		if err != nil {
			return true
		}
	}
	f := PublishFinding{Domain: string(o.domain), What: whatDirectory, Name: o.String(), State: FoundOK, Detail: "found in the directory"}
	r := v.FindInDirectories(ctx, discovery.Request{Address: to})
	var have []string
	for _, c := range r.Certificates {
		have = append(have, sha256Of(c.Certificate))
		answered = true
	}
	slices.Sort(have)
	if !slices.Equal(slices.Compact(have), v.fingerprints(o)) {
		f.State, f.Detail = FoundWrong, "the directory has other certificates than are to be published"
		f.Hint = "load what postern publish ldif writes, or let others reach listen.ldap"
		if !answered {
			f.State, f.Detail, answered = notInDirectory(r)
		}
	}
	v.found(f)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inLDAP[o.key()] = f.State
	return answered
}

// notInDirectory says why a search found nothing. A certificate is missing only
// if every directory that others are led to says so.
func notInDirectory(r discovery.Result) (state, detail string, answered bool) {
	state, detail = FoundMissing, "the directory has no certificate"
	for _, step := range slices.Backward(r.Steps) {
		switch {
		case step.Err != nil: // in the end the first
			state, detail = FoundUnanswered, strings.TrimSpace(step.Server+" "+step.Outcome)
		case step.Answer == discovery.AnswerNoEntry:
			answered = true
		}
	}
	return state, detail, answered || state == FoundMissing
}
