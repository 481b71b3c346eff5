package kit

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// folder is where the vectors are; the README there says what each field means.
const folder = "../../testdata/cms"

type manifest struct {
	Version int      `json:"version"`
	Vectors []vector `json:"vectors"`
}

type vector struct {
	ID          string            `json:"id"`
	File        string            `json:"file"`
	Shows       string            `json:"shows"`
	Maker       string            `json:"maker"`
	Rows        []string          `json:"rows"`
	Profile     string            `json:"profile"`
	Envelope    *envelope         `json:"envelope"`
	Recipients  []string          `json:"recipients"`
	Keys        []keyPair         `json:"keys"`
	Anchors     []string          `json:"anchors"`
	Time        time.Time         `json:"time"`
	Policy      policy            `json:"policy"`
	Network     map[string]string `json:"network"`
	Verdict     string            `json:"verdict"`
	Reason      string            `json:"reason"`
	InnerSHA256 string            `json:"inner_sha256"`
}

type envelope struct {
	MailFrom string   `json:"mail_from"`
	RcptTo   []string `json:"rcpt_to"`
}

type keyPair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

type policy struct {
	Revocation      string   `json:"revocation"`
	Signers         string   `json:"signers"`
	AcceptUnwrapped bool     `json:"accept_unwrapped"`
	EVRoots         []string `json:"ev_roots"`
	EVPolicies      []string `json:"ev_policies"`
}

// down is a URL that no server answers for.
const down = "down"

// profiles are those that a vector is run under.
func (v vector) profiles() []string {
	if v.Profile == "both" {
		return []string{"1.2", "1.3"}
	}
	return []string{v.Profile}
}

func readManifest(t testing.TB) manifest {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(read(t, "manifest.json")))
	d.DisallowUnknownFields()
	var m manifest
	err := d.Decode(&m)
	if err != nil {
		t.Fatalf("manifest.json: %v", err)
	}
	return m
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readPEM(t testing.TB, file string) []byte {
	t.Helper()
	block, _ := pem.Decode(read(t, file))
	if block == nil {
		t.Fatalf("%s is no PEM", file)
	}
	return block.Bytes
}

func certificate(t testing.TB, file string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(readPEM(t, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

func certificates(t testing.TB, files []string) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for _, f := range files {
		all = append(all, certificate(t, f))
	}
	return all
}
