package main

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/testnet"
	"postern/mime"
	"postern/pickup"
	"postern/smtp"
)

// submit DIR FILE FROM PASSWORD TO… hands a message in, as an EHR does; USER:FROM is who
// logs in, and whom it sends as.
func scriptSubmit(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 5 {
		ts.Fatalf("usage: submit dir file from password to...")
	}
	message := crlf(ts.ReadFile(args[1]))
	user, name, other := strings.Cut(args[2], ":")
	if !other {
		name = user
	}
	from, err := mime.ParseAddress(name)
	ts.Check(err)
	var to []mime.Address
	for _, text := range args[4:] {
		a, err := mime.ParseAddress(text)
		ts.Check(err)
		to = append(to, a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = smtp.Submit(ctx, ts.Getenv(args[0]+"_submission"), siteTLS(ts, args[0]), user, args[3], from, to, bytes.NewReader(message))
	if (err != nil) != neg {
		ts.Fatalf("submitting: %v", err)
	}
}

func crlf(text string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"))
}

// fetch DIR USER PASSWORD N waits for N messages in the user's INBOX and writes
// them to USER.1.eml and so on, with the line ends of text files.
func scriptFetch(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	messages, err := pickup.FetchInbox(ctx, pickup.FetchOptions{
		Addr: ts.Getenv(args[0] + "_imaps"), TLS: siteTLS(ts, args[0]), User: args[1], Password: args[2],
		AtLeast: number(ts, args[3:], 1),
	})
	if (err != nil) != neg {
		ts.Fatalf("fetching: %v", err)
	}
	for i, m := range messages {
		file := fmt.Sprintf("%s.%d.eml", args[1], i+1)
		ts.Check(os.WriteFile(ts.MkAbs(file), bytes.ReplaceAll(m.Raw, []byte("\r\n"), []byte("\n")), 0o600))
	}
	if n := number(ts, args[3:], 1); !neg && len(messages) != n {
		ts.Fatalf("there are %d messages, not %d", len(messages), n)
	}
}

// idle DIR LISTENER… connects to listeners and says nothing until the script
// ends, as a client does that waits for mail, or an attacker.
func scriptIdle(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args[1:] {
		addr := ts.Getenv(args[0] + "_" + name)
		var conn net.Conn
		var err error
		if strings.HasSuffix(name, "s") { // imaps, submissions
			conn, err = tls.Dial("tcp", addr, siteTLS(ts, args[0]))
		} else {
			conn, err = net.Dial("tcp", addr)
		}
		ts.Check(err)
		ts.Defer(func() { conn.Close() })
		_, err = conn.Read(make([]byte, 1)) // the greeting
		ts.Check(err)
	}
}

// siteTLS trusts the certificate that init made.
func siteTLS(ts *testscript.TestScript, dir string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ts.ReadFile(filepath.Join(dir, "tls", "cert.pem"))))
	hostname := readCertificates(ts, filepath.Join(dir, "tls", "cert.pem"))[0].DNSNames[0]
	return &tls.Config{RootCAs: roots, ServerName: hostname, MinVersion: tls.VersionTLS12}
}

// pki writes certificates of b.example, good and bad, into the folder pki.
func scriptPKI(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.Mkdir(ts.MkAbs("pki"), 0o700))
	files, err := pkiFiles(ts)
	ts.Check(err)
	for name, data := range files {
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Join("pki", name)), data, 0o600))
	}
}

// Password of the PKCS #12 file.
const pkiPassword = "correct horse"

func pkiFiles(ts *testscript.TestScript) (map[string][]byte, error) {
	t, ok := ts.Value(testKey{}).(testing.TB)
	if !ok {
		return nil, fmt.Errorf("the script has no test")
	}
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("Script Root")
	domain := root.Leaf("b.example")
	address := root.Leaf("nurse@b.example")
	other := root.Leaf("c.example")
	expired := root.Leaf("b.example", testnet.Valid(-48*time.Hour, -24*time.Hour))
	weak := root.Leaf("b.example", testnet.RSA(1024))
	signing := root.Leaf("b.example", testnet.Usage(x509.KeyUsageDigitalSignature), testnet.EC(elliptic.P256()))
	both := root.Leaf("b.example", testnet.SAN([]string{"nurse@b.example"}, []string{"b.example"}))
	sign := root.Leaf("b.example", testnet.Usage(x509.KeyUsageDigitalSignature))
	encrypt := root.Leaf("b.example", testnet.Usage(x509.KeyUsageKeyEncipherment))
	soon := root.Leaf("b.example", testnet.Valid(-48*time.Hour, 12*24*time.Hour+time.Hour))
	p12 := domain.PKCS12(pkiPassword)
	cut := p12[:len(p12)/2]
	with := func(id *testnet.Identity) []byte { return slices.Concat(testnet.PEM(id.Cert), id.KeyPEM()) }
	return map[string][]byte{
		"root.pem": testnet.PEM(root.Cert), "root.der": root.Cert.Raw,
		"domain.pem": with(domain), "domain.p12": p12, "cut.p12": cut,
		"address.pem": with(address), "other.pem": with(other), "expired.pem": with(expired),
		"weak.pem": with(weak), "signing.pem": with(signing), "both.pem": with(both),
		"pair.pem": slices.Concat(with(sign), with(encrypt)), "soon.pem": with(soon),
		"mismatch.pem": slices.Concat(testnet.PEM(domain.Cert), other.KeyPEM()),
		"keyonly.pem":  domain.KeyPEM(), "certonly.pem": testnet.PEM(other.Cert),
		"password": []byte(pkiPassword + "\n"), "wrong": []byte("wrong horse\n"),
	}, nil
}
