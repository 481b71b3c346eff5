package trust

import (
	"crypto/x509"
	"slices"
)

// above returns the intermediates that by their names may be above the leaf, the
// nearest first: those that were fetched, and those that came along.
func (q *quest) above() (fetched, given []*x509.Certificate) {
	named := bySubject(q.others)
	for next := []*x509.Certificate{q.leaf}; len(next) > 0; {
		var ups []*x509.Certificate
		for _, c := range next {
			issuer := canonicalName(c.RawIssuer)
			ups = append(ups, keyedFirst(c, named[issuer])...)
			delete(named, issuer)
		}
		next = ups
		for _, c := range ups {
			_, ok := q.from[q.print(c)]
			switch {
			case authorityProblem(c) != "":
			case ok:
				fetched = append(fetched, c)
			default:
				given = append(given, c)
			}
		}
	}
	return fetched, given
}

// rooted returns the intermediates that lead from the leaf's issuers to the anchors.
// It looks from the anchors downward, so that no key is used whose owner nobody
// trusts, and first at what was fetched, whatever else came along.
func (q *quest) rooted(anchors *Anchors) []*x509.Certificate {
	d := descent{q: q, from: anchors, named: make(map[string][]*x509.Certificate)}
	fetched, given := q.above()
	d.through(append(d.through(fetched), given...))
	return d.good
}

// A descent goes from anchors to those whom they lead to.
type descent struct {
	q     *quest
	from  *Anchors
	good  []*x509.Certificate
	named map[string][]*x509.Certificate // good by canonical name
}

// through goes on over certs as far as they lead, and returns the others.
func (d *descent) through(certs []*x509.Certificate) []*x509.Certificate {
	for range maxPath {
		before := len(d.good)
		certs = slices.DeleteFunc(certs, d.takes)
		if len(d.good) == before {
			break
		}
	}
	return certs
}

func (d *descent) takes(c *x509.Certificate) bool {
	made := func(up *x509.Certificate) bool { return d.q.made(&d.q.descends, c, up) }
	if !slices.ContainsFunc(d.from.issuers(c), made) && !slices.ContainsFunc(d.named[canonicalName(c.RawIssuer)], made) {
		return false
	}
	d.good = append(d.good, c)
	subject := canonicalName(c.RawSubject)
	d.named[subject] = append(d.named[subject], c)
	return true
}
