package fetch

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// expires tells until when a document is fresh, by what its server says (RFC
// 9111 §4.2.1). It is zero if the server says nothing that can be read.
func expires(h http.Header, now time.Time) time.Time {
	lifetime, ok := maxAge(h.Values("Cache-Control"))
	if !ok {
		lifetime, ok = untilExpires(h)
	}
	if !ok {
		return time.Time{}
	}
	age, known := seconds(h.Get("Age")) // spent in other caches (§5.1)
	if known {
		lifetime -= age
	}
	return now.Add(max(lifetime, 0))
}

// maxAge reads Cache-Control (RFC 9111 §5.2.2). What must not be stored or not
// be used unasked is fresh for no time.
func maxAge(values []string) (time.Duration, bool) {
	lifetime, ok := time.Duration(0), false
	for directive := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			s, valid := seconds(strings.Trim(strings.TrimSpace(value), `"`))
			if valid && !ok {
				lifetime, ok = s, true
			}
		}
	}
	return lifetime, ok
}

// untilExpires reads Expires against the server's own clock, as far as it tells
// it (RFC 9111 §5.3). One that is there and no date is in the past.
func untilExpires(h http.Header) (time.Duration, bool) {
	text := h.Get("Expires")
	if text == "" {
		return 0, false
	}
	end, err := http.ParseTime(text)
	if err != nil {
		return 0, true
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, false
	}
	return end.Sub(sent), true
}

// seconds reads delta-seconds (RFC 9111 §1.2.2); too large a number is very long.
func seconds(text string) (time.Duration, bool) {
	const most = int64(math.MaxInt32)
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > most {
		n = most
	}
	return time.Duration(n) * time.Second, true
}
