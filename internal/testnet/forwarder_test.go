package testnet

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestForwarder(t *testing.T) {
	bind := BIND(t, map[string][]string{"b.example": {"@ IN MX 10 mail", "mail IN A 127.0.0.1"}})
	f := NewForwarder(t, bind)
	for _, network := range []string{"udp", "tcp"} {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.Addr)
		}}
		before := f.Asked()
		mx, err := r.LookupMX(t.Context(), "b.example.")
		if err != nil || len(mx) != 1 || f.Asked() != before+1 {
			t.Errorf("%s: %v, %v after %d questions", network, mx, err, f.Asked()-before)
		}
	}
	const typeMX = 15
	f.Answer(typeMX, ServFail)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.Addr)
	}}
	_, err := r.LookupMX(t.Context(), "b.example.")
	var why *net.DNSError
	if !errors.As(err, &why) || !why.IsTemporary {
		t.Errorf("a question that is answered SERVFAIL: %v", err)
	}
	hosts, err := r.LookupHost(t.Context(), "mail.b.example.")
	if err != nil || len(hosts) != 1 {
		t.Errorf("a question of another type: %v, %v", hosts, err)
	}
	f.Silence("mail")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = r.LookupHost(ctx, "mail.b.example.")
	if !errors.As(err, &why) || !why.IsTimeout {
		t.Errorf("a question that is not answered: %v", err)
	}
}
