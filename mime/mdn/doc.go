// Package mdn composes and reads message disposition notifications (RFC 8098)
// as the Direct Project uses them: processed, dispatched and failed, and the
// request for notice of final delivery.
package mdn
