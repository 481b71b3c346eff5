package trust

import (
	"crypto/x509"
	"fmt"

	"postern/trust/reason"
)

// Bounds on a path (AS-70). Those on the signatures that are checked on the way are
// with the Memo.
const (
	maxPath          = 10 // certificates from the end entity to the anchor
	maxIntermediates = 100
	crowd            = 16 // more intermediates than an honest message has
)

// A quest is the search for a path of one certificate to what may vouch for it.
type quest struct {
	p         Params
	goals     []goal
	leaf      *x509.Certificate
	others    []*x509.Certificate                     // intermediates: given, then fetched
	originals map[*x509.Certificate]*x509.Certificate // see align
	levels    int                                     // of issuers that were added since
	issuers
	share
	*Memo
}

// A found path and the goal that it leads to.
type found struct {
	path []*x509.Certificate
	goal goal
}

// checkPath builds a path to an anchor by RFC 5280 §6 (AS-68), fetches what is
// missing on the way (AS-69) and asks for revocations (AS-71).
func checkPath(p Params, v *Verdict) (reason.Code, string) {
	q := &quest{p: p, goals: goals(p), leaf: p.Certificate, share: newShare(), Memo: p.Memo}
	q.others = q.affordable(p.Intermediates)
	own := *v
	code, detail := q.search(&own)
	if (code == reason.UntrustedAnchor || code == reason.IssuerDown) && q.borrow() {
		borrowed := *v
		c, d := q.search(&borrowed)
		if c.IsOK() || own.Pending == nil && progress(c) > progress(code) {
			*v = borrowed
			return c, d
		}
	}
	*v = own
	return code, detail
}

// borrow adds what was fetched for other certificates, and reports whether it is
// anything. It comes last: they may be a stranger's, and so may it.
func (q *quest) borrow() bool {
	before := len(q.others)
	for _, c := range q.fetched {
		if !q.knows(c) {
			q.others = append(q.others, c)
			q.came(c, q.Memo.sources[q.print(c)])
		}
	}
	return len(q.others) > before
}

// search looks for a path among what is known, and adds to that.
func (q *quest) search(v *Verdict) (reason.Code, string) {
	for ; ; q.levels++ {
		paths, err := q.paths()
		if len(paths) > 0 {
			return q.choose(paths, v)
		}
		c := q.climb(q.anchors()...)
		if q.levels == maxLevels || !q.align(c.misnamed) && !q.fetch(c) {
			return q.refuse(c, err, v)
		}
	}
}

// paths returns the valid paths to each goal, and if there is none the error of
// the first.
func (q *quest) paths() ([]found, error) {
	var all []found
	var first error
	for _, g := range q.goals {
		paths, err := q.build(g)
		if first == nil {
			first = err
		}
		for _, path := range paths {
			all = append(all, found{path, g})
		}
	}
	return all, first
}

func (q *quest) anchors() []*Anchors {
	var all []*Anchors
	for _, g := range q.goals {
		all = append(all, g.anchors)
	}
	return all
}

// choose takes the first path that is fit and has no revoked certificate; one
// such path is enough. Without one the reason is that of the path that came
// furthest.
func (q *quest) choose(paths []found, v *Verdict) (reason.Code, string) {
	fit, code, detail := q.fitting(paths, v.Binding)
	if len(fit) == 0 {
		return code, detail
	}
	var best outcome
	for _, f := range fit[:min(len(fit), maxPaths)] {
		o := revocationOf(q.p, f.path)
		if o.code.IsOK() {
			q.accept(f, o, v)
			return reason.OK, ""
		}
		if best.code == "" || best.before(o) {
			best = o
		}
		if o.final {
			best = o
			break
		}
	}
	v.Revocations, v.Pending = best.revocations, best.pending
	return best.code, best.detail
}

func (q *quest) accept(f found, o outcome, v *Verdict) {
	v.Path, v.Anchor = f.path, f.path[len(f.path)-1]
	v.Signers, v.Revocations = f.goal.signers, o.revocations
	v.IssuersFrom = q.origins(f.path)
}

