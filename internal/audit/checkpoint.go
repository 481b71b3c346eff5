package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// CheckpointEvery is how many records there are between two checkpoints at most.
const CheckpointEvery = 1000

// CheckpointAge is how long the last record is without a checkpoint at most,
// while the gateway serves.
const CheckpointAge = time.Hour

// A Mark is what a Checkpoint is for.
type Mark string

// Marks. A base stands in for the records before it, which were pruned for their
// age.
const (
	Point Mark = "checkpoint"
	Base  Mark = "base"
)

// A Checkpoint is our signature under the trail up to one entry. Its form is one
// line of text, so that it can stand in a log, be kept elsewhere and be verified
// with other tools:
//
//	postern-audit-checkpoint-1 NUMBER HASH AFTER TIME KEYID SIGNATURE
//
// What is signed (Ed25519, RFC 8032) is the line up to the blank before the
// signature, which is in hexadecimal like the hash.
type Checkpoint struct {
	Mark      Mark
	Number    uint64 // of the last entry that it covers
	Hash      Hash   // of that entry
	After     uint64 // number of the checkpoint before; 0 for the first, and in a base
	At        time.Time
	KeyID     string // see KeyID
	Signature []byte
}

// KeyID names a signing key: the first 16 octets of the SHA-256 of its
// SubjectPublicKeyInfo, in hexadecimal.
func KeyID(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil { // only for keys that are none
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:16])
}

// Sign completes a checkpoint, whose time is cut to seconds.
func (c Checkpoint) Sign(key ed25519.PrivateKey) Checkpoint {
	c.At = c.At.UTC().Truncate(time.Second)
	c.KeyID = KeyID(key.Public().(ed25519.PublicKey))
	c.Signature = ed25519.Sign(key, c.Signed())
	return c
}

// Signed returns the octets that the signature is over.
func (c Checkpoint) Signed() []byte {
	return fmt.Appendf(nil, "postern-audit-%s-1 %d %s %d %s %s", c.Mark, c.Number, c.Hash, c.After, c.At.UTC().Format(time.RFC3339), c.KeyID)
}

// String writes the line.
func (c Checkpoint) String() string {
	return string(c.Signed()) + " " + hex.EncodeToString(c.Signature)
}

// Verify reports whether a checkpoint is signed by a key.
func (c Checkpoint) Verify(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && c.KeyID == KeyID(key) && ed25519.Verify(key, c.Signed(), c.Signature)
}

// checkpointForm finds a checkpoint in a line of a log.
const checkpointForm = `postern-audit-(checkpoint|base)-1 (\d{1,20}) ([0-9a-f]{64}) (\d{1,20}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([0-9a-f]{32}) ([0-9a-f]{128})`

// maxLine bounds what is looked at for a checkpoint.
const maxLine = 64 << 10

var errNoCheckpoint = errors.New("not a checkpoint line")

// A checkpointReader finds checkpoints in text.
type checkpointReader struct{ form *regexp.Regexp }

func newCheckpointReader() checkpointReader {
	return checkpointReader{regexp.MustCompile(checkpointForm)}
}

// find returns the checkpoint in a line and the text that it stands in.
func (r checkpointReader) find(line []byte) (c Checkpoint, text string, err error) {
	if len(line) > maxLine {
		return c, "", errNoCheckpoint
	}
	m := r.form.FindSubmatch(line)
	if m == nil {
		return c, "", errNoCheckpoint
	}
	c.Mark, c.KeyID = Mark(m[1]), string(m[6])
	var errs [5]error
	c.Number, errs[0] = strconv.ParseUint(string(m[2]), 10, 64)
	errs[1] = c.Hash.UnmarshalText(m[3])
	c.After, errs[2] = strconv.ParseUint(string(m[4]), 10, 64)
	c.At, errs[3] = time.Parse(time.RFC3339, string(m[5]))
	c.Signature, errs[4] = hex.DecodeString(string(m[7]))
	err = errors.Join(errs[:]...)
	if err != nil {
		return c, "", fmt.Errorf("%w: %w", errNoCheckpoint, err)
	}
	return c, string(m[0]), nil
}

// parse reads a line that is a checkpoint and nothing else, in the one form that
// String writes.
func (r checkpointReader) parse(line []byte) (Checkpoint, error) {
	c, text, err := r.find(line)
	if err == nil && (text != string(line) || c.String() != text) {
		err = errNoCheckpoint
	}
	return c, err
}

// ParseCheckpoints reads lines that Checkpoint.String wrote.
func ParseCheckpoints(lines []string) ([]Checkpoint, error) {
	reader := newCheckpointReader()
	all := make([]Checkpoint, len(lines))
	for i, line := range lines {
		c, err := reader.parse([]byte(line))
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

// ParseCheckpoint reads what Checkpoint.String wrote.
func ParseCheckpoint(line []byte) (Checkpoint, error) { return newCheckpointReader().parse(line) }
