package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"postern/internal/control"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

// checkProcessed proves that a message is the processed notification of a
// recipient for another message.
func checkProcessed(t testing.TB, message, id, from string) {
	t.Helper()
	n, err := mdn.Parse(strings.NewReader(message), mime.Limits{})
	if err != nil {
		t.Fatalf("this is no notification: %v\n%s", err, tail(message))
	}
	if n.OriginalMessageID != id || n.Disposition != mdn.Processed || !n.FinalRecipient.Same(address(t, from)) {
		t.Errorf("the notification says %s of %s for %s", n.Disposition, n.OriginalMessageID, n.FinalRecipient)
	}
}

// processed reports whether the only recipient acknowledged a message.
func processed(l control.Life) bool { return l.Recipients[0].State == store.TrackProcessed }

// refused reports whether a message was refused for its only recipient.
func refused(l control.Life) bool { return l.Recipients[0].State == store.TrackRefused }

// inFront are the fields that a gateway puts in front of what it delivers.
var inFront = regexp.MustCompile(`^(?:Return-Path|Authentication-Results|Postern-Verified|Received: from [^\n]* \(Postern\)\s)`)

// asSent is a delivered message without what the gateway says of it in front.
func asSent(message string) string {
	front := false
	for line := range strings.Lines(message) {
		front = front && (line[0] == ' ' || line[0] == '\t') || inFront.MatchString(line)
		if !front {
			return message
		}
		message = message[len(line):]
	}
	return message
}

// tuid is a field that isync adds to what it stores.
var tuid = regexp.MustCompile(`(?m)^X-TUID: .*\n`)

// maildir returns the messages of a maildir folder with CRLF line ends.
func maildir(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(files))
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = crlf(tuid.ReplaceAllString(string(raw), ""))
	}
	return all
}

// without is a message without some fields of one line each.
func without(message string, fields ...string) string {
	for _, name := range fields {
		message = regexp.MustCompile(`(?m)^`+name+`: .*\n`).ReplaceAllString(message, "")
	}
	return message
}
