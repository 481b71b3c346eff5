package gateway

import (
	"slices"
	"strings"
	"testing"

	"postern/store"
)

// Two logins may send as the same addresses: the hooks of the one that handed a message
// in are told of it, whatever it was sent as, and those of no other.
func TestHooksAreToldToWhoHandedItIn(t *testing.T) {
	for _, from := range []string{"ehr@a.example", "ehr+x@a.example", "own@a.example", "ward@a.example", "nurse@a.example"} {
		t.Run(from, func(t *testing.T) {
			w, a, _ := aliceAnd(t, "bob@b.example")
			a.subaddress("+")
			a.accounts("ehr@a.example", "other@a.example")
			a.alias("own@a.example", "ehr@a.example")
			a.group("ward@a.example", "alice@a.example", "ehr@a.example")
			a.senders("ehr@a.example", "@a.example")
			a.senders("other@a.example", "@a.example")
			r := &receiver{}
			a.Poster = r
			for _, account := range []string{"ehr@a.example", "other@a.example"} {
				_, _, err := a.AddHook(t.Context(), "test", HookOrder{addr(t, account), "https://" + account[:strings.Index(account, "@")] + ".example/in",
					[]store.HookEventType{store.HookDelivered, store.HookFailed}})
				if err != nil {
					t.Fatal(err)
				}
			}
			a.submitAs("ehr@a.example", message(from, "bob@b.example>, <x@nowhere.example", wanted), from, "bob@b.example", "x@nowhere.example")
			if from == "nurse@a.example" { // nobody's mailbox
				a.submitAs("other@a.example", strings.Replace(message(from, "bob@b.example"), "m1@", "m2@", 1), from, "bob@b.example")
			}
			w.runAll()
			told := make(map[string][]string)
			for _, p := range r.got {
				one := &receiver{got: r.got[:0:0]}
				one.got = append(one.got, p)
				told[p.URL] = append(told[p.URL], one.events(t)...)
			}
			slices.Sort(told["https://ehr.example/in"])
			wantStates(t, told["https://ehr.example/in"], "delivered bob@b.example", "failed x@nowhere.example no-certificate")
			var others []string
			if from == "nurse@a.example" {
				others = []string{"delivered bob@b.example"}
			}
			wantStates(t, told["https://other.example/in"], others...)
		})
	}
}
