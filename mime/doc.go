// Package mime knows the forms a message takes: raw header fields, entities
// and their parts, the canonical line ends of S/MIME, Direct addresses, and the
// message/rfc822 wrapper.
//
// Signed bytes are raw bytes. Nothing in this package parses a signed entity
// and writes it again: fields stay as they came, and bodies stream through
// unchanged. What is held in memory is bounded by [Limits] and never grows
// with the size of a message.
//
// New messages, reports and those of [Message], are composed with go-message.
// The library sees nothing that is signed already.
package mime
