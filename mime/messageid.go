package mime

import (
	crand "crypto/rand"
	"encoding/hex"
	"io"
	"strings"
)

// MessageID returns the Message-ID with its angle brackets, or "" when there is
// none that can be used.
func (h *Header) MessageID() string { return ParseMessageID(h.Get("Message-ID")) }

// OnlyMessageID is MessageID, and "" where there are several fields of that name: nobody
// knows which is meant.
func (h *Header) OnlyMessageID() string {
	if h.Count("Message-ID") > 1 {
		return ""
	}
	return h.MessageID()
}

// ParseMessageID returns the first message identifier in s as <id>. Brackets
// may be missing, as peers leave them out (DN-12), and so may the at sign
// (CP-15). It returns "" when s has no identifier or one that is not printable
// ASCII, broken by white space, or too long for a line of any field that names it
// in a notification.
func ParseMessageID(s string) string {
	_, after, bracketed := strings.Cut(s, "<")
	id := after
	if bracketed {
		id, _, bracketed = strings.Cut(after, ">")
		if !bracketed {
			return ""
		}
		id = strings.Trim(id, " \t")
	} else if words := strings.Fields(s); len(words) > 0 {
		id = words[0]
	} else {
		return ""
	}
	if id == "" || len(id) > maxLine-len("<>")-len(longestIDField) {
		return ""
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '<' || id[i] == '>' {
			return ""
		}
	}
	return "<" + id + ">"
}

// FoldMessageID writes a Message-ID as those are compared: agents change the case of
// those that they answer (DN-12).
func FoldMessageID(id string) string { return strings.ToLower(id) }

// longestIDField is the longest name before an identifier, with what stands between.
const longestIDField = "X-Original-Message-ID: "

// NewMessageID makes a globally unique <left@host> of 128 random bits (AS-57).
// The randomness is taken from rand, or from the system when rand is nil or
// fails.
func NewMessageID(host string, rand io.Reader) string {
	var unique [16]byte
	if rand == nil {
		rand = crand.Reader
	}
	_, err := io.ReadFull(rand, unique[:])
	if err != nil {
		crand.Read(unique[:]) // never fails, crypto/rand since Go 1.24
	}
	return "<" + hex.EncodeToString(unique[:]) + "@" + host + ">"
}
