package main

import (
	"fmt"
	"strings"
	"testing"

	"postern/internal/audit"
)

// A note speaks of its rows, and of the first of many alone.
func TestAuditLineOfWhatWasNoted(t *testing.T) {
	e := audit.Entry{Number: 7, Record: audit.Record{Actor: audit.System, Action: audit.Noted}}
	for i := range 10 {
		e.Rows = append(e.Rows, audit.Row{Name: fmt.Sprintf("message 1/%d", i)})
	}
	line := auditLine(&e)
	if !strings.HasSuffix(line, "noted  message 1/0  message 1/1  message 1/2  message 1/3  message 1/4  message 1/5  message 1/6  message 1/7  and 2 more") {
		t.Error(line)
	}
	e.Action = audit.Opened
	if line := auditLine(&e); strings.Contains(line, "message") {
		t.Error(line)
	}
}
