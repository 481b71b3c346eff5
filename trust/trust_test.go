package trust_test

import (
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/internal/testnet/effort"
	"postern/trust"
	"postern/trust/reason"
)

// now is the moment of all tests here.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var address = testnet.Address

// ask returns a complete question about id for alice@b.example.
func ask(t testing.TB, id *testnet.Identity, anchors ...*testnet.Identity) trust.Params {
	t.Helper()
	return trust.Params{
		Certificate: id.Cert,
		Purpose:     trust.Encrypt,
		Address:     address(t, "alice@b.example"),
		Anchors:     anchorsOf(anchors...),
		At:          now,
	}
}

func anchorsOf(ids ...*testnet.Identity) *trust.Anchors {
	return trust.NewAnchors(testnet.Certs(ids...))
}

func wantCode(t testing.TB, v trust.Verdict, want reason.Code) {
	t.Helper()
	if v.Code != want {
		t.Errorf("code %s (%s), want %s", v.Code, v.Detail, want)
	}
	if v.Code.IsOK() != (v.Err() == nil) || reason.Of(v.Err()) != v.Code {
		t.Errorf("Err() = %v for code %s", v.Err(), v.Code)
	}
	if !v.Code.IsOK() && (v.Detail == "" || v.Path != nil || v.Anchor != nil) {
		t.Errorf("refused with detail %q, path %v, anchor %v", v.Detail, v.Path, v.Anchor)
	}
}

// within fails a test whose work has no bound: it would take minutes. With one it
// takes a moment, or seconds on a busy machine. It measures nothing.
func within(t testing.TB, work func()) {
	t.Helper()
	spent := effort.Since()
	work()
	if took := spent(); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
