package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/dsn"
	"postern/mime/mdn"
	"postern/sta"
)

func bufioReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// equal fails unless got is want.
func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(mime.Address{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// noCanary fails if a text that goes out shows what is in the message.
func noCanary(t testing.TB, what, text string) {
	t.Helper()
	if strings.Contains(text, "CANARY") || strings.Contains(strings.ToLower(text), "subject:") {
		t.Errorf("%s shows what is in the message:\n%s", what, text)
	}
}

// opened decrypts a sealed message with the keys of an identity and returns the
// message inside.
func opened(t testing.TB, raw []byte, id *testnet.Identity) string {
	t.Helper()
	keys := []cms.RecipientKey{{Certificate: id.Cert, Decrypter: decrypter(t, id)}}
	o, err := sta.Open(context.Background(), sta.Incoming{Message: source(raw), Keys: keys, At: id.Cert.NotBefore.AddDate(0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if o.Header == nil {
		t.Fatalf("the message does not open: %+v", o.Verdicts)
	}
	r, err := o.Message(mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func source(raw []byte) smime.Source {
	return smime.SectionSource(bytes.NewReader(raw), int64(len(raw)))
}

func parseMDN(t testing.TB, raw string) *mdn.Notification {
	t.Helper()
	n, err := mdn.Parse(strings.NewReader(raw), mime.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	return n
}

func parseDSN(t testing.TB, raw string) *dsn.Notification {
	t.Helper()
	n, err := dsn.Parse(strings.NewReader(raw), mime.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	return n
}

func decrypter(t testing.TB, id *testnet.Identity) crypto.Decrypter {
	t.Helper()
	d, ok := id.Key.(crypto.Decrypter)
	if !ok {
		t.Fatalf("%T cannot decrypt", id.Key)
	}
	return d
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
