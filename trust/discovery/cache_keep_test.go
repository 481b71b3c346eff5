package discovery

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestCD12_CertificatesSurviveARestartWhileTheyMay(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on(`o\'brien.b.example. CERT`, gives(t, false, `o\'brien.b.example. 60 IN CNAME alice.b.example.`,
		"alice.b.example. 90 IN CERT 1 0 0 AAAA", "alice.b.example. 90 IN CERT 4 0 0 AAAB"))
	s.on("b.example. CERT", gives(t, false, "b.example. 30 IN CERT 1 0 0 AAAA"))
	s.on("b.example. MX", gives(t, false, "b.example. 60 IN MX 0 b.example."))
	s.on("none.b.example. CERT", denies(t, dns.RcodeNameError, soaOf(b)))
	s.on("broken.b.example. CERT", says(dns.RcodeServerFailure))
	d, clock := dnsClient(t, s)
	asks := []string{"O'Brien.b.example", "b.example", "none.b.example", "broken.b.example"}
	before := map[string]answer{}
	for _, name := range asks {
		before[name] = kindOfQuery(t, d, name, dns.TypeCERT)
	}
	kindOfQuery(t, d, b, dns.TypeMX)
	all := d.snapshot()
	if len(all) != 2 || all[0].Name != b || all[1].Name != `o\'brien.b.example.` {
		t.Fatalf("kept %+v", all)
	}

	clock.Advance(29 * time.Second)
	for _, name := range asks {
		again, _ := dnsClient(t, s)
		again.Now = clock.Now
		if n := len(again.restore(all)); n != 2 {
			t.Errorf("restored %d", n)
		}
		a := kindOfQuery(t, again, name, dns.TypeCERT)
		if want := before[name].kind == AnswerFound; a.cached != want {
			t.Errorf("%s: got %+v", name, a)
		} else if want && (fmt.Sprint(a.records) != fmt.Sprint(before[name].records) ||
			a.left != before[name].left-29*time.Second || a.age != 29*time.Second || a.server != s.addr.String()) {
			t.Errorf("%s: got %+v, before %+v", name, a, before[name])
		}
		if kindOfQuery(t, again, b, dns.TypeMX).cached {
			t.Error("an MX survived")
		}
	}
	clock.Advance(time.Second)
	last, _ := dnsClient(t, s)
	last.Now = clock.Now
	if n := len(last.restore(all)); n != 1 {
		t.Errorf("restored %d, one of which is over", n)
	}
}

func TestDamagedAnswersAreNotRestored(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. CERT", gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA"))
	d, clock := dnsClient(t, s)
	kindOfQuery(t, d, b, dns.TypeCERT)
	good := d.snapshot()[0]
	for name, damage := range map[string]func(k *kept){
		"name":            func(k *kept) { k.Name = "b..example" },
		"type":            func(k *kept) { k.Type = dns.TypeMX },
		"no records":      func(k *kept) { k.Records = nil },
		"too many":        func(k *kept) { k.Records = make([][]byte, maxRecords+1) },
		"cut off":         func(k *kept) { k.Records[0] = k.Records[0][:len(k.Records[0])-1] },
		"more":            func(k *kept) { k.Records[0] = append(k.Records[0], 0) },
		"empty":           func(k *kept) { k.Records[0] = nil },
		"another's class": func(k *kept) { k.Records[0][len(b)+4] = 3 },
		"another type":    func(k *kept) { k.Records[0][len(b)+2] = 1 },
		"large":           func(k *kept) { k.Records[0] = make([]byte, maxKeptRecord+1) },
		"long server":     func(k *kept) { k.Server = string(make([]byte, 1000)) },
		"of the future":   func(k *kept) { k.Asked, k.Expires = k.Asked.Add(time.Second), k.Expires.Add(time.Second) },
		"over":            func(k *kept) { k.Expires = testStart },
		"backwards":       func(k *kept) { k.Expires = k.Asked.Add(-time.Hour) },
		"no dates":        func(k *kept) { k.Asked, k.Expires = time.Time{}, time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			k := good
			k.Records = [][]byte{bytes.Clone(good.Records[0])}
			damage(&k)
			again, _ := dnsClient(t, s)
			again.Now = clock.Now
			if n := len(again.restore([]kept{k})); n != 0 || len(again.snapshot()) != 0 {
				t.Errorf("restored %d", n)
			}
		})
	}
	// A time that the records do not have is not given to them.
	long := good
	long.Expires = long.Asked.Add(1000 * time.Hour)
	again, _ := dnsClient(t, s)
	again.Now = clock.Now
	if n := len(again.restore([]kept{long})); n != 1 {
		t.Errorf("restored %d", n)
	}
	if a := kindOfQuery(t, again, b, dns.TypeCERT); a.left != time.Minute {
		t.Errorf("got %+v", a)
	}
}

func TestTheLatestUsedIsKeptFirst(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", func(w dns.ResponseWriter, q *dns.Msg) {
		gives(t, false, q.Question[0].Name+" 60 IN CERT 1 0 0 AAAA")(w, q)
	})
	d, clock := dnsClient(t, s)
	for _, name := range []string{"a.example.", "b.example.", "c.example.", "a.example."} {
		kindOfQuery(t, d, name, dns.TypeCERT)
	}
	again, _ := dnsClient(t, s)
	again.Now = clock.Now
	again.restore(d.snapshot())
	var names []string
	for _, k := range again.snapshot() {
		names = append(names, k.Name)
	}
	if diff := cmp.Diff([]string{"a.example.", "c.example.", "b.example."}, names); diff != "" {
		t.Error(diff)
	}
}

// Steps go on telling that it was the domain's own server that answered.
func TestCD8_WhoAnsweredSurvivesARestart(t *testing.T) {
	f := finding{kind: AnswerFound, authoritative: true, life: time.Minute, records: rrs(t, "b.example. 60 IN CERT 1 0 0 AAAA")}
	k, err := newEntry(dnsKey{wireName(b), dns.TypeCERT}, f, testStart).keep()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := dnsClient(t)
	d.restore([]kept{k})
	if a := kindOfQuery(t, d, b, dns.TypeCERT); !a.cached || !a.authoritative {
		t.Errorf("got %+v", a)
	}
}

// A panic over what a server sent ends one question, and holds up no other.
func TestCD31_APanicLeavesNothingLocked(t *testing.T) {
	d, _ := dnsClient(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		d.answers().put(nil)
	}()
	d.answers().put(newEntry(dnsKey{wireName(b), dns.TypeMX}, finding{kind: AnswerNoName, err: ErrNoName, life: time.Minute}, testStart))
	if a := kindOfQuery(t, d, b, dns.TypeMX); !a.cached {
		t.Errorf("got %+v", a)
	}
}

// Answers age while the machine sleeps, in which the monotonic clock stands still.
func TestCD12_TheWallClockCounts(t *testing.T) {
	for name, now := range map[string]func() time.Time{"resolver": new(Resolver).now, "dns": new(DNS).now,
		"given": (&Resolver{Now: time.Now}).now} {
		if at := now(); at != at.Round(0) {
			t.Errorf("%s: %v", name, at)
		}
	}
}
