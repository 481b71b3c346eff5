package discovery

import (
	"crypto/x509"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// A Source is one of the four places where a domain may publish certificates
// (CD-44), in the order in which they are asked.
type Source string

// The sources.
const (
	DNSAddress  Source = "dns-address"
	DNSDomain   Source = "dns-domain"
	LDAPAddress Source = "ldap-address"
	LDAPDomain  Source = "ldap-domain"
)

// A Request asks for the certificates of one address.
type Request struct {
	Address mime.Address
	// Fresh has every question asked anew. What comes of it is kept like any
	// other answer.
	Fresh bool
}

// Found is a certificate and where it was. Nobody has judged it.
type Found struct {
	Certificate *x509.Certificate
	Source      Source
}

// An Answer is what kind of answer a question got, as postern lookup --json
// prints it.
type Answer string

// The answers. Those up to AnswerNoService are answers; the others are failures,
// after which a later try may go otherwise.
const (
	AnswerFound       Answer = "found"          // records, entries or a document
	AnswerNoName      Answer = "no-such-name"   // NXDOMAIN
	AnswerNoRecord    Answer = "no-such-record" // NODATA
	AnswerNoEntry     Answer = "no-entry"       // a directory has no certificate there
	AnswerNoService   Answer = "no-service"     // SRV says that there is none (CD-25)
	AnswerNotAsked    Answer = "not-asked"      // the address has no name in DNS, or the time was over
	AnswerServFail    Answer = "servfail"
	AnswerRefused     Answer = "refused"     // by the server: REFUSED, or an LDAP bind that it does not take
	AnswerTimeout     Answer = "timeout"     // nobody answered in time
	AnswerUnreachable Answer = "unreachable" // no connection
	AnswerForbidden   Answer = "forbidden"   // the guard does not let us go there
	AnswerBroken      Answer = "broken"      // an answer that makes no sense
)

// A Step is one question to one server, for our own eyes.
type Step struct {
	Source       Source
	Query        string // the name and type, the filter, or the URL
	Server       string // address and port of the one that was asked last
	Duration     time.Duration
	Answer       Answer
	Outcome      string // what came of it, in words
	Certificates int    // how many were found
	// Cached says that nobody was asked now; the answer is Age old.
	Cached bool
	Age    time.Duration
	// Left is how long the answer may still be used without asking; 0 is not at all.
	Left time.Duration
	Then string // why the search ended here or went on, in words
	Err  error  // of a failure; an answer that there is nothing is none
	// Questions are those that were sent for this step, in their order: each try at
	// each server, and what had to be known to ask it. There are none if Cached.
	Questions []Question
}

// A Question is one that was sent to one server.
type Question struct {
	Server   string // address and port
	Query    string // the name and type, or the LDAP request
	Answer   Answer
	Detail   string // of a failure, in words; otherwise ""
	Duration time.Duration
}

// A Result is all that Find learnt.
type Result struct {
	Certificates []Found
	Steps        []Step
	// Cached says that an earlier look-up's answer had a part in this result, be it
	// that there are these certificates or that a source before them has none. A
	// refusal must not rest on that alone: ask again with Fresh before one, though
	// not for DiscoveryTimeout, which refuses nothing and is tried again anyway.
	Cached bool
	// Questions is how many questions went to the network for this result. One
	// that several look-ups waited for counts in each. The addresses of directories
	// and web servers are looked up beside.
	Questions int
	// Err is nil if there are certificates; otherwise NoCertificate, or
	// DiscoveryTimeout if a later try may find some.
	Err *reason.Error
}
