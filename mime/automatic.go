package mime

import (
	"slices"
	"strings"
)

// IsNotification reports whether a message is an MDN or a DSN, which is never
// answered (AS-86): a report of one of these kinds, or its machine-readable part
// alone. When in doubt, as with a report that does not tell its kind, it is one.
// Auto-Submitted does not count: a record that a machine sends is a message like
// any other, and its sender waits for the answer (AS-85).
func IsNotification(h *Header) bool {
	t, err := h.ContentType()
	if err != nil {
		// Two fields or a broken one: any that names a report counts.
		for _, v := range h.Values("Content-Type") {
			v = strings.ToLower(v)
			if strings.Contains(v, "multipart/report") || strings.Contains(v, ReportMDN) || strings.Contains(v, ReportDSN) {
				return true
			}
		}
		return false
	}
	if t.Type == "multipart/report" {
		return notificationKind(t.Params["report-type"])
	}
	part, found := strings.CutPrefix(t.Type, "message/")
	return found && part != "" && notificationKind(part)
}

// notificationKind reports whether a report-type is that of a notification, in
// its forms of RFC 6522 and RFC 6533, or missing.
func notificationKind(kind string) bool {
	switch strings.TrimPrefix(strings.ToLower(kind), "global-") {
	case ReportMDN, ReportDSN, "":
		return true
	}
	return false
}

// IsAutomatic reports whether a message says that a program wrote it, and whether as
// an answer to another (RFC 3834 §2, §5, and what was used before it).
func IsAutomatic(h *Header) (automatic, answer bool) {
	says := func(name string, values ...string) bool {
		for _, v := range h.Values(name) {
			v, _, _ = strings.Cut(v, ";")
			v = strings.ToLower(strings.TrimSpace(v))
			if v != "" && v != "no" && v != "none" && (len(values) == 0 || slices.Contains(values, v)) {
				return true
			}
		}
		return false
	}
	answer = says("Auto-Submitted", "auto-replied") || says("Precedence", "auto_reply") || says("X-Autoreply") || says("X-Autorespond")
	return answer || says("Auto-Submitted") || says("Precedence", "bulk", "junk") || says("X-Auto-Response-Suppress"), answer
}
