// Package httpedge serves those who would rather not speak mail: JSON over TLS, for
// applications that send messages, pick them up and ask what became of them, over
// any [Backend].
//
// It is transport and form. Who may do what, and all that is durable, is the
// backend's. What every resource takes and gives is in openapi.json, which is served
// as well; a test holds code and document together.
//
// Requests carry the token of an account (RFC 6750). Answers that are no success are
// problems (RFC 9457) with a code of Postern's closed set of reasons, or one of the
// few of this package. A message goes out as it was delivered and in pieces; it is
// never held whole, but for what comes within JSON.
package httpedge
