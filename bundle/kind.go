package bundle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"

	"postern/internal/fetch"
	"postern/internal/guard"
)

// The kinds of failure of a fetch, a closed set (TB-14).
const (
	KindNotFound      = "not-found"   // 404 or 410
	KindStatus        = "status"      // any other status but 200
	KindTimeout       = "timeout"     // no whole answer in time
	KindUnreachable   = "unreachable" // no address, no connection, no HTTP
	KindForbidden     = "forbidden"   // a URL or an address that is not fetched from
	KindTLS           = "tls"         // the server's certificate, or TLS itself
	KindTooLarge      = "too-large"
	KindRedirect      = "redirect"
	KindInvalidFormat = "invalid-format"
	KindEmpty         = "empty"
	KindUnsigned      = "unsigned"
	KindWrongSigner   = "wrong-signer"
	KindBadSignature  = "bad-signature"
	KindSignerExpired = "signer-expired"
	KindOutdated      = "outdated" // signed before the one that counts
)

// hints say of each kind what an operator can do.
var hints = []struct{ kind, hint string }{
	{KindNotFound, "the community may have moved its bundle: ask it for the address of today"},
	{KindStatus, "the server is in trouble or turns us away; if it lasts, ask the community"},
	{KindTimeout, "the server is slow or the way to it is cut; the next try may do better"},
	{KindUnreachable, "check the host in the URL, our name servers and our firewall"},
	{KindForbidden, "a bundle comes from the public internet by https, or by http if its signer is pinned; network.allow_private opens the networks of our own"},
	{KindTLS, "the server cannot prove who it is; an authority of the community's own belongs into network.ca"},
	{KindTooLarge, "no community has that many anchors: is the URL right?"},
	{KindRedirect, "give the URL that the bundle is at in the end"},
	{KindInvalidFormat, "the server sends something else than a trust bundle: is the URL right?"},
	{KindEmpty, "the bundle has no anchor: ask the community what happened"},
	{KindUnsigned, "the signed form of a bundle often has another URL, which ends in .p7m"},
	{KindWrongSigner, "do not change the pinned signer before the community confirms the new one by another way"},
	{KindBadSignature, "the bundle was damaged or forged on its way, or its signer uses an algorithm or a key too weak to be believed"},
	{KindSignerExpired, "ask the community for a bundle that is signed anew"},
	{KindOutdated, "somebody offers an old bundle again; if the community means it, remove the bundle and add it anew"},
}

// Hint says for people what can be done about a kind of failure; "" for any
// other word.
func Hint(kind string) string {
	for _, h := range hints {
		if h.kind == kind {
			return h.hint
		}
	}
	return ""
}

// Kinds returns all kinds of failure.
func Kinds() []string {
	var all []string
	for _, h := range hints {
		all = append(all, h.kind)
	}
	return all
}

// KindOf names the kind of an error of Fetch or Parse; "" for nil. A fetch that
// its caller has ended is KindTimeout.
func KindOf(err error) string {
	if err == nil {
		return ""
	}
	var status *fetch.StatusError
	if errors.As(err, &status) {
		if status.Code == http.StatusNotFound || status.Code == http.StatusGone {
			return KindNotFound
		}
		return KindStatus
	}
	// In this order: an error may wrap several.
	for _, known := range []struct {
		err  error
		kind string
	}{
		{ErrSignerExpired, KindSignerExpired}, {ErrOutdated, KindOutdated}, {ErrBadSignature, KindBadSignature},
		{ErrWrongSigner, KindWrongSigner}, {ErrUnsigned, KindUnsigned},
		{ErrTooLarge, KindTooLarge}, {ErrEmpty, KindEmpty},
		{ErrFormat, KindInvalidFormat}, {ErrMetadata, KindInvalidFormat}, {ErrSigned, KindInvalidFormat},
		{ErrPlain, KindForbidden}, {guard.ErrForbidden, KindForbidden}, {fetch.ErrURL, KindForbidden},
		{fetch.ErrRedirect, KindRedirect}, {fetch.ErrTooLarge, KindTooLarge}, {fetch.ErrEncoded, KindInvalidFormat},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	switch {
	case ofTLS(err):
		return KindTLS
	case timedOut(err):
		return KindTimeout
	}
	return KindUnreachable
}

// ofTLS reports errors of certificates and of the handshake.
func ofTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var host x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &alert) || errors.As(err, &record) || errors.As(err, &host)
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}
