package smtp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"postern/mime"
	"postern/trust/reason"
)

// What is wrong with a destination as a whole is told apart from what it says of
// one message or one recipient.
func TestRelayTellsWhatTheDestinationIsToBlameFor(t *testing.T) {
	for name, row := range map[string]struct {
		replies map[string]string
		down    []bool
	}{
		"greeting 554":     {map[string]string{"": "554 no service"}, []bool{true, true}},
		"greeting 521":     {map[string]string{"": "521 never"}, []bool{false, false}}, // final: nothing to wait for
		"greeting 421":     {map[string]string{"": "421 busy"}, []bool{true, true}},
		"EHLO 421":         {map[string]string{"EHLO": "421 4.3.2 later"}, []bool{true, true}},
		"lost at greeting": {map[string]string{"": "hang up"}, []bool{true, true}},
		"MAIL 421":         {map[string]string{"MAIL": "421 4.3.2 closing"}, []bool{true, true}},
		"MAIL 451":         {map[string]string{"MAIL": "451 4.7.1 greylisted"}, []bool{false, false}},
		"one RCPT 450":     {map[string]string{"RCPT TO:<b@": "450 4.2.1 later"}, []bool{false, false}},
		"one RCPT 550":     {map[string]string{"RCPT TO:<b@": "550 5.1.1 who"}, []bool{false, false}},
		"DATA 421":         {map[string]string{"DATA": "421 4.3.2 closing"}, []bool{true, true}},
		"dot 452":          {map[string]string{".": "452 4.3.1 full"}, []bool{false, false}},
		"lost at the dot":  {map[string]string{".": "hang up"}, []bool{true, true}},
		"taken":            {nil, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := startPeer(t, row.replies)
			got := one(addr).relay().Send(t.Context(), delivery("a@far.test", "b@far.test"))
			for i, down := range row.down {
				if got[i].Down != down {
					t.Errorf("recipient %d: %+v, want down %v", i, got[i], down)
				}
			}
		})
	}
	for code, down := range map[reason.Code]bool{reason.NullMX: false, reason.NoRoute: false, reason.DiscoveryTimeout: true} {
		got := (&zone{err: reason.New(code, "x")}).relay().Send(t.Context(), delivery("a@far.test"))
		if got[0].Down != down {
			t.Errorf("%s: %+v, want down %v", code, got[0], down)
		}
	}
}

// One host that gives service, if only to put a message off, is a destination that
// is there, and what it took for some recipients no other host gets again.
func TestRelayFallsBackWithoutDuplicates(t *testing.T) {
	good, goodAt := startPeer(t, nil)
	_, closing := startPeer(t, map[string]string{"": "421 4.3.2 busy"})
	_, grey := startPeer(t, map[string]string{"MAIL": "451 4.7.1 greylisted"})
	picky, pickyAt := startPeer(t, map[string]string{"RCPT TO:<b@": "450 4.2.1 later"})
	hosts := []string{"dead.test", "good.test", "closing.test", "grey.test", "picky.test"}
	at := map[string]string{"good.test": goodAt, "closing.test": closing, "grey.test": grey, "picky.test": pickyAt}
	ok, deferred := reason.OK, reason.PeerDeferred
	for name, row := range map[string]struct {
		mx    []MX
		codes []reason.Code
		down  bool
		tried string
	}{
		"421 at the first":      {[]MX{{"closing.test", 10}, {"good.test", 20}}, []reason.Code{ok, ok}, false, "closing.test:25 good.test:25"},
		"dead first":            {[]MX{{"dead.test", 10}, {"good.test", 20}}, []reason.Code{ok, ok}, false, "dead.test:25 good.test:25"},
		"RCPT 450 at the first": {[]MX{{"picky.test", 10}, {"good.test", 20}}, []reason.Code{ok, deferred}, false, "picky.test:25"},
		"grey, then dead":       {[]MX{{"grey.test", 10}, {"dead.test", 20}}, []reason.Code{reason.PeerUnreachable, reason.PeerUnreachable}, false, "grey.test:25 dead.test:25"},
		"closing, then dead":    {[]MX{{"closing.test", 10}, {"dead.test", 20}}, []reason.Code{reason.PeerUnreachable, reason.PeerUnreachable}, true, "closing.test:25 dead.test:25"},
	} {
		t.Run(name, func(t *testing.T) {
			z := &zone{mx: row.mx, hosts: hosts, at: at}
			got := z.relay().Send(t.Context(), delivery("a@far.test", "b@far.test"))
			for i, code := range row.codes {
				if got[i].Code != code || got[i].Down != row.down {
					t.Errorf("recipient %d: %+v, want %s, down %v", i, got[i], code, row.down)
				}
			}
			if tried := strings.Join(z.tried, " "); tried != row.tried {
				t.Errorf("tried %q, want %q", tried, row.tried)
			}
		})
	}
	if n := strings.Count(picky.transcript(), "RCPT TO:<a@"); n != 1 {
		t.Errorf("the picky host heard of the first recipient %d times", n)
	}
	if n := strings.Count(good.transcript(), "RCPT TO:<a@"); n != 2 {
		t.Errorf("the good host heard of the first recipient %d times", n)
	}
}

// The addresses of a host are tried in turn.
func TestRelayTriesTheNextAddress(t *testing.T) {
	_, good := startPeer(t, nil)
	first, second := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	r := &Relay{Resolver: manyAddresses{first, second}, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if netip.MustParseAddrPort(address).Addr() == first {
			return nil, errors.New("connection refused")
		}
		return new(net.Dialer).DialContext(ctx, network, good)
	}}
	got := r.Send(t.Context(), delivery("a@far.test"))
	if got[0].Code != reason.OK {
		t.Errorf("got %+v", got[0])
	}
}

// manyAddresses is a Resolver of one host with these addresses.
type manyAddresses []netip.Addr

func (manyAddresses) LookupMX(context.Context, mime.Domain) ([]MX, error) {
	return []MX{{"mx.far.test", 10}}, nil
}

func (m manyAddresses) LookupHost(context.Context, string) ([]netip.Addr, error) { return m, nil }
