package store

import (
	"bytes"
	"math"
	"time"
)

// decodeMessage reads the record of a message. Opening a mailbox is reading as many of
// them as it has messages, so that those which are as putRecord writes them are read
// without encoding/json, at a tenth of its price. It has the last word on all others.
func decodeMessage(value []byte) (messageRecord, error) {
	m, ok := readMessage(value)
	if ok {
		return m, nil
	}
	return decodeRecord[messageRecord](bucketMessages, value)
}

// readMessage reads a record that has the fields in their order and nothing else. What it
// reads encoding/json reads as well, to the same message.
func readMessage(value []byte) (messageRecord, bool) {
	var m messageRecord
	r := recordReader{rest: value}
	r.token(`{"uid":`)
	m.UID = uint32(r.number(math.MaxUint32))
	r.token(`,"modseq":`)
	m.ModSeq = r.number(math.MaxUint64)
	r.token(`,"body":`)
	m.Body = BodyID(r.number(math.MaxUint64))
	r.token(`,"size":`)
	m.Size = int64(r.number(math.MaxInt64))
	r.token(`,"flags":`)
	m.Flags = r.flags()
	r.token(`,"received":`)
	m.Received = r.time()
	if r.has(`,"fetched":`) {
		m.Fetched = r.time()
	}
	r.token(`,"track":`)
	m.Track = TrackID(r.text())
	r.token(`,"born":`)
	m.Born = r.number(math.MaxUint64)
	r.token(`}`)
	return m, !r.odd && len(r.rest) == 0
}

// A recordReader reads JSON as encoding/json writes it. odd says that there was
// something else, of which nothing is known.
type recordReader struct {
	rest []byte
	odd  bool
}

// has takes a token, if it comes next.
func (r *recordReader) has(token string) bool {
	if len(r.rest) < len(token) || string(r.rest[:len(token)]) != token {
		return false
	}
	r.rest = r.rest[len(token):]
	return true
}

// token takes what must come next.
func (r *recordReader) token(token string) {
	if !r.has(token) {
		r.odd = true
	}
}

// number takes an integer of at most most, without a sign.
func (r *recordReader) number(most uint64) uint64 {
	var n uint64
	i := 0
	for ; i < len(r.rest) && '0' <= r.rest[i] && r.rest[i] <= '9'; i++ {
		digit := uint64(r.rest[i] - '0')
		if n > (most-digit)/10 {
			r.odd = true
			return 0
		}
		n = 10*n + digit
	}
	if i == 0 || i > 1 && r.rest[0] == '0' {
		r.odd = true
	}
	r.rest = r.rest[i:]
	return n
}

// quoted takes a string of ASCII without control characters, in which a backslash may
// stand at the beginning, and returns it with its quotes.
func (r *recordReader) quoted() []byte {
	i := 1
	if bytes.HasPrefix(r.rest, []byte(`"\\`)) {
		i = 3
	}
	for ; i < len(r.rest) && r.rest[i] != '"'; i++ {
		if c := r.rest[i]; c < ' ' || c > '~' || c == '\\' {
			r.odd = true
			return nil
		}
	}
	if i >= len(r.rest) || r.rest[0] != '"' {
		r.odd = true
		return nil
	}
	q := r.rest[:i+1]
	r.rest = r.rest[i+1:]
	return q
}

func (r *recordReader) text() string {
	q := r.quoted()
	if r.odd {
		return ""
	}
	if bytes.HasPrefix(q, []byte(`"\\`)) {
		return string(q[2 : len(q)-1])
	}
	return string(q[1 : len(q)-1])
}

// flags takes a list of strings.
func (r *recordReader) flags() []string {
	if r.has("null") {
		return nil
	}
	r.token("[")
	all := []string{}
	for more := !r.has("]"); more && !r.odd; more = !r.has("]") {
		if len(all) > 0 {
			r.token(",")
		}
		all = append(all, r.text())
	}
	return all
}

func (r *recordReader) time() (at time.Time) {
	err := at.UnmarshalJSON(r.quoted())
	if err != nil {
		r.odd = true
	}
	return at
}
