package mime

import "strings"

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
