package ldapd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRFC4514_DNs(t *testing.T) {
	same := [][]string{
		{"", "  "},
		{"mail=alice@b.example,dc=b,dc=example", "MAIL=Alice@B.example,DC=b,DC=EXAMPLE", " mail = alice@b.example , dc = b , dc = example ",
			`rfc822Mailbox=alice\40b.example,0.9.2342.19200300.100.1.25=\62,dc=example`},
		{`mail=\"a\, b\"@b.example,dc=b`, `mail=\22a\2C b\22@b.example,dc=b`, `mail=\"a\,\20\20b\"@b.example,dc=b`},
		{`mail=\#1@b.example,dc=b`, `mail=\231@b.example,dc=b`},
		{"mail=#0403616263,dc=b"}, // hexadecimal BER names nothing here
		{"dc=b"}, {"dc=b,dc=b"}, {"cn=b"}, {"shoeSize=b"}, {"mail=a+cn=a,dc=b"}, {`mail=a\+cn=a,dc=b`},
		{"dc="},
	}
	seen := map[dnKey]string{}
	for _, names := range same {
		var keys []dnKey
		for _, n := range names {
			k, err := parseDN(n)
			if err != nil {
				t.Fatalf("%q: %v", n, err)
			}
			keys = append(keys, k)
			if k != keys[0] {
				t.Errorf("%q is %q, and %q is %q", n, k, names[0], keys[0])
			}
		}
		if other, taken := seen[keys[0]]; taken {
			t.Errorf("%q is the same as %q", names[0], other)
		}
		seen[keys[0]] = names[0]
	}
	for _, bad := range []string{"b", "=b", "dc=b,", "dc=b,,dc=c", "d c=b", "dc=\"b\"", "dc=b;dc=c", "dc=<b>", `dc=b\`, `dc=\4`, `dc=\zz`, "dc=b\x00", `dc=b\00`, `dc=b\01`, ",", "dc=b,x"} {
		if k, err := parseDN(bad); err == nil {
			t.Errorf("%q is %q", bad, k)
		}
	}
}

func TestUnder(t *testing.T) {
	key := func(s string) dnKey {
		k, err := parseDN(s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	var got []string
	for _, base := range []string{"", "dc=example", "dc=b,dc=example", "dc=xb,dc=example", "b,dc=example"[2:], "mail=a@b.example,dc=b,dc=example", "dc=a,dc=b,dc=example"} {
		if key("mail=a@b.example,dc=b,dc=example").under(key(base)) {
			got = append(got, base)
		}
	}
	want := []string{"", "dc=example", "dc=b,dc=example", "dc=example", "mail=a@b.example,dc=b,dc=example"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
