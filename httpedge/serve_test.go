package httpedge

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMethodsAndPaths(t *testing.T) {
	r := newRig(t, &house{inbox: []held{{Received{ID: "1-1"}, "Subject: x\r\n\r\ny\r\n"}}})
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/messages/", "/v1//messages", "/v1/messages/1-1/", "/v1/messages/%", "/v2/messages", "/v1/messages/../hooks",
		"/v1/messages/1-1/parts/0", "/v1/messages/1-1/parts/2", "/v1/messages/1-1/parts/01", "/v1/messages/1-1/parts/-1", "/v1/messages/2-1", "/v1/messages/..%2f..%2fetc", "/v1/hooks/%00", "/v1/sent/" + strings.Repeat("a", 2000)} {
		a, err := r.try("GET", path, strings.NewReader(""))
		if err != nil {
			if !strings.Contains(err.Error(), "invalid URL") {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		r.code(a, 404, "not-found")
	}
	a := r.do("PATCH", "/v1/messages/1-1", "")
	r.code(a, 405, "method-not-allowed")
	if got := a.Header.Get("Allow"); got != "DELETE, GET, HEAD, OPTIONS" {
		t.Errorf("Allow: %s", got)
	}
	a = r.ok(r.do("OPTIONS", "/v1/messages", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"), 204)
	if a.Header.Get("Allow") != "GET, HEAD, OPTIONS, POST" || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.Header)
	}
	a = r.ok(r.do("HEAD", "/v1/messages/1-1", ""), 200)
	if a.body != "" || a.ContentLength <= 0 {
		t.Errorf("HEAD gives %d octets of %d", len(a.body), a.ContentLength)
	}
}

func TestParameters(t *testing.T) {
	r := newRig(t, &house{})
	for path, member := range map[string]string{
		"/v1/messages?limit=0": "limit", "/v1/messages?limit=501": "limit", "/v1/messages?limit=x": "limit", "/v1/messages?limit=1&limit=2": "limit",
		"/v1/messages?wait=61": "wait", "/v1/messages?all=yes": "all", "/v1/messages?after=bogus": "after", "/v1/messages?unknown=1": "unknown", "/v1/sent?since=yesterday": "since",
		"/v1/sent?to=nobody": "to", "/v1/lookup": "address", "/v1/lookup?address=x": "address", "/v1/messages?a;b": "",
		"/v1/hooks?" + strings.Repeat("a&", maxParameters): "",
	} {
		if p := r.code(r.do("GET", path, ""), 400, "bad-request"); p.Member != member {
			t.Errorf("%s: member %q", path, p.Member)
		}
	}
	r.code(r.do("GET", "/v1/messages?after=9-1", ""), 410, "stale-cursor")
}

func TestAccept(t *testing.T) {
	h := &house{inbox: []held{{Received{ID: "1-1"}, "Subject: x\r\n\r\ny\r\n"}}}
	r := newRig(t, h)
	for accept, want := range map[string]bool{
		"application/json": true, "*/*": true, "application/*;q=0.5": true, "text/html, */*;q=0.1": true, "APPLICATION/JSON": true,
		"text/html": false, "application/json;q=0": false, "*/*, application/json;q=0.0": false, "application/*;q=0, */*": false,
	} {
		a := r.do("GET", "/v1/hooks", "", "Accept: "+accept)
		if want {
			r.ok(a, 200)
		} else {
			r.code(a, 406, "not-acceptable")
		}
	}
	r.code(r.do("GET", "/v1/messages/1-1/raw", "", "Accept: application/json"), 406, "not-acceptable")
	r.ok(r.do("GET", "/v1/messages/1-1/raw", "", "Accept: message/rfc822"), 200)
	r.ok(r.do("GET", "/v1/messages/1-1/parts/1", "", "Accept: image/png"), 200)
}

// A client that leaves is no error of ours, whoever it is and whatever it broke off.
func TestClientsThatLeaveAreNoErrors(t *testing.T) {
	r := newRig(t, &house{})
	gone, leave := context.WithCancel(t.Context())
	leave()
	for ctx, token := range map[context.Context]string{gone: "made-up", t.Context(): "trouble"} {
		q := httptest.NewRequest("GET", "/v1/hooks", nil).WithContext(ctx)
		q.Header.Set("Authorization", "Bearer "+token)
		r.server.serve(httptest.NewRecorder(), q)
		if told := strings.Contains(r.log.String(), "level=ERROR"); told != (ctx.Err() == nil) {
			t.Errorf("with the context %v the log has:\n%s", ctx.Err(), r.log.String())
		}
		r.log.Reset()
	}
}

func TestSafeHeaders(t *testing.T) {
	r := newRig(t, &house{})
	for _, path := range []string{"/v1/hooks", "/nothing", "/openapi.json"} {
		h := r.do("GET", path, "").Header
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("Server") != "" {
			t.Errorf("%s: %v", path, h)
		}
		if path != "/openapi.json" && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %v", path, h)
		}
	}
}

