package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// The example of Standard Webhooks' own libraries.
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), key)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEachKeySigns(t *testing.T) {
	one, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := NewKey(rand.Reader)
	at, body := time.Unix(1, 0), []byte("{}")
	want := Sign("id", at, body, one) + " " + Sign("id", at, body, two)
	if got := Sign("id", at, body, one, two); got != want || Sign("id", at, body, one) == Sign("id", at, body, two) {
		t.Errorf("got %s", got)
	}
	if got := Sign("id", at, body); got != "" {
		t.Errorf("without a key: %q", got)
	}
	if s := Secret(one); !strings.HasPrefix(s, "whsec_") || len(one) != KeySize {
		t.Errorf("secret %d octets, %.6s…", len(one), s)
	}
}

func TestDocument(t *testing.T) {
	e := Event{ID: "01", Type: "failed", At: time.Date(2026, 3, 1, 13, 0, 0, 123456789, time.FixedZone("", 3600)),
		Data: Data{Account: "a@a.example", Message: "02", Recipient: "b@b.example", Reason: "no-certificate"}}
	got, err := e.Encode()
	want := `{"id":"01","type":"failed","timestamp":"2026-03-01T12:00:00.123Z","data":{"account":"a@a.example","message":"02","recipient":"b@b.example","reason":"no-certificate"}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestARandomSourceThatFails(t *testing.T) {
	if _, err := NewKey(strings.NewReader("short")); err == nil {
		t.Error("a key was made of nothing")
	}
}
