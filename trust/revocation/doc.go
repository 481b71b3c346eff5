// Package revocation judges what issuers say about the revocation of their
// certificates: certificate revocation lists (RFC 5280 §5) and answers of the
// Online Certificate Status Protocol (RFC 6960, RFC 5019).
//
// It fetches nothing and has no clock: documents, certificates and moments are
// arguments. A document either answers for a certificate at a moment, or does
// not count, and an error says why. What does not count is never taken for good.
//
// A document made after the moment it is asked about counts, since that is how
// the past is judged. A document that has expired counts no more, except that a
// revocation for good, which is all but a hold, stays one. Whoever has a clock
// must refuse what was made in the future: CRL.Premature and Answer.Premature
// tell.
//
// The certificate given as the issuer must be the one whose key signed the
// certificate asked about. Documents under another key, also one that the
// issuer keeps for its lists alone, do not count.
package revocation
