// Package trust decides whom we believe. It knows the trust anchors of one
// domain and direction, what binds a certificate to a Direct address, and
// whether a certificate may be used for signing or encrypting at a moment.
//
// It waits for nobody: certificates, anchors and the time are arguments, and nothing
// but the given anchors is ever trusted (AS-60). What is known from elsewhere,
// missing intermediates and revocations, it asks of [Evidence], which answers at
// once. Finding certificates is the work of package trust/discovery.
package trust
