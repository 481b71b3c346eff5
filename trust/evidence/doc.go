// Package evidence fetches and keeps what package trust judges certificates by:
// the issuers that a certificate's authority information access leads to (AS-69),
// CRLs (AS-71, AS-72) and OCSP answers (AS-74).
//
// A [Keeper] answers at once, from what it has. What it lacks it fetches in the
// background, and a question waits for that no longer than a budget: a server
// that is down delays one judgement once. What a server once failed at is tried
// again after pauses that grow, and then nobody waits. Documents are refreshed
// before they end, off the path of mail (CP-11), and kept over a restart by a
// [Cache].
//
// Issuers and revocation share nothing: any stranger's certificate names URLs of
// the former, and nothing he names may change what is done for the latter.
//
// Nothing here is believed because of where it came from. A CRL or an OCSP
// answer is kept only if the issuer signed it, also when it comes from the
// cache; issuers' certificates are mere candidates for a path. Whoever names
// URLs in a certificate may be an attacker: fetches, redirections, sizes and
// what is remembered are bounded, and addresses go through package guard.
package evidence
