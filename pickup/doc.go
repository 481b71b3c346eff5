// Package pickup gives users their mail: an IMAP4rev1 and IMAP4rev2 server
// (RFC 3501, RFC 9051) over any [Backend], and a small client for it.
//
// A session keeps its own picture of the selected mailbox and learns what
// changed from the backend by modification sequence. There is no state that
// sessions share, so several processes can serve one backend.
//
// Messages go out byte for byte as they were delivered, and in pieces: a
// message is never held whole.
package pickup
