package fetch

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// says is a server that takes a connection, says this and hangs up, or without
// words says nothing.
func says(t testing.TB, words string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if words == "" {
		return l.Addr().String()
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, words)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// AS-70: a server counts as one that does not answer only if it is itself that
// does not: whoever names it in other ways can make it look dead in none.
func TestAS70_WhoDoesNotAnswer(t *testing.T) {
	plain := serve(t, text("plain")).Listener.Addr().String()
	tls := httptest.NewUnstartedServer(text("secret"))
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	t.Cleanup(tls.Close)
	dead, mute := testnet.DeadPort(t), says(t, "")
	for name, c := range map[string]struct {
		url    string
		want   error
		silent bool
	}{
		"nobody listens":               {"http://" + dead, ErrUnanswered, false},
		"nobody listens, https":        {"https://" + dead, ErrUnanswered, false},
		"says nothing":                 {"http://" + mute, ErrUnanswered, true},
		"hangs up":                     {"http://" + says(t, "\n"), ErrBroken, false},
		"says nothing in TLS":          {"https://" + mute, ErrBroken, true},
		"https to where http is":       {"https://" + plain, ErrBroken, false},
		"https of nobody we know":      {tls.URL, ErrBroken, false},
		"is not HTTP":                  {"http://" + says(t, "220 mail.example ESMTP\r\n"), ErrBroken, false},
		"redirects to the dead":        {serve(t, redirect("http://"+dead)).URL, ErrBroken, false},
		"redirects to the silent":      {serve(t, redirect("http://"+mute)).URL, ErrBroken, true},
		"redirects to https at http":   {serve(t, redirect("https://"+plain)).URL, ErrBroken, false},
		"begins a header and hangs":    {serve(t, hanging).URL, ErrUnanswered, true},
		"http to where https is":       {strings.Replace(tls.URL, "https", "http", 1), nil, false},
		"answers":                      {"http://" + plain, nil, false},
		"redirects to one who answers": {serve(t, redirect("http://"+plain)).URL, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Request{URL: c.url, Time: time.Minute} // others may take long on a busy machine
			if c.silent {
				r.Time = 2 * time.Second
			}
			_, err := (&Client{Network: private}).Do(t.Context(), r)
			for _, kind := range []error{ErrUnanswered, ErrBroken} {
				if errors.Is(err, kind) != (c.want == kind) {
					t.Errorf("got %v", err)
				}
			}
			if c.want != nil && !Temporary(err) {
				t.Errorf("it is for ever: %v", err)
			}
		})
	}
}

// hanging sends half a header.
func hanging(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-")
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.Close()
}
