package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// A destination that puts a message off before it has heard for whom it is takes no
// more for the moment; what it says later, or of room, is about the message.
func TestRelayTellsThatADestinationIsSlow(t *testing.T) {
	for name, row := range map[string]struct {
		replies map[string]string
		slow    bool
	}{
		"greeting 421":      {map[string]string{"": "421 4.3.2 too many connections"}, true},
		"greeting 554":      {map[string]string{"": "554 no service"}, false},
		"MAIL 421":          {map[string]string{"MAIL": "421 4.7.0 too many messages"}, true},
		"MAIL 450":          {map[string]string{"MAIL": "450 4.7.1 slower"}, true},
		"MAIL 451":          {map[string]string{"MAIL": "451 4.7.1 slower"}, true},
		"MAIL 452":          {map[string]string{"MAIL": "452 4.3.4 too large for now"}, false},
		"MAIL 550":          {map[string]string{"MAIL": "550 5.7.1 not you"}, false},
		"RCPT 450":          {map[string]string{"RCPT": "450 4.2.1 later"}, false},
		"dot 451":           {map[string]string{".": "451 4.3.0 later"}, false},
		"no answer to MAIL": {map[string]string{"MAIL": "hang up"}, false},
		"taken":             {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := startPeer(t, row.replies)
			for _, got := range one(addr).relay().Send(t.Context(), delivery("a@far.test", "b@far.test")) {
				if got.Slow != row.slow {
					t.Errorf("%+v, want slow %v", got, row.slow)
				}
			}
		})
	}
}

// What each host said that was tried in vain comes with the result, whoever took the
// message in the end, and a bounded number of them.
func TestRelayTellsWhatEachHostSaid(t *testing.T) {
	_, good := startPeer(t, nil)
	_, closing := startPeer(t, map[string]string{"": "421 4.3.2 maintenance until noon"})
	_, never := startPeer(t, map[string]string{"MAIL": "450 4.7.1 slower"})
	hosts := []string{"good.test", "closing.test", "never.test", "dead.test"}
	at := map[string]string{"good.test": good, "closing.test": closing, "never.test": never}
	told := func(r Result) []string {
		all := []string{fmt.Sprint(r.Host, " ", r.Code, " ", r.Reply)}
		for _, o := range r.Others {
			all = append(all, fmt.Sprint(o.Host, " ", o.Code, " ", o.Reply))
		}
		return all
	}
	for name, row := range map[string]struct {
		mx   []MX
		want []string
	}{
		"one host":      {[]MX{{"good.test", 5}}, []string{"good.test ok 250"}},
		"fallback":      {[]MX{{"closing.test", 5}, {"good.test", 10}}, []string{"good.test ok 250", "closing.test peer-deferred 421"}},
		"nobody":        {[]MX{{"closing.test", 5}, {"never.test", 7}, {"dead.test", 10}}, []string{"dead.test peer-unreachable 0", "closing.test peer-deferred 421", "never.test peer-deferred 450"}},
		"no such host":  {[]MX{{"lost.test", 5}, {"good.test", 10}}, []string{"good.test ok 250", "lost.test no-route 0"}},
		"the first one": {[]MX{{"closing.test", 5}, {"lost.test", 10}}, []string{"closing.test peer-deferred 421", "lost.test no-route 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			z := &zone{mx: row.mx, hosts: hosts, at: at}
			for _, got := range z.relay().Send(t.Context(), delivery("a@far.test", "b@far.test")) {
				if diff := cmp.Diff(row.want, told(got)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	var many []MX
	for i := range maxHosts {
		many = append(many, MX{fmt.Sprintf("lost%d.test", i), uint16(i)})
	}
	got := (&zone{mx: many}).relay().Send(t.Context(), delivery("a@far.test"))
	if n := len(got[0].Others); n != maxOthers {
		t.Errorf("%d others are told", n)
	}
}

// When the whole message was sent and no answer came, that is told: it may come twice.
func TestRelayTellsThatAMessageMayComeTwice(t *testing.T) {
	for name, row := range map[string]struct {
		replies    map[string]string
		unanswered bool
	}{
		"lost after the dot": {map[string]string{".": "hang up"}, true},
		"lost before it":     {map[string]string{"DATA": "hang up"}, false},
		"put off":            {map[string]string{".": "451 4.3.0 later"}, false},
		"taken":              {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := startPeer(t, row.replies)
			got := one(addr).relay().Send(t.Context(), delivery("a@far.test"))[0]
			if got.Unanswered != row.unanswered || strings.Contains(got.Text, "may come twice") != row.unanswered {
				t.Errorf("%+v, want unanswered %v", got, row.unanswered)
			}
		})
	}
	_, addr := startPeer(t, map[string]string{".": "silence"})
	r := one(addr).relay()
	r.Timeouts.DataDone = 50 * time.Millisecond
	got := r.Send(t.Context(), delivery("a@far.test"))[0]
	if !got.Unanswered {
		t.Errorf("no answer in time: %+v", got)
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
