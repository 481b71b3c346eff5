package login

import (
	"crypto/sha256"
	"strings"
)

// Forms of secrets that we make. Each begins with a word that scanners for secrets can
// look for, and has the id of its access in it, so that it is found without a try at
// each:
//
//	pap-iiii-iiss-ssss-ssss-ssss-ssss-ssss-ssss    an app password
//	pst_iiiiii_ssssssssssssssssssssssssssssssss    a token
//
// The digits are of base 32, without letters that look like others. The secret part
// has 130 bits, of a token 160: no number of guesses is of use, and one SHA-256 is all
// that checking takes.
const (
	appPasswordPrefix = "pap"
	tokenPrefix       = "pst_"

	digits = "0123456789abcdefghjkmnpqrstvwxyz"

	idDigits          = 6
	appPasswordDigits = 26
	tokenDigits       = 32
)

// NewAppPassword makes an app password with a new id.
func NewAppPassword() (id, secret string) {
	id = someDigits(idDigits)
	all := id + someDigits(appPasswordDigits)
	var b strings.Builder
	b.WriteString(appPasswordPrefix)
	for ; all != ""; all = all[4:] {
		b.WriteString("-" + all[:4])
	}
	return id, b.String()
}

// NewToken makes a token with a new id.
func NewToken() (id, secret string) {
	id = someDigits(idDigits)
	return id, tokenPrefix + id + "_" + someDigits(tokenDigits)
}

// NewID makes an id for an access without a secret of ours.
func NewID() string { return someDigits(idDigits) }

func someDigits(n int) string {
	b := random(n)
	for i := range b {
		b[i] = digits[b[i]%32]
	}
	return string(b)
}

// AppPassword reads what has the form of an app password, typed with or without its
// hyphens and in any case. sum is what is kept of it. Nobody's own password may have
// that form.
func AppPassword(typed string) (id string, sum [sha256.Size]byte, ok bool) {
	if len(typed) > 2*len("pap-0000-0000-0000-0000-0000-0000-0000-0000") {
		return "", sum, false
	}
	plain := strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(typed))
	secret, found := strings.CutPrefix(plain, appPasswordPrefix)
	if !found || len(secret) != idDigits+appPasswordDigits || !ofDigits(secret) {
		return "", sum, false
	}
	return secret[:idDigits], sha256.Sum256([]byte(plain)), true
}

// TokenSum reads what has the form of a token.
func TokenSum(given string) (id string, sum [sha256.Size]byte, ok bool) {
	rest, found := strings.CutPrefix(given, tokenPrefix)
	id, secret, parted := strings.Cut(rest, "_")
	if !found || !parted || len(id) != idDigits || len(secret) != tokenDigits || !ofDigits(id) || !ofDigits(secret) {
		return "", sum, false
	}
	return id, sha256.Sum256([]byte(given)), true
}

func ofDigits(s string) bool {
	for i := range len(s) {
		if strings.IndexByte(digits, s[i]) < 0 {
			return false
		}
	}
	return true
}
