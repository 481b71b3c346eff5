package interop

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sizes of what applications hand in at once: as large as the limits let it be.
const (
	appsAtOnce  = 20 // messages, of four accounts
	appMessage  = 36<<20 - 4<<10
	appAttached = 25 << 20
	// appRoom is what large messages as they are may take beyond what little ones do, in
	// KiB: buffers of connections, of sealing, and garbage until it is collected.
	appRoom = 96 << 10
	// jsonRoom is limits.crypto_memory, which bounds messages within JSON and counts each
	// twice, in KiB.
	jsonRoom = 256 << 10
)

// TestInteropMemory_HTTP hands in twenty messages of 36 MiB at once, and twenty with 25
// MiB attached as JSON, by four accounts: how much memory that takes follows from the
// limits, and all are taken in the end.
func TestInteropMemory_HTTP(t *testing.T) {
	users := []string{"a@b.example", "b@b.example", "c@b.example", "d@b.example"}
	measure := func(name string, send func(apps []side, client *http.Client) error) int {
		s := newSite(t, "b.example", setup{users: users, listeners: 1, more: map[string]string{"listen": "https = \"127.0.0.1:0\"\n"}})
		s.serve()
		var apps []side
		for _, user := range users {
			apps = append(apps, s.httpSide(user))
		}
		transport := &http.Transport{TLSClientConfig: s.clientTLS(), DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+portOf(t, address))
		}}
		defer transport.CloseIdleConnections()
		var u usage
		stop := s.sample(&u)
		began := time.Now()
		err := send(apps, &http.Client{Transport: transport})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, tail(s.text()))
		}
		stop()
		s.alive()
		s.stop()
		t.Logf("%s: peak %d KiB, anonymous %d KiB, in %v", name, u.peak, u.anonymous, time.Since(began).Round(time.Millisecond))
		return u.peak
	}
	head := func(i int, from string) string {
		return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: x\r\nMessage-ID: <%d@ehr.example>\r\n\r\n", from, from, i)
	}
	raw := func(size int64) func([]side, *http.Client) error {
		return allAtOnce("message/rfc822", func(i int, from string) io.Reader {
			return io.MultiReader(strings.NewReader(head(i, from)), io.LimitReader(new(filler), size/62*62))
		})
	}
	little := measure("twenty of 6 KiB", raw(6<<10))
	large := measure("twenty of 36 MiB", raw(appMessage))
	if large > little+appRoom {
		t.Errorf("large messages take %d KiB more than little ones, want at most %d", large-little, appRoom)
	}
	inJSON := measure("twenty with 25 MiB attached, as JSON", allAtOnce("application/json", func(_ int, from string) io.Reader {
		content := base64.StdEncoding.EncodeToString(make([]byte, 3<<10))
		return io.MultiReader(strings.NewReader(`{"to":["`+from+`"],"attachments":[{"name":"x","content":"`),
			io.LimitReader(&filler{text: content}, appAttached/(3<<10)*int64(len(content))), strings.NewReader(`"}]}`))
	}))
	if inJSON > little+appRoom+jsonRoom {
		t.Errorf("messages within JSON take %d KiB more than little ones, want at most %d", inJSON-little, appRoom+jsonRoom)
	}
}

// A filler is lines without end, or a text again and again.
type filler struct {
	text string
	at   int
}

// Read implements io.Reader.
func (f *filler) Read(p []byte) (int, error) {
	if f.text == "" {
		f.text = strings.Repeat("0123456789", 6) + "\r\n"
	}
	n := copy(p, f.text[f.at:])
	f.at = (f.at + n) % len(f.text)
	return n, nil
}

// allAtOnce hands in twenty messages, and again those that are put off.
func allAtOnce(mediaType string, content func(i int, from string) io.Reader) func([]side, *http.Client) error {
	return func(apps []side, client *http.Client) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // against hanging: it is 700 MiB on a busy disk
		defer cancel()
		errs := make([]error, appsAtOnce)
		var all sync.WaitGroup
		for i := range appsAtOnce {
			app := apps[i%len(apps)]
			all.Go(func() {
				errs[i] = errPutOff
				for errors.Is(errs[i], errPutOff) && ctx.Err() == nil {
					errs[i] = handIn(ctx, client, app, mediaType, strconv.Itoa(i), content(i, app.Address))
				}
			})
		}
		all.Wait()
		return errors.Join(errs...)
	}
}

var errPutOff = errors.New("the edge is busy")

// handIn sends one message.
func handIn(ctx context.Context, client *http.Client, app side, mediaType, key string, content io.Reader) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, app.URL+"/v1/messages", content)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", mediaType)
	q.Header.Set("Idempotency-Key", key)
	q.Header.Set("Authorization", "Bearer "+app.Token)
	a, err := client.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	said, err := io.ReadAll(a.Body)
	switch {
	case a.StatusCode == http.StatusServiceUnavailable:
		return errPutOff
	case a.StatusCode != http.StatusAccepted:
		return fmt.Errorf("%s: %s", a.Status, said)
	}
	return err
}
