package interop

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/sta"
)

// A sealer makes what a far agent would send: thousands of messages, and some
// that no honest agent lets pass.
type sealer struct {
	from *testnet.Identity
	to   []*x509.Certificate
}

// seal signs a message and encrypts it for a recipient.
func (s sealer) seal(t testing.TB, message, to string) string {
	t.Helper()
	header, err := mime.ReadHeader(bufio.NewReader(strings.NewReader(message)), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	source := smime.SectionSource(strings.NewReader(message), int64(len(message)))
	signed, err := sta.Sign(t.Context(), source, header, []cms.Signer{{Certificate: s.from.Cert, Key: s.from.Key}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	err = signed.Seal(&sealed, []mime.Address{address(t, to)}, s.to, cms.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return sealed.String()
}
