package cms

import (
	"errors"
	"fmt"
)

// The kinds of failure. Every error of this package wraps one of them, or is
// an error of the reader or writer it was given.
var (
	// ErrMalformed says that the input is not BER, or not the structure that
	// the content type promises, or goes on after its end.
	ErrMalformed = errors.New("cms: malformed message")

	// ErrLimit says that the input is deeper, longer or more numerous in its
	// parts than the Limits allow.
	ErrLimit = errors.New("cms: message exceeds a limit")

	// ErrUnsupported says that the input needs a content type, an algorithm or
	// algorithm parameters that this package does not do. It fails closed.
	ErrUnsupported = errors.New("cms: not supported")

	// ErrWeakAlgorithm says that an algorithm or a key is known and refused
	// because it is too weak: MD5, SHA-224 and, unless asked for, SHA-1 (AS-31);
	// RSA below 1024 bits, or below 2048 when sending (AS-34).
	ErrWeakAlgorithm = errors.New("cms: weak algorithm refused")

	// ErrCompressed says that there is CompressedData (RFC 3274) where Direct
	// messages have none (AS-59). It is not inflated. It wraps ErrUnsupported.
	ErrCompressed = fmt.Errorf("%w: the content is compressed", ErrUnsupported)

	// ErrNoRecipient says that no RecipientInfo names one of the keys given.
	// It depends on public parts of the message alone.
	ErrNoRecipient = errors.New("cms: no recipient of the message is known here")

	// ErrUndecryptable is the one answer to every failure after a RecipientInfo
	// has been found: wrong key, damaged key, damaged padding or authentication
	// tag, cut ciphertext.
	// It is never wrapped, so that its text is the same for all of them.
	ErrUndecryptable = errors.New("cms: the message cannot be decrypted")

	// ErrNoSignature says that a SignedData has no SignerInfo.
	ErrNoSignature = errors.New("cms: the message is not signed")

	// ErrBadSignature says that a signature, or one of the signed attributes it
	// must cover, does not agree with the content.
	ErrBadSignature = errors.New("cms: bad signature")

	// ErrNoCertificate says that the certificate of a signer is neither in the
	// message nor among those that the caller knows.
	ErrNoCertificate = errors.New("cms: the certificate of the signer is missing")
)
