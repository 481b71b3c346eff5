package revocation_test

import (
	"testing"
	"time"

	"postern/trust"
	"postern/trust/revocation"
)

// checkBuilt judges the leaf by a CRL that the test made.
func checkBuilt(t *testing.T, w *world, l list, at time.Time) (revocation.Answer, error) {
	t.Helper()
	c, err := revocation.ParseCRL(w.crl(l))
	if err != nil {
		return revocation.Answer{}, err
	}
	return c.Check(w.leaf, w.root.Cert, at)
}

func TestAS72_CRLWithoutNextUpdateCountsADay(t *testing.T) {
	w := newWorld(t)
	l := list{next: []byte{}}
	a, err := checkBuilt(t, w, l, made.Add(crlLife))
	if err != nil || a.Status != trust.NotRevoked || !a.NextUpdate.IsZero() || !a.Expires.Equal(made.Add(24*time.Hour)) {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = checkBuilt(t, w, l, made.Add(crlLife+time.Second))
	wantError(t, a, err, "counted until")
}

// TestAS72_CRLForgetsWhatHasEnded: issuers drop entries of certificates that
// have ended (RFC 5280 §3.3), so that a later CRL cannot clear them.
func TestAS72_CRLForgetsWhatHasEnded(t *testing.T) {
	w := newWorld(t)
	after := w.leaf.NotAfter.Add(time.Hour)
	l := list{this: utc(after), next: utc(after.Add(time.Hour))}
	a, err := checkBuilt(t, w, l, within)
	wantError(t, a, err, "after the certificate ended")
	l.entries = [][]byte{entry(1000, within.Add(-time.Hour))}
	a, err = checkBuilt(t, w, l, within)
	if err != nil || a.Status != trust.IsRevoked {
		t.Errorf("%+v, %v", a, err)
	}
	w.checkReply(t, reply{singles: [][]byte{seq(w.about(1000), good(), generalized(after), until(after.Add(time.Hour)))}}, "", "after the certificate ended")
}

func TestAS71_Entries(t *testing.T) {
	w := newWorld(t)
	before, after := within.Add(-time.Hour), within.Add(time.Hour)
	for name, c := range map[string]struct {
		entries [][]byte
		this    time.Time
		status  trust.RevocationStatus
		problem string
	}{
		"others":                     {[][]byte{entry(999, before), entry(1001, before), entry(-1000, before), entry(0, before), entry(1<<40, before)}, made, trust.NotRevoked, ""},
		"in no order":                {[][]byte{entry(1<<40, before), entry(1000, before), entry(3, before), entry(-1, before)}, made, trust.IsRevoked, ""},
		"a date of GeneralizedTime":  {[][]byte{seq(integer(1000), generalized(before))}, made, trust.IsRevoked, ""},
		"a date to come":             {[][]byte{entry(1000, after)}, made, trust.IsRevoked, ""},
		"revoked later":              {[][]byte{entry(1000, after)}, after, trust.NotRevoked, ""},
		"twice, now and later":       {[][]byte{entry(1000, after), entry(1000, before), entry(1000, after)}, after, trust.IsRevoked, ""},
		"a hold":                     {[][]byte{entry(1000, before, reasonExt(6))}, made, trust.IsRevoked, ""},
		"an attribute authority":     {[][]byte{entry(1000, after, reasonExt(10))}, after, trust.IsRevoked, ""},
		"stolen before":              {[][]byte{entry(1000, after, reasonExt(1), invalidSince(before))}, after, trust.IsRevoked, ""},
		"stolen after":               {[][]byte{entry(1000, after, reasonExt(1), invalidSince(after))}, after, trust.NotRevoked, ""},
		"replaced, invalid before":   {[][]byte{entry(1000, after, reasonExt(4), invalidSince(before))}, after, trust.NotRevoked, ""},
		"a reason nobody knows":      {[][]byte{entry(1000, before, reasonExt(77))}, made, trust.IsRevoked, ""},
		"an extension of little use": {[][]byte{entry(1000, before, ext(false, []byte{5, 0}, 1, 2, 3))}, made, trust.IsRevoked, ""},

		"removed":                      {[][]byte{entry(1000, before, reasonExt(8))}, made, "", "removeFromCRL"},
		"too often":                    {repeated(entry(1000, after), 17), after, "", "more than 16 entries"},
		"a critical extension":         {[][]byte{entry(1000, before, ext(true, []byte{5, 0}, 1, 2, 3))}, made, "", "critical extension"},
		"of another's entry":           {[][]byte{entry(5, before, ext(true, []byte{5, 0}, 1, 2, 3))}, made, "", "critical extension"},
		"of another issuer":            {[][]byte{entry(5, before, ext(true, seq(), 2, 5, 29, 29))}, made, "", "another issuer"},
		"a reason that is none":        {[][]byte{entry(1000, before, ext(false, integer(1), 2, 5, 29, 21))}, made, "", "malformed"},
		"two reasons":                  {[][]byte{entry(1000, before, reasonExt(4), reasonExt(1))}, made, "", "malformed"},
		"two invalidityDates":          {[][]byte{entry(1000, before, invalidSince(before), invalidSince(before))}, made, "", "malformed"},
		"invalidityDate of UTCTime":    {[][]byte{entry(1000, before, ext(false, utc(before), 2, 5, 29, 24))}, made, "", "malformed"},
		"a date that is none":          {[][]byte{seq(integer(1000), der(0x17, []byte("261301000000Z")))}, made, "", "malformed"},
		"a date with a zone":           {[][]byte{seq(integer(1000), der(0x17, []byte("260101000000+0100")))}, made, "", "malformed"},
		"a date without seconds":       {[][]byte{seq(integer(1000), der(0x17, []byte("2601010000Z")))}, made, "", "malformed"},
		"no date":                      {[][]byte{seq(integer(1000))}, made, "", "malformed"},
		"a number of no octets":        {[][]byte{seq(der(2), utc(before))}, made, "", "malformed"},
		"a number with leading zeros":  {[][]byte{seq(der(2, []byte{0, 3}), utc(before))}, made, "", "malformed"},
		"a number with leading ones":   {[][]byte{seq(der(2, []byte{0xff, 0x83}), utc(before))}, made, "", "malformed"},
		"extensions without one":       {[][]byte{seq(integer(1000), utc(before), seq())}, made, "", "malformed"},
		"something after extensions":   {[][]byte{seq(integer(1000), utc(before), seq(reasonExt(1)), integer(1))}, made, "", "malformed"},
		"something in an extension":    {[][]byte{entry(1000, before, seq(oid(1, 2, 3), octets(nil), integer(1)))}, made, "", "malformed"},
		"an extension without a value": {[][]byte{entry(1000, before, seq(oid(1, 2, 3)))}, made, "", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			l := list{entries: c.entries, this: utc(c.this), next: utc(ends)}
			a, err := checkBuilt(t, w, l, within)
			if c.problem != "" {
				wantError(t, a, err, c.problem)
				return
			}
			if err != nil || a.Status != c.status {
				t.Errorf("%+v, %v; want %s", a, err, c.status)
			}
		})
	}
}

