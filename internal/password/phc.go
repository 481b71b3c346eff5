package password

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds of what a stored hash can ask for. They take what RFC 9106 §4 and
// OWASP recommend for servers, and keep a forged hash from taking the machine.
const (
	maxPHC    = 256     // bytes of the whole string
	maxMemory = 1 << 18 // KiB: 256 MiB
	maxPasses = 16
	maxLanes  = 16
	maxWork   = 1 << 20 // memory in KiB times passes
	minSalt   = 8       // bytes, RFC 9106 §3.1
	maxSalt   = 64
	minHash   = 16
	maxHash   = 64
)

// encoding is PHC's: standard alphabet, no padding, no bits left over.
var encoding = base64.RawStdEncoding.Strict()

// A phc is a parsed hash: $argon2id$v=19$m=MEMORY,t=PASSES,p=LANES$SALT$HASH
type phc struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
	salt   []byte
	hash   []byte
}

// String writes what parsePHC reads.
func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.passes, h.lanes, encoding.EncodeToString(h.salt), encoding.EncodeToString(h.hash))
}

// parsePHC reads the one form that String writes; each value in one notation.
// Its errors name the part and never its content.
func parsePHC(s string) (phc, error) {
	if len(s) > maxPHC {
		return phc{}, fmt.Errorf("%w (too long)", ErrHash)
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" {
		return phc{}, fmt.Errorf("%w (not six parts)", ErrHash)
	}
	if parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, fmt.Errorf("%w (not argon2id of version %d)", ErrHash, argon2.Version)
	}
	h, err := parseParameters(parts[3])
	if err != nil {
		return phc{}, err
	}
	h.salt, err = parseBytes("salt", parts[4], minSalt, maxSalt)
	if err != nil {
		return phc{}, err
	}
	h.hash, err = parseBytes("hash", parts[5], minHash, maxHash)
	if err != nil {
		return phc{}, err
	}
	return h, nil
}

func parseParameters(s string) (phc, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return phc{}, fmt.Errorf("%w (not three parameters)", ErrHash)
	}
	var values [3]uint32
	for i, p := range []struct {
		name string
		max  uint64
	}{{"m=", maxMemory}, {"t=", maxPasses}, {"p=", maxLanes}} {
		digits, ok := strings.CutPrefix(fields[i], p.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || n == 0 || n > p.max || strconv.FormatUint(n, 10) != digits {
			return phc{}, fmt.Errorf("%w (parameter %s out of bounds)", ErrHash, p.name[:1])
		}
		values[i] = uint32(n)
	}
	h := phc{memory: values[0], passes: values[1], lanes: uint8(values[2])}
	if h.memory < 8*uint32(h.lanes) { // RFC 9106 §3.1
		return phc{}, fmt.Errorf("%w (too little memory for its lanes)", ErrHash)
	}
	if uint64(h.memory)*uint64(h.passes) > maxWork {
		return phc{}, fmt.Errorf("%w (more work than is ever needed)", ErrHash)
	}
	return h, nil
}

func parseBytes(what, s string, low, high int) ([]byte, error) {
	raw, err := encoding.DecodeString(s)
	if err != nil || len(raw) < low || len(raw) > high || encoding.EncodeToString(raw) != s {
		return nil, fmt.Errorf("%w (bad %s)", ErrHash, what)
	}
	return raw, nil
}