// raw speaks HTTP/1.1 by itself and returns all that comes.
func (r *rig) raw(requests ...string) string {
	r.Helper()
	conn := r.dial()
	defer conn.Close()
	for _, q := range requests {
		_, err := io.WriteString(conn, q)
		if err != nil {
			break // the server has seen enough
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	all, err := io.ReadAll(conn)
	if os.IsTimeout(err) {
		r.Errorf("%q hangs", requests)
	}
	return string(all)
}

func (r *rig) dial() *tls.Conn {
	r.Helper()
	config := r.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos, config.ServerName = []string{"http/1.1"}, "127.0.0.1"
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), config)
	if err != nil {
		r.Fatal(err)
	}
	return conn
}

// No request can hide another, whatever two lengths it has (RFC 9112 §6.3).
func TestRFC9112_Smuggling(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.Silence = 300 * time.Millisecond })
	head := "POST /v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + goodToken + "\r\nContent-Type: message/rfc822\r\n"
	inner := "GET /v1/hooks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + goodToken + "\r\nConnection: close\r\n\r\n"
	for name, q := range map[string]string{
		"two lengths":                 head + fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"length and chunks, closed":   head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n\r\n%s", len(inner), inner),
		"chunked twice":               head + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + inner,
		"a length with a sign":        head + fmt.Sprintf("Content-Length: +%d\r\n\r\n%s", len(inner), inner),
		"bad chunk size":              head + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + inner,
		"a space before the colon":    head + fmt.Sprintf("Content-Length : %d\r\n\r\n%s", len(inner), inner),
		"a folded header":             head + fmt.Sprintf("X: y\r\n Content-Length: %d\r\nTransfer-Encoding:\x0bchunked\r\n\r\n%s", len(inner), inner),
		"a bare CR in a header value": head + "X: y\rContent-Length: 0\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			got := r.raw(q)
			if strings.Contains(got, "HTTP/1.1 200") {
				t.Errorf("the inner request was answered:\n%s", got)
			}
		})
	}
}

// Whoever is slow is cut off, and a request that does not end takes nobody's place.
func TestSlowClients(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.Silence, o.HeaderTime = time.Second, time.Second })
	for name, q := range map[string]string{
		"header": "GET /v1/hooks HTTP/1.1\r\nHost: a\r\n",
		"body":   "POST /v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + goodToken + "\r\nContent-Type: message/rfc822\r\nContent-Length: 1000\r\n\r\nFrom: alice@a.example\r\n",
		"unread": "POST /v1/hooks/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := r.raw(q)
			if name == "body" && !strings.Contains(got, "HTTP/1.1 408") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A header beyond the bound is refused before it is read whole.
func TestLargeHeader(t *testing.T) {
	r := newRig(t, &house{})
	got := r.raw("GET /v1/hooks HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 431") {
		t.Errorf("got %.200q", got)
	}
}

// Early answers need no body: the client is told before it sends one (RFC 9110
// §10.1.1).
func TestExpectContinue(t *testing.T) {
	r := newRig(t, &house{})
	for want, field := range map[string]string{"401": "Bearer wrong", "413": "Bearer " + goodToken} {
		conn := r.dial()
		_, err := fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\nContent-Type: message/rfc822\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n", field)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, want) {
			t.Errorf("%q, %v, want %s", line, err, want)
		}
		conn.Close()
	}
}

// A client beyond its connections is turned away, and counted.
func TestConnectionsAreBounded(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.ConnectionsPerIP = 2 })
	one, two := r.dial(), r.dial()
	defer one.Close()
	defer two.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = conn.Read(make([]byte, 1))
	if err == nil || os.IsTimeout(err) || r.server.Stats().TurnedAway != 1 {
		t.Errorf("%v, %+v", err, r.server.Stats())
	}
}

func TestHTTP2(t *testing.T) {
	r := newRig(t, &house{})
	if a := r.ok(r.do("GET", "/v1/hooks", ""), 200); a.ProtoMajor != 2 {
		t.Errorf("it is %s", a.Proto)
	}
}