// fitting returns the paths that are fit, or without one the reason of the one
// that came furthest.
func (q *quest) fitting(paths []found, b Binding) ([]found, reason.Code, string) {
	var good []found
	var code reason.Code
	var detail string
	for _, f := range paths {
		c, d := q.fit(f, b)
		switch {
		case c.IsOK():
			good = append(good, f)
		case code == "" || progress(c) > progress(code):
			code, detail = c, d
		}
	}
	return good, code, detail
}

// fit checks what crypto/x509 leaves out.
func (q *quest) fit(f found, b Binding) (reason.Code, string) {
	path := f.path
	if len(path) > maxPath {
		return reason.BadPath, fmt.Sprintf("the path has more than %d certificates", maxPath)
	}
	code, detail := strengthOf(path[1:])
	if !code.IsOK() {
		return code, detail
	}
	for _, c := range path[1:] {
		problem := authorityProblem(c)
		if problem == "" {
			problem = constraintProblem(c, q.p.Address, b)
		}
		if problem != "" {
			return reason.BadPath, problem
		}
	}
	anchor := path[len(path)-1]
	missing := f.goal.anchors.missing(anchor, q.p.Certificate)
	if len(missing) > 0 {
		return reason.PolicyMissing, fmt.Sprintf("what leads to %q must name the policy %s", name(anchor), missing[0])
	}
	return reason.OK, ""
}

// refuse says why there is no path, as exactly as can be told.
func (q *quest) refuse(c *climb, err error, v *Verdict) (reason.Code, string) {
	if !c.reached && q.pending != nil {
		v.Pending = q.pending
		return reason.IssuerDown, fmt.Sprintf("the issuer of %q is being fetched", name(c.top))
	}
	if !c.reached && q.down != "" {
		return reason.IssuerDown, q.down
	}
	problem := q.policyProblem()
	if problem != "" {
		return reason.SignerPolicy, problem
	}
	if len(q.goals) == 0 {
		return reason.NoAnchors, nobody(q.p)
	}
	code, detail := c.diagnose(err)
	if code == reason.UntrustedAnchor && q.missed != "" {
		v.IssuersMissed = q.missed
		detail += "; looked for " + q.missed
	}
	return code, detail
}

func nobody(p Params) string {
	if p.asksForEV() {
		return "no root and policy of extended validation is set"
	}
	return "no trust anchor is set"
}

// policyProblem tells a signer whom nobody vouches for from one who is believed
// by others, yet not by the policy that was asked for (BB-36).
func (q *quest) policyProblem() string {
	if !q.p.asksForEV() {
		return ""
	}
	g := q.p.extended()
	g.policies = nil
	anchor := q.leadsTo(g)
	if anchor != nil && !states(q.p.Certificate, q.p.EV.Policies) {
		return "the certificate itself names none of the policies of extended validation"
	}
	if anchor != nil {
		return fmt.Sprintf("the path to %q is valid for none of the policies of extended validation", name(anchor))
	}
	anchor = q.leadsTo(q.p.community())
	if anchor != nil && q.p.Signers != Either {
		return fmt.Sprintf("the path leads to the community's anchor %q, and extended validation is asked for", name(anchor))
	}
	return ""
}

// leadsTo returns the anchor of a valid path to g, or nil.
func (q *quest) leadsTo(g goal) *x509.Certificate {
	if g.anchors.Len() == 0 {
		return nil
	}
	paths, _ := q.build(g) // why not is another's question
	if len(paths) == 0 {
		return nil
	}
	return paths[0][len(paths[0])-1]
}

// affordable returns the intermediates worth a look, each once: not those whose
// signatures would cost us much to check. Weak ones stay, so that a path over one
// is refused for that reason.
func (m *Memo) affordable(all []*x509.Certificate) []*x509.Certificate {
	var good []*x509.Certificate
	seen := make(map[Fingerprint]bool)
	for _, c := range all[:min(len(all), maxIntermediates)] {
		if c == nil || oversized(c) || seen[m.print(c)] {
			continue
		}
		seen[m.print(c)] = true
		good = append(good, c)
	}
	return good
}
