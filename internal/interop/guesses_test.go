package interop

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// failedLogins is how many there are of each kind. Of a guess that is looked at most is
// a hash, of which two processors make fifty a second or fewer while others log in.
var failedLogins = flag.Int("logins", 600, "logins that fail in TestInteropEP6_Guessing")

// guessingTime is what each kind may take.
const guessingTime = 4 * time.Minute

// TestInteropEP6_Guessing has logins fail, 10,000 with -logins 10000, from one address and then from a
// thousand, over every protocol and of every account, while who was there before and
// who was not log in with the right password and an app password: each of these gets
// in, each time. EP-6.
func TestInteropEP6_Guessing(t *testing.T) {
	n := *failedLogins
	s := newLoginSite(t)
	app := s.access("--password").Secret
	g := &guessing{site: s, config: s.clientTLS(), app: app}
	g.config.ClientSessionCache = nil
	g.right("127.0.0.1", password) // is known from now on
	t.Logf("before:                   %v", g.others(1))
	for _, from := range []struct {
		name    string
		atOnce  int
		address func(i int) string
	}{
		{"from one address", 50, func(int) string { return "127.9.0.1" }},
		{"from a thousand addresses", 300, func(i int) string { return fmt.Sprintf("127.10.%d.%d", i%1000/250, 1+i%250) }},
	} {
		g.outcomes = [4]atomic.Int64{}
		begun := time.Now()
		var next atomic.Int64
		var all sync.WaitGroup
		for range from.atOnce {
			all.Go(func() {
				for i := int(next.Add(3)) - 3; i < n && time.Since(begun) < guessingTime; i = int(next.Add(3)) - 3 {
					g.guess(from.address(i/3), i)
				}
			})
		}
		ended := make(chan struct{})
		go func() { all.Wait(); close(ended) }()
		var during waits
		for round := 0; ; round++ {
			during = append(during, g.others(round)...)
			select {
			case <-ended:
			case <-time.After(200 * time.Millisecond):
				continue
			}
			break
		}
		t.Logf("%d %s in %v: %d wrong, %d to come again later, %d turned away, %d let in", n, from.name, time.Since(begun).Round(time.Second),
			g.outcomes[wrongGuess].Load(), g.outcomes[laterGuess].Load(), g.outcomes[noGuess].Load(), g.outcomes[rightGuess].Load())
		t.Logf("others meanwhile:         %v", during)
		if g.outcomes[rightGuess].Load() > 0 || g.outcomes[wrongGuess].Load() == 0 {
			t.Error("this was no guessing")
		}
		if made := int(next.Load()); made < n {
			t.Errorf("there were %d guesses in %v", made, guessingTime)
		}
	}
	s.stop()
	s.checkStore()
}

// A guess is how an attempt to log in ended.
type guess int

const (
	wrongGuess guess = iota
	laterGuess
	noGuess // there was no connection, or it ended
	rightGuess
)

type guessing struct {
	*site
	config   *tls.Config
	app      string
	outcomes [4]atomic.Int64
}

// protocols are what logs in over which listener: what is said before a login, and of
// a login, each line with its answer.
var protocols = []struct {
	listener      string
	before        []string
	login         func(user, secret string) []string
	right, wrong  string // how the answers to the last line begin
	manyLinesLast string // of an answer of many lines, how the last begins
}{
	{"submissions", []string{"EHLO guess"}, func(user, secret string) []string {
		return []string{"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+secret))}
	}, "235 ", "535 ", "250 "},
	{"imaps", nil, func(user, secret string) []string { return []string{fmt.Sprintf("a LOGIN %q %q", user, secret)} }, "a OK", "a NO [AUTHENTICATIONFAILED]", ""},
	{"pop3s", nil, func(user, secret string) []string { return []string{"USER " + user, "PASS " + secret} }, "+OK", "-ERR [AUTH]", ""},
}

// login makes some attempts on one connection.
func (g *guessing) login(from string, protocol int, user string, secrets []string) []guess {
	p := protocols[protocol%len(protocols)]
	ends := slices.Repeat([]guess{noGuess}, len(secrets))
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	conn, err := tls.DialWithDialer(dialer, "tcp", g.address(p.listener), g.config)
	if err != nil {
		return ends
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	r := bufio.NewReader(conn)
	ask := func(line, last string) string {
		if line != "" {
			_, _ = conn.Write([]byte(line + "\r\n"))
		}
		for {
			answer, err := r.ReadString('\n')
			if err != nil || last == "" || strings.HasPrefix(answer, last) || strings.HasPrefix(answer, "4") || strings.HasPrefix(answer, "5") {
				return answer
			}
		}
	}
	if ask("", "") == "" { // the greeting
		return ends
	}
	for _, line := range p.before {
		if ask(line, p.manyLinesLast) == "" {
			return ends
		}
	}
	for i, secret := range secrets {
		answer := ""
		for _, line := range p.login(user, secret) {
			answer = ask(line, "")
		}
		switch {
		case answer == "":
			return ends
		case strings.HasPrefix(answer, p.right):
			ends[i] = rightGuess
			return ends
		case strings.HasPrefix(answer, p.wrong):
			ends[i] = wrongGuess
		default:
			ends[i] = laterGuess
		}
	}
	return ends
}

// guess makes three attempts at one account, from an address always at the same: one of
// two that there are, or one that there is not.
func (g *guessing) guess(from string, i int) {
	user := []string{"nurse@b.example", "doctor@b.example", fmt.Sprintf("nobody%d@b.example", i%3000)}[i/3%1000%3] // see the addresses
	secrets := []string{fmt.Sprintf("guess number %d", i), "pap-0000-0000-0000-0000-0000-0000-0000-0000", "password123"}
	for _, end := range g.login(from, i/9, user, secrets) {
		g.outcomes[end].Add(1)
	}
}

// right logs in with the right secret and says how long it took.
func (g *guessing) right(from, secret string) time.Duration {
	var longest time.Duration
	for protocol := range protocols {
		begun := time.Now()
		ends := g.login(from, protocol, "nurse@b.example", []string{secret})
		longest = max(longest, time.Since(begun))
		if ends[0] != rightGuess {
			g.t.Errorf("%s: nurse@b.example from %s is not let in over %s: %d", time.Now().Format(time.TimeOnly), from, protocols[protocol].listener, ends[0])
		}
	}
	return longest
}

// waits are how long the others took: who is known, a stranger, and one with an app
// password.
type waits [][3]time.Duration

func (w waits) String() string {
	var b strings.Builder
	for i, name := range []string{"known", "stranger", "app password"} {
		var all []time.Duration
		for _, row := range w {
			all = append(all, row[i])
		}
		slices.Sort(all)
		fmt.Fprintf(&b, "%s: median %v, longest %v; ", name, all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
	}
	return fmt.Sprintf("%s%d rounds over %d protocols", b.String(), len(w), len(protocols))
}

// others has everybody log in once; the stranger is another each round.
func (g *guessing) others(round int) waits {
	return waits{{
		g.right("127.0.0.1", password), g.right(fmt.Sprintf("127.20.%d.%d", round/250, 1+round%250), password), g.right("127.0.0.3", g.app),
	}}
}
