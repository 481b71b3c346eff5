package smime

import (
	"bufio"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"postern/internal/cms"
	"postern/mime"
)

var (
	// ErrNotEncrypted says that a message is not encrypted S/MIME.
	ErrNotEncrypted = errors.New("smime: the message is not encrypted")

	// ErrNotSigned says that a message was decrypted and is not signed inside.
	ErrNotSigned = errors.New("smime: the message is encrypted but not signed")

	// ErrSignature says that there is a signature that cannot be read. It wraps
	// what package cms said about it.
	ErrSignature = errors.New("smime: the signature cannot be read")

	// ErrNested says that the signed entity is itself S/MIME again, so-called
	// triple wrapping (AS-59). It wraps cms.ErrUnsupported.
	ErrNested = fmt.Errorf("smime: %w: the signed entity is S/MIME again", cms.ErrUnsupported)

	// ErrNotVerified is Content's answer when no signature is good.
	ErrNotVerified = errors.New("smime: no signature of the message is good")

	// ErrChanged says that a message was not the same when it was read again.
	ErrChanged = errors.New("smime: the message changed between two readings")
)

// DefaultSize is how large a message Open takes when Limits do not say.
const DefaultSize = 128 << 20

// Limits bound what Open takes from hostile input. Zero fields mean the
// defaults.
type Limits struct {
	Size int64 // octets of the whole encrypted message; DefaultSize
	MIME mime.Limits
	CMS  cms.Limits
}

// Options say what Open takes. The zero value is right for all but old senders.
type Options struct {
	Limits Limits
	// SHA1 takes signatures that rest on SHA-1 (AS-31: profile 1.2).
	SHA1 bool
}

func (o Options) signed() cms.SignedOptions {
	return cms.SignedOptions{Limits: o.Limits.CMS, SHA1: o.SHA1}
}

// Opened is a message that was decrypted and whose signatures were checked.
type Opened struct {
	Header       *mime.Header // of the outer message
	Enveloped    cms.EnvelopedInfo
	Signatures   []cms.SignerResult  // all of them; those with Err == nil are good
	Certificates []*x509.Certificate // all that the signed message carries

	content func() (io.Reader, error)
}

// Forget gives up the content, of which a short one is held in memory: Content
// fails from now on.
func (o *Opened) Forget() { o.content = nil }

// Content returns the signed MIME entity, header and body, byte for byte as it
// was signed. It fails with ErrNotVerified unless a signature is good. A large
// message is decrypted again while it is read, under the context given to Open
// and without another use of the private key; until io.EOF nothing of it may be
// relied on, since an error at the end says that it is not what was verified.
func (o *Opened) Content() (io.Reader, error) {
	if o.content == nil {
		return nil, ErrNotVerified
	}
	return o.content()
}

// Open decrypts message, an RFC 5322 message whose body is S/MIME, with one of
// keys and checks its signatures. No plaintext is held but that of a short
// message, and none is given out before a signature verified.
//
// A message that is not encrypted is an error wrapping ErrNotEncrypted. What
// goes wrong between the key and the signature is cms.ErrUndecryptable, with one
// text for a wrong key, wrong padding and garbage inside, for plaintext that
// nobody signed must not tell about itself. A readable entity inside that is
// not signed is ErrNotSigned, a SignedData that cannot be read ErrSignature. Bad
// signatures are no error of Open: they are in Opened.Signatures. Compressed
// data, wherever it is, is cms.ErrCompressed; nothing is ever inflated. A signed
// entity that is S/MIME again is ErrNested.
func Open(ctx context.Context, message Source, keys []cms.RecipientKey, options Options) (*Opened, error) {
	most := options.Limits.Size
	if most <= 0 {
		most = DefaultSize
	}
	if message.Size() > most {
		return nil, fmt.Errorf("opening a message: %w: %d octets", cms.ErrLimit, message.Size())
	}
	m := &opener{ctx: ctx, message: message, options: options}
	o, err := m.open(keys)
	if err != nil {
		if errors.Is(err, cms.ErrUndecryptable) {
			return nil, cms.ErrUndecryptable
		}
		return nil, fmt.Errorf("opening a message: %w", err)
	}
	return o, nil
}

// An opener reads one message, more than once.
type opener struct {
	ctx     context.Context
	message Source
	options Options
	first   *cms.EnvelopedReader
}

