package sta

import (
	"slices"
	"strings"

	"postern/mime"
)

// unwrappedHeader makes the header of an unwrapped message (AS-43): the content
// fields of the signed entity below those fields of the outer header that a
// reader needs to know who wrote to whom about what. None of these is signed.
// Any other could only be a stranger's instruction to the reader's software.
func unwrappedHeader(outer, entity *mime.Header) *mime.Header {
	h := &mime.Header{}
	for _, f := range outer.Fields() {
		if isRoutingField(f.Name) {
			h.AddField(f)
		}
	}
	for _, f := range entity.Fields() {
		if isContentField(f.Name) {
			h.AddField(f)
		}
	}
	return h
}

// isRoutingField names what is taken from the outer header. MIME-Version is
// among them since the content fields mean nothing without it (RFC 2045 §4).
func isRoutingField(name string) bool {
	return slices.ContainsFunc([]string{
		"From", "Sender", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Subject", "MIME-Version",
	}, func(known string) bool { return strings.EqualFold(known, name) })
}

func isContentField(name string) bool {
	const prefix = "content-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
