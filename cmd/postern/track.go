package main

import (
	"strings"

	"postern/mime"
)

// clock is how times are shown to people.
const clock = "2006-01-02 15:04:05.000-07:00"

func addresses(all []mime.Address) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
