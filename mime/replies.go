package mime

import (
	"slices"
	"strings"
)

// maxReplies bounds the messages that one may be a reply to.
const maxReplies = 20

// RepliesTo returns the Message-IDs of the messages that a message is a reply to,
// in brackets, the likeliest first: those of In-Reply-To, and those of References
// from its end (RFC 5322 §3.6.4).
func RepliesTo(h *Header) []string {
	var all []string
	for _, value := range h.Values("In-Reply-To") {
		all = append(all, messageIDs(value)...)
	}
	for _, value := range h.Values("References") {
		ids := messageIDs(value)
		slices.Reverse(ids)
		all = append(all, ids...)
	}
	return distinct(all)
}

// OriginalIDs returns the Message-IDs that the original of a report may have, the
// likeliest first (DN-12): that of its fields Original-Message-ID and
// X-Original-Message-ID, those it replies to, and that of the header it returns.
func (r *Report) OriginalIDs() []string {
	var all []string
	for _, name := range []string{"Original-Message-ID", "X-Original-Message-ID"} {
		for _, g := range r.Groups {
			for _, value := range g.Values(name) {
				all = append(all, looseID(value))
			}
		}
		for _, value := range r.Header.Values(name) {
			all = append(all, looseID(value))
		}
	}
	all = append(all, RepliesTo(r.Header)...)
	if r.Original != nil {
		all = append(all, r.Original.MessageID())
	}
	return distinct(all)
}

// looseID reads the Message-ID of a field that holds nothing else. Agents break
// long ones, and leave white space where they did: none belongs into it.
func looseID(value string) string {
	id := ParseMessageID(value)
	if id == "" {
		id = ParseMessageID(strings.Join(strings.Fields(value), ""))
	}
	return id
}

// messageIDs reads a list of Message-IDs.
func messageIDs(value string) []string {
	var all []string
	for len(all) < maxReplies {
		id := ParseMessageID(value)
		if id != "" {
			all = append(all, id)
		}
		_, rest, more := strings.Cut(value, ">")
		if !more {
			return all
		}
		value = strings.TrimSpace(rest)
		if value == "" {
			return all
		}
	}
	return all
}

// distinct leaves each Message-ID once, in its first spelling, and no more than
// maxReplies.
func distinct(all []string) []string {
	var once []string
	seen := make(map[string]bool)
	for _, id := range all {
		folded := FoldMessageID(id)
		if id == "" || seen[folded] {
			continue
		}
		seen[folded] = true
		once = append(once, id)
		if len(once) == maxReplies {
			break
		}
	}
	return once
}