func repeated(b []byte, n int) [][]byte {
	var all [][]byte
	for range n {
		all = append(all, b)
	}
	return all
}

func TestMalformedCRLs(t *testing.T) {
	w := newWorld(t)
	some := [][]byte{entry(5, made, reasonExt(1))}
	idp := func(parts ...[]byte) [][]byte { return [][]byte{ext(true, seq(parts...), 2, 5, 29, 28)} }
	yes := func(tag byte) []byte { return []byte{0x80 | tag, 1, 0xff} }
	for name, c := range map[string]struct {
		list
		problem string
	}{
		"version 3":                        {list{version: integer(2)}, "malformed"},
		"version 1 said":                   {list{version: integer(0)}, "malformed"},
		"extensions in version 1":          {list{version: []byte{}, extensions: [][]byte{ext(false, integer(1), 2, 5, 29, 20)}}, "malformed"},
		"entry extensions in version 1":    {list{version: []byte{}, entries: some}, "malformed"},
		"two algorithms":                   {list{algorithm: w.otherIdent}, "algorithm identifiers differ"},
		"no issuer":                        {list{issuer: []byte{}}, "malformed"},
		"no thisUpdate":                    {list{this: []byte{}, next: []byte{}}, "malformed"},
		"nextUpdate before thisUpdate":     {list{next: utc(made.Add(-time.Second))}, "before its thisUpdate"},
		"no extension":                     {list{extensions: [][]byte{}}, "malformed"},
		"a critical extension":             {list{extensions: [][]byte{ext(true, nil, 1, 2, 3)}}, "critical extension"},
		"an entry that is none":            {list{entries: [][]byte{integer(1)}}, "entry 1: malformed"},
		"two issuing points":               {list{extensions: append(idp(), idp()...)}, "malformed"},
		"an issuing point that is none":    {list{extensions: [][]byte{ext(true, integer(1), 2, 5, 29, 28)}}, "malformed"},
		"more in an issuing point":         {list{extensions: idp(yes(6))}, "malformed"},
		"a flag that is neither":           {list{extensions: idp([]byte{0x81, 1, 1})}, "malformed"},
		"a flag of no octet":               {list{extensions: idp([]byte{0x81, 0})}, "malformed"},
		"flags out of order":               {list{extensions: idp(yes(2), yes(1))}, "malformed"},
		"users and authorities":            {list{extensions: idp(yes(1), yes(2))}, "at once"},
		"a point without a name":           {list{extensions: idp(der(0xa0, der(0xa0)))}, "malformed"},
		"a point whose name is of no kind": {list{extensions: idp(der(0xa0, der(0xa3)))}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := revocation.ParseCRL(w.crl(c.list))
			wantError(t, revocation.Answer{}, err, c.problem)
		})
	}
	// Explicit FALSE is not DER, and harmless.
	_, err := checkBuilt(t, w, list{extensions: idp([]byte{0x81, 1, 0})}, within)
	if err != nil {
		t.Error(err)
	}
}

func TestTruncatedAndExtendedDocuments(t *testing.T) {
	w := newWorld(t)
	list := w.crl(list{entries: [][]byte{entry(5, made, reasonExt(1)), entry(6, made)}, extensions: [][]byte{ext(false, integer(1), 2, 5, 29, 20)}})
	response := w.ocsp(reply{singles: [][]byte{w.single(good(), until(ends))}, by: w.responder, certs: testnetCerts(w)})
	for i := range list {
		_, err := revocation.ParseCRL(list[:i])
		if err == nil {
			t.Fatalf("%d octets of a CRL are read", i)
		}
	}
	for i := range response {
		_, err := revocation.CheckOCSP(response[:i], w.leaf, w.root.Cert, within)
		if err == nil {
			t.Fatalf("%d octets of a response are read", i)
		}
	}
	_, err := revocation.ParseCRL(append(list, 0))
	wantError(t, revocation.Answer{}, err, "malformed")
	_, err = revocation.CheckOCSP(append(response, 0), w.leaf, w.root.Cert, within)
	wantError(t, revocation.Answer{}, err, "malformed")
	_, err = revocation.ParseCRL(make([]byte, revocation.MaxCRL+1))
	wantError(t, revocation.Answer{}, err, "more than")
}
