package evidence

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// Media types of RFC 6960 appendix C.
const (
	ocspRequest = "application/ocsp-request"
	ocspAnswer  = "application/ocsp-response"
)

// longestGET is the size in octets of URLs, encoded, up to which responders take
// requests by GET (RFC 6960 appendix A.1).
const longestGET = 255

// ocspURL returns the URL that asks a responder by GET, or "" if a request is too
// large for that or the responder's URL has a query of its own.
func ocspURL(responder string, request []byte) string {
	if strings.ContainsAny(responder, "?#") {
		return ""
	}
	u := strings.TrimSuffix(responder, "/") + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(request))
	if len(u) > longestGET {
		return ""
	}
	return u
}
