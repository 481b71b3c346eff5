package gateway

import (
	"crypto/x509"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
)

// The fields by which a delivered message tells its reader what was verified of it.
const (
	returnPath  = "Return-Path"            // RFC 5321 §4.4
	authResults = "Authentication-Results" // RFC 8601
	ownVerified = "Postern-Verified"       // docs/delivered.md
)

// What Postern-Verified says was verified, its first word.
const (
	verifiedMessage = "message" // all of it, the header included
	verifiedContent = "content" // all but the header, which was not signed (AS-43)
	verifiedOwn     = "own"     // nothing: this gateway wrote it
)

// maxSources bounds the sources of an anchor that are named.
const maxSources = 3

// A verified is what was found out about a message for those who share a verdict.
type verified struct {
	host    string
	from    mime.Address // the reverse-path
	at      time.Time
	trace   string // the Received field, "" if it came by no SMTP session
	track   store.TrackID
	profile trust.Profile
	opened  *sta.Opened
	verdict sta.Verdict
	sources []AnchorSource // of the anchor that was believed
	removed int            // fields that came with the message and said such things
}

// fields are those that stand in front of the delivered message. RFC 8601 §4 has
// Authentication-Results above the Received field of the host that speaks there.
func (v verified) fields() (*mime.Header, error) {
	h := &mime.Header{}
	addTrace(h, returnPath, "<"+v.from.String()+">")
	err := h.Add(authResults, v.host+"; "+v.smimeResult())
	if err != nil {
		return nil, err
	}
	err = h.Add(ownVerified, v.report())
	if err == nil && v.trace != "" {
		err = h.Add("Received", v.trace)
	}
	return h, err
}

// addTrace adds a field whose value an envelope gave: it may be in UTF-8 (RFC 6532
// §3.2), which is not for Header.Add, and is an address in either case.
func addTrace(h *mime.Header, name, value string) {
	if h.Add(name, value) != nil {
		h.AddField(mime.Field{Name: name, Raw: []byte(name + ": " + value + "\r\n")})
	}
}

// smimeResult is the result of the method smime with its registered properties
// (RFC 7281 §3). What is delivered has always passed. There is no smime-part: the
// part that was signed is not in the message any more, or is all of it.
func (v verified) smimeResult() string {
	scope := "(message and header are signed)"
	if !v.opened.Wrapped {
		scope = "(the content is signed, the header is not)"
	}
	parts := []string{"smime=pass", scope}
	// A quoted local part, which Postern-Verified has, may look like other results to who
	// reads by semicolons.
	if id := v.opened.Sender.String(); printable(id) && !strings.HasPrefix(id, `"`) {
		parts = append(parts, "body.smime-identifier="+id)
	}
	signer := v.verdict.Signer
	// RFC 7281 §3.2.3 has both of these or neither.
	return strings.Join(append(parts,
		"body.smime-serial="+serialOf(signer),
		"body.smime-issuer="+quoted(trust.WriteName(signer.Issuer))), " ")
}

// report is the value of Postern-Verified.
func (v verified) report() string {
	what := verifiedContent
	if v.opened.Wrapped {
		what = verifiedMessage
	}
	p := v.begin(what)
	p.add("sender", v.opened.Sender.String())
	p.add("bound-to", string(v.verdict.Trust.Binding))
	p.add("profile", v.profile.String())
	p.add("policy", v.verdict.Trust.Signers.String())
	p.certificate("signer", v.verdict.Signer)
	p.certificate("anchor", v.verdict.Trust.Anchor)
	p.add("anchor-source", v.anchorSource())
	p.add("signature", v.signature())
	enveloped := v.opened.Enveloped()
	p.add("encryption", enveloped.Cipher.String())
	p.add("key-management", enveloped.KeyManagement())
	p.add("revocation", string(worst(v.verdict.Trust.Revocations)))
	if v.removed > 0 {
		p.add("removed", strconv.Itoa(v.removed))
	}
	return p.String()
}

func (v verified) begin(what string) *parameters {
	p := &parameters{}
	p.b.WriteString(what)
	p.add("by", v.host)
	p.add("at", v.at.UTC().Format(time.RFC3339))
	p.add("track", string(v.track))
	return p
}

// signature is the algorithm of the signature that was believed.
func (v verified) signature() string {
	for _, s := range v.opened.Signatures() {
		if s.Err == nil && s.Certificate.Equal(v.verdict.Signer) {
			return s.Algorithm
		}
	}
	return ""
}

// anchorSource names the ways in which the anchor came to be believed by the
// recipient's domain: the bundle's name, "manual" or "ev".
func (v verified) anchorSource() string {
	var names []string
	for _, s := range v.sources {
		if !slices.Contains(names, s.Source) && len(names) < maxSources {
			names = append(names, s.Source)
		}
	}
	return strings.Join(names, ",")
}

// ownFields are those of a message that this gateway wrote and puts into a mailbox
// itself: a notice with the null reverse-path (RFC 3464 §2), of which there is
// nothing to verify (RFC 8601 §2.2, "none").
func (c *Core) ownFields(track store.TrackID) (*mime.Header, error) {
	v := verified{host: c.Hostname, at: c.Now(), track: track}
	h := &mime.Header{}
	addTrace(h, returnPath, "<>")
	err := h.Add(authResults, v.host+"; none")
	if err != nil {
		return nil, err
	}
	return h, h.Add(ownVerified, v.begin(verifiedOwn).String())
}

// anchorSources are the ways in which the anchor of a verdict came to be believed
// for its recipient.
func (d *Directory) anchorSources(v sta.Verdict) []AnchorSource {
	if v.Trust.Anchor == nil {
		return nil
	}
	ev := v.Trust.Signers == trust.ExtendedValidation
	return slices.DeleteFunc(d.AnchorSources(store.FingerprintOf(v.Trust.Anchor.Raw)), func(s AnchorSource) bool {
		elsewhere := s.Domain != "" && s.Domain != v.Recipient.Domain()
		return elsewhere || !s.Direction.Covers(store.In) || (s.Source == store.EVSource) != ev
	})
}

// parameters writes a value as Content-Type has it: attributes with values, which are
// quoted always (RFC 2045 §5.1). A value that is not known is left out.
type parameters struct{ b strings.Builder }

func (p *parameters) add(name, value string) {
	if value != "" {
		p.b.WriteString("; " + name + "=" + quoted(value))
	}
}

func (p *parameters) certificate(name string, cert *x509.Certificate) {
	if cert != nil {
		p.add(name, trust.WriteName(cert.Subject))
		p.add(name+"-sha256", store.FingerprintOf(cert.Raw).String())
	}
}

// String returns what was written.
func (p *parameters) String() string { return p.b.String() }

// quoted writes a quoted-string (RFC 5322 §3.2.4) in printable ASCII: what else there
// is of a stranger's text becomes "?".
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// serialOf is a serial number as certificates are compared by it: in hexadecimal,
// two digits for each octet. No certificate that x509 parses has a long one, but a
// stranger may have made it negative.
func serialOf(c *x509.Certificate) string {
	digits := c.SerialNumber.Text(16)
	if len(strings.TrimPrefix(digits, "-"))%2 == 1 {
		digits = strings.Replace("0"+digits, "0-", "-0", 1)
	}
	return digits
}
