package smime

import (
	"bytes"
	"crypto"
	"hash"
	"slices"
	"strings"

	_ "crypto/sha1" // the hashes that a signature may use
	_ "crypto/sha256"
	_ "crypto/sha512"

	"postern/internal/cms"
	"postern/mime"
)

// micalg is the name of a hash in the parameter of multipart/signed
// (RFC 8551 §3.5.3.2).
func micalg(h crypto.Hash) string { return strings.ToLower(h.String()) }

// hinted returns the hashes that a micalg parameter names, in any spelling, and
// SHA-256 if it names none (AS-47). SHA-1 is one of them if it was asked for.
func hinted(param string, sha1 bool) []crypto.Hash {
	allowed := cms.Hashes()
	if sha1 {
		allowed = append(allowed, crypto.SHA1)
	}
	var named []crypto.Hash
	for name := range strings.SplitSeq(param, ",") {
		name = plainName(name)
		for _, h := range allowed {
			if name == plainName(h.String()) && !slices.Contains(named, h) {
				named = append(named, h)
			}
		}
	}
	if named == nil {
		return []crypto.Hash{crypto.SHA256}
	}
	return named
}

func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '"' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// keepPlain is how much plaintext may stay in memory until it is verified, in
// octets. Longer content is decrypted once more when it is wanted.
const keepPlain = 2 << 20

// keepHead is how much of the signed part stays in memory for a look at its
// header, in octets.
const keepHead = 4 << 10

// A digester digests the signed part as it came and, from the first bare line
// end on, in canonical form as well (CP-2): until there both are the same.
type digester struct {
	raw   map[crypto.Hash]hash.Hash
	canon map[crypto.Hash]hash.Hash // nil as long as all line ends are CRLF
	crlf  *mime.CRLFWriter          // into canon
	cr    bool                      // the last octet was a CR
	head  []byte                    // the first keepHead octets of the part
	plain []byte                    // the part, as long as it is short and keep
	keep  int                       // room for plain; 0 keeps nothing
}

func newDigester(hashes []crypto.Hash, keep int) *digester {
	d := &digester{raw: map[crypto.Hash]hash.Hash{}, keep: keep}
	for _, h := range hashes {
		d.raw[h] = h.New()
	}
	return d
}

// Write implements io.Writer. It never fails.
func (d *digester) Write(p []byte) (int, error) {
	d.hold(p)
	if len(p) == 0 || len(d.raw) == 0 {
		return len(p), nil
	}
	rest := p
	if d.canon == nil {
		at := mime.BareBreak(p, d.cr)
		if at < 0 {
			at = len(p)
		}
		writeAll(d.raw, p[:at])
		if at > 0 {
			d.cr = p[at-1] == '\r'
		}
		rest = p[at:]
		if len(rest) == 0 {
			return len(p), nil
		}
		d.fork()
	}
	writeAll(d.raw, rest)
	d.crlf.Write(rest) // into hashes: cannot fail
	return len(p), nil
}

// fork begins the digests of the canonical form with what has been the same.
func (d *digester) fork() {
	d.canon = map[crypto.Hash]hash.Hash{}
	for h, state := range d.raw {
		cloner, ok := state.(hash.Cloner)
		if !ok {
			continue // the module of crypto cannot: no second try then
		}
		clone, err := cloner.Clone()
		if err == nil {
			d.canon[h] = clone
		}
	}
	d.crlf = mime.NewCRLFWriter(hashSet(d.canon))
	if d.cr {
		// The CR is digested already; its LF is what the canonical form adds.
		writeAll(d.canon, []byte("\n"))
	}
}

// holdsHeader reports whether the whole header of the part is in head.
func (d *digester) holdsHeader() bool {
	return len(d.head) < keepHead || bytes.HasPrefix(d.head, []byte("\n")) || bytes.HasPrefix(d.head, []byte("\r\n")) ||
		bytes.Contains(d.head, []byte("\n\r\n")) || bytes.Contains(d.head, []byte("\n\n"))
}

func (d *digester) hold(p []byte) {
	d.head = append(d.head, p[:min(len(p), keepHead-len(d.head))]...)
	if d.keep == 0 {
		return
	}
	if len(d.plain)+len(p) > d.keep {
		d.keep, d.plain = 0, nil
		return
	}
	if d.plain == nil {
		d.plain = make([]byte, 0, d.keep)
	}
	d.plain = append(d.plain, p...)
}

// end completes a CR at the very end.
func (d *digester) end() {
	if d.canon == nil && d.cr {
		d.fork()
	}
	if d.canon != nil {
		d.crlf.Close() // into hashes: cannot fail
	}
}

// A hashSet is written to as one.
type hashSet map[crypto.Hash]hash.Hash

// Write implements io.Writer. It never fails.
func (s hashSet) Write(p []byte) (int, error) {
	writeAll(s, p)
	return len(p), nil
}

func writeAll(s map[crypto.Hash]hash.Hash, p []byte) {
	for _, h := range s {
		h.Write(p)
	}
}

// sums returns the digests as internal/cms asks for them.
func (s hashSet) sums(h crypto.Hash) []byte {
	state, ok := s[h]
	if !ok {
		return nil
	}
	return state.Sum(nil)
}
