package mime

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// ErrDate is wrapped by the errors of PlainDate.
var ErrDate = errors.New("not a date")

// maxDate is ample for a date with a comment.
const maxDate = 128

// plainDates are the forms of RFC 5322 §3.3, without comments and what is
// obsolete. The day of the month has one digit or two.
func plainDates() []string {
	return []string{
		"Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15:04 -0700", "Mon, 2 Jan 2006 15:04 -0700",
		"02 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "02 Jan 2006 15:04 -0700", "2 Jan 2006 15:04 -0700",
	}
}

// PlainDate returns the date of a Date field in a form that says the date and
// nothing else. A value that is in such a form comes back as it is; one with a
// comment or other text behind it, with an obsolete form or with the wrong day of
// the week is written anew, with the same instant and offset. A zone by name
// must be UT, UTC or GMT: the others mean different things to different readers
// (RFC 5322 §4.3). What cannot be read is an error wrapping ErrDate.
func PlainDate(value string) (string, error) {
	value = strings.TrimSpace(value)
	if len(value) > maxDate {
		return "", fmt.Errorf("%w: it has %d octets", ErrDate, len(value))
	}
	t, err := mail.ParseDate(value)
	if err != nil {
		return "", fmt.Errorf("%w: it is not of the form of RFC 5322", ErrDate)
	}
	zone, _ := t.Zone()
	if zone != "" && !slices.Contains([]string{"UT", "UTC", "GMT"}, zone) && !numeric(value) {
		return "", fmt.Errorf("%w: a zone by name", ErrDate)
	}
	if t.Year() < 1900 || t.Year() > 9999 { // RFC 5322 §3.3
		return "", fmt.Errorf("%w: the year %d", ErrDate, t.Year())
	}
	for _, form := range plainDates() {
		if t.Format(form) == value {
			return value, nil
		}
	}
	return t.Format(time.RFC1123Z), nil
}

// numeric reports whether the zone of a date that was read stands there in
// digits; Go then gives it the name of the local zone if that has the offset.
func numeric(value string) bool {
	date, _, _ := strings.Cut(value, "(")
	return strings.ContainsAny(date, "+-")
}