func (m *opener) open(keys []cms.RecipientKey) (*Opened, error) {
	src, err := openSource(m.ctx, m.message)
	if err != nil {
		return nil, err
	}
	h, body, err := m.outer(src)
	if err != nil {
		return nil, firstOf(src.err, err)
	}
	m.first, err = cms.OpenEnveloped(body, keys, m.options.Limits.CMS)
	if err != nil {
		if errors.Is(err, cms.ErrUnsupported) && !errors.Is(err, cms.ErrCompressed) && m.holdsSigned() {
			err = ErrNotEncrypted
		}
		return nil, firstOf(src.err, err)
	}
	v, err := m.judge(m.first)
	err = m.settle(src, m.first, err)
	if err != nil {
		return nil, err
	}
	err = m.verify(v)
	if err != nil {
		return nil, err
	}
	o := &Opened{
		Header:       h,
		Enveloped:    m.first.Info(),
		Signatures:   v.results,
		Certificates: v.signed.Certificates,
	}
	good := slices.IndexFunc(v.results, func(r cms.SignerResult) bool { return r.Err == nil })
	if good >= 0 {
		o.content = func() (io.Reader, error) { return m.content(v, v.results[good].Hash) }
		err = m.refuseLayers(v, o.content)
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

// firstOf returns what went wrong with the source, or else with the message.
func firstOf(source, message error) error {
	if source != nil {
		return fmt.Errorf("reading the message: %w", source)
	}
	return message
}

// outer reads up to the CMS of the outer message.
func (m *opener) outer(r io.Reader) (*mime.Header, io.Reader, error) {
	br := bufio.NewReader(r)
	h, err := mime.ReadHeader(br, m.options.Limits.MIME)
	if err != nil {
		return nil, nil, err
	}
	err = encrypted(h)
	if err != nil {
		return nil, nil, err
	}
	body, err := mime.DecodeTransfer(h, br)
	if err != nil {
		return nil, nil, err
	}
	return h, body, nil
}

// IsEncrypted reports whether a header announces an envelope.
func IsEncrypted(h *mime.Header) bool { return encrypted(h) == nil }

// encrypted returns nil if a header announces an envelope: by smime-type, or
// without one, or by the name of a file (RFC 8551 §3.2.1, §3.9, CP-4).
func encrypted(h *mime.Header) error {
	t, err := h.ContentType()
	if err != nil {
		return ErrNotEncrypted
	}
	switch {
	case isPKCS7(t):
		switch strings.ToLower(t.Params["smime-type"]) {
		case "", "enveloped-data", "authenveloped-data":
			return nil
		case compressedType:
			return cms.ErrCompressed
		}
	case t.Is("application/octet-stream") && strings.HasSuffix(strings.ToLower(h.FileName()), ".p7m"):
		return nil
	}
	return ErrNotEncrypted
}

// holdsSigned reports whether a message without smime-type is signed-data.
func (m *opener) holdsSigned() bool {
	src, err := openSource(m.ctx, m.message)
	if err != nil {
		return false
	}
	_, body, err := m.outer(src)
	if err != nil {
		return false
	}
	_, err = cms.OpenSigned(body, m.options.signed())
	return err == nil
}

// again decrypts from the start, with the content key already known.
func (m *opener) again() (*sourceReader, *cms.EnvelopedReader, error) {
	src, err := openSource(m.ctx, m.message)
	if err != nil {
		return nil, nil, err
	}
	_, body, err := m.outer(src)
	if err != nil {
		return nil, nil, firstOf(src.err, err)
	}
	plain, err := m.first.Reopen(body)
	if err != nil {
		return nil, nil, firstOf(src.err, err)
	}
	return src, plain, nil
}

// settle decides what an attempt to read the plaintext came to. The ciphertext
// is read to its end in any case, so that padding is judged before anything
// inside is, and neither error nor time depends on where garbage stopped
// looking like MIME.
func (m *opener) settle(src *sourceReader, plain *cms.EnvelopedReader, inside error) error {
	if inside != nil {
		m.asIfSigned(plain)
	}
	_, err := copyAll(io.Discard, plain)
	switch {
	case src.err != nil:
		return fmt.Errorf("reading the message: %w", src.err)
	case err != nil:
		return err
	case inside == nil, errors.Is(inside, ErrNotSigned), errors.Is(inside, ErrSignature), errors.Is(inside, cms.ErrCompressed):
		return inside
	}
	return cms.ErrUndecryptable
}

// asIfSigned does to what is left of the plaintext what is done to a signed
// part, so that garbage takes as long as a message.
func (m *opener) asIfSigned(plain io.Reader) {
	boundary := newBoundary()
	part := io.MultiReader(strings.NewReader("--"+boundary+"\r\n"), plain)
	d := io.MultiWriter(sha256.New(), newDigester(nil, m.room()))
	_, _ = mime.SplitSigned(part, boundary, d) // it fails: there is no end to the part
}

// verify checks the signatures. A hash that the micalg parameter did not
// announce costs another reading.
func (m *opener) verify(v *verdict) error {
	if v.opaque != nil {
		v.results = v.signed.Verify(v.opaque.Digest)
		return nil
	}
	missing := slices.ContainsFunc(v.signed.DigestAlgorithms, func(h crypto.Hash) bool { return v.digest.raw[h] == nil })
	if missing {
		err := m.digestAgain(v)
		if err != nil {
			return err
		}
	}
	v.results = v.signed.Verify(hashSet(v.digest.raw).sums)
	if v.digest.canon == nil || anyGood(v.results) {
		return nil
	}
	results := v.signed.Verify(hashSet(v.digest.canon).sums) // CP-2
	if anyGood(results) {
		v.results, v.canonical = results, true
	}
	return nil
}

func anyGood(results []cms.SignerResult) bool {
	return slices.ContainsFunc(results, func(r cms.SignerResult) bool { return r.Err == nil })
}

// digestAgain reads the signed part once more for all hashes that its
// signatures use.
func (m *opener) digestAgain(v *verdict) error {
	src, plain, err := m.again()
	if err != nil {
		return err
	}
	part, err := signedPart(plain, m.options.Limits)
	if err != nil {
		return m.settle(src, plain, err)
	}
	d := newDigester(v.signed.DigestAlgorithms, v.digest.keep)
	_, err = copyAll(d, part)
	if err != nil {
		return m.settle(src, plain, err)
	}
	d.end()
	v.digest = d
	return nil
}
