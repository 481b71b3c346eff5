package login

import (
	"regexp"
	"strings"
	"testing"
)

func TestAppPasswords(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		id, secret := NewAppPassword()
		if !regexp.MustCompile(`^pap(-[0-9a-hjkmnp-tv-z]{4}){8}$`).MatchString(secret) || seen[secret] {
			t.Fatalf("%q is none", secret)
		}
		seen[secret] = true
		want, sum, ok := AppPassword(secret)
		if !ok || want != id || len(id) != idDigits {
			t.Fatalf("%q has id %q, not %q", secret, want, id)
		}
		for _, typed := range []string{strings.ToUpper(secret), strings.ReplaceAll(secret, "-", ""), strings.ReplaceAll(secret, "-", " "), " " + secret + " "} {
			_, other, ok := AppPassword(typed)
			if !ok || other != sum {
				t.Errorf("%q is another than %q", typed, secret)
			}
		}
	}
}

func TestTokens(t *testing.T) {
	id, secret := NewToken()
	if !regexp.MustCompile(`^pst_[0-9a-hjkmnp-tv-z]{6}_[0-9a-hjkmnp-tv-z]{32}$`).MatchString(secret) {
		t.Fatalf("%q is none", secret)
	}
	found, sum, ok := TokenSum(secret)
	another := secret[:len(secret)-1] + "0"
	if another == secret {
		another = secret[:len(secret)-1] + "1"
	}
	_, other, _ := TokenSum(another)
	if !ok || found != id || other == sum {
		t.Errorf("%q is %q, %v", secret, found, ok)
	}
}

func TestWhatHasNotTheForm(t *testing.T) {
	for _, text := range []string{
		"", "pap", "pap-", "correct horse battery", "pap-0000-0000-0000-0000-0000-0000-0000-000", "pap-0000-0000-0000-0000-0000-0000-0000-00000",
		"pap-0000-0000-0000-0000-0000-0000-0000-000u", "pst_000000_0000000000000000000000000000000", "pst_00000_00000000000000000000000000000000",
		"pst_000000-00000000000000000000000000000000", "PST_000000_00000000000000000000000000000000", strings.Repeat("-", 1000) + "pap",
	} {
		_, _, isPassword := AppPassword(text)
		_, _, isToken := TokenSum(text)
		if isPassword || isToken {
			t.Errorf("%.60q is taken for a secret", text)
		}
	}
}

func FuzzSecret(f *testing.F) {
	_, password := NewAppPassword()
	_, token := NewToken()
	f.Add(password)
	f.Add(token)
	f.Add("pap 0000 0000 0000 0000 0000 0000 0000 0000")
	f.Fuzz(func(t *testing.T, text string) {
		id, sum, ok := AppPassword(text)
		if ok {
			again, same, _ := AppPassword(strings.ToUpper(text))
			if again != id || same != sum || !ofDigits(id) {
				t.Errorf("%q and its upper case differ", text)
			}
		}
		id, _, ok = TokenSum(text)
		if ok && !ofDigits(id) {
			t.Errorf("%q has the id %q", text, id)
		}
	})
}
