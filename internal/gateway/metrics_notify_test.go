package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
)

func TestMetricsOfNotifications(t *testing.T) {
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	a.submit(strings.Replace(message("alice@a.example", "bob@b.example"), "<m1@", "<m2@", 1), "alice@a.example", "bob@b.example")
	w.clock.advance(time.Hour)
	a.run() // the first is overdue, the second has just been handed over
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	server, err := (&Gateway{Core: a.Core}).newMetrics()
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	server.(*httpServer).Handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{"postern_notify_waiting 1", "postern_notify_overdue_total 1", "postern_notify_suppressed_total 1"} {
		if !strings.Contains(answer.Body.String(), "\n"+line+"\n") {
			t.Errorf("%q is missing", line)
		}
	}
}
