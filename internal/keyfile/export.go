package keyfile

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"software.sslmate.com/src/go-pkcs12"
)

// exportRounds makes each guess of a passphrase cost some tenths of a second.
const exportRounds = 600_000

// ErrExportPassphrase is the error of WritePKCS12 for a passphrase that no file
// can have.
var ErrExportPassphrase = errors.New("the passphrase is empty, too long, or has characters that PKCS #12 has none for")

// WritePKCS12 writes a pair with its chain as PKCS #12: by AES-256, PBKDF2 and
// HMAC with SHA-256, or, if legacy is set, by 3DES and SHA-1 for programs that
// know nothing better. It refuses an empty passphrase.
func WritePKCS12(p *Pair, passphrase []byte, legacy bool) ([]byte, error) {
	return writePKCS12(p, passphrase, legacy, exportRounds)
}

// writePKCS12 takes the rounds of the modern form.
func writePKCS12(p *Pair, passphrase []byte, legacy bool, rounds int) ([]byte, error) {
	if len(passphrase) == 0 || len(passphrase) > maxPassphrase || !utf8.Valid(passphrase) {
		return nil, ErrExportPassphrase
	}
	for _, r := range string(passphrase) {
		if utf16.RuneLen(r) != 1 { // RFC 7292 appendix B.1
			return nil, ErrExportPassphrase
		}
	}
	encoder := pkcs12.Modern2023.WithIterations(rounds)
	if legacy {
		encoder = pkcs12.LegacyDES.WithIterations(legacyRounds).WithRand(legacySalts{string(passphrase)})
	}
	file, err := encoder.Encode(p.Key, p.Certificate, p.Chain, string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("writing PKCS #12: %w", err)
	}
	return file, nil
}
