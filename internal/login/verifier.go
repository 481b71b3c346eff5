package login

import (
	"fmt"

	"github.com/xdg-go/scram"
)

// Iterations of new verifiers: as many of PBKDF2-HMAC-SHA-256 as clients do at each
// login. Cyrus SASL, by which mbsync and others log in, refuses more, and then
// tries no other mechanism. What is kept is sealed besides.
const Iterations = 65_536

// SaltLength is that of salts in octets.
const SaltLength = 16

// MaxCredentials is how many secrets a user should have at most; the work of a login by
// SCRAM is for that many.
const MaxCredentials = 16

// Verifiers are by what a user may prove who it is. Salt and Iterations are told to
// whoever asks, and are the same for all of the user's secrets: the server learns
// only from the proof which of them the client has.
type Verifiers struct {
	Salt        []byte
	Iterations  int
	Credentials []Credential
}

// A Credential is one secret of a user, as a server knows it (RFC 5802 §3).
type Credential struct {
	Mark                 string // the backend's own, for Attempt.Proved; never ""
	StoredKey, ServerKey []byte
}

// KeysOf derives from a secret what a server keeps of it. It takes as long as
// Iterations say: tens of milliseconds.
func KeysOf(secret string, salt []byte, iterations int) (storedKey, serverKey []byte, err error) {
	client, err := scram.SHA256.NewClient("", secret, "") // prepares the secret (RFC 5802 §2.2)
	if err != nil {
		client, err = scram.SHA256.NewClientUnprepped("", secret, "")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the keys of a secret: %w", err)
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the keys of a secret: %w", err)
	}
	return keys.StoredKey, keys.ServerKey, nil
}
