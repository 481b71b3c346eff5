package tlscert

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// A Binding binds an account to one that the authority knows already (RFC 8555 §7.3.4).
type Binding struct {
	KeyID string
	Key   []byte
}

// ErrBinding says that the key of a Binding cannot be used.
var ErrBinding = errors.New("the key of the external account binding cannot be used")

// maxBinding bounds the file of a key, in octets.
const maxBinding = 4 << 10

// ReadBinding reads the key of a Binding from a file that holds it in base64url.
func ReadBinding(keyID, file string) (*Binding, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBinding, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBinding))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBinding, err)
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(string(text)), "="))
	if err != nil || len(key) == 0 { // what is wrong would show the key
		return nil, fmt.Errorf("%w: %s has no key in base64url", ErrBinding, file)
	}
	return &Binding{KeyID: keyID, Key: key}, nil
}
