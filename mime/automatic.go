package mime

import "strings"

// IsNotification reports whether a message was made by a machine: an MDN, a
// DSN or another report, or anything that says so in Auto-Submitted (RFC 3834
// §5). Such a message is never answered (AS-86). When in doubt, it is one.
func IsNotification(h *Header) bool {
	for _, v := range h.Values("Auto-Submitted") {
		word, _, _ := strings.Cut(v, ";")
		word, _, _ = strings.Cut(word, "(")
		if !strings.EqualFold(strings.TrimSpace(word), "no") {
			return true
		}
	}
	t, err := h.ContentType()
	if err != nil {
		// Two fields or a broken one: any that names a report counts.
		for _, v := range h.Values("Content-Type") {
			v = strings.ToLower(v)
			if strings.Contains(v, "multipart/report") || strings.Contains(v, "disposition-notification") ||
				strings.Contains(v, "delivery-status") {
				return true
			}
		}
		return false
	}
	return t.Is("multipart/report", "message/disposition-notification", "message/delivery-status")
}
