package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// mostRecipients is how many certificates to encrypt to a rig has.
const mostRecipients = 50

// An identity is a throwaway key with its certificate.
type identity struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// A rig is what all sides share: a chain of three RSA-2048 certificates for the
// sender, and recipients who share one key. It lies in a directory as well.
type rig struct {
	root, issuer, sender identity
	to                   []identity
	dir                  string
}

// subject is who certificates are for: nobody outside of a measurement.
func subject(name string) pkix.Name {
	return pkix.Name{CommonName: name, Organization: []string{"Postern TEST ONLY"}}
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: subject(name), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func endEntity(address string) *x509.Certificate {
	return &x509.Certificate{
		Subject: subject(address), EmailAddresses: []string{address}, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
}

// certify makes a certificate for public, good for a day. A nil issuer is the
// key itself.
func certify(template *x509.Certificate, public crypto.PublicKey, issuer identity) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent := issuer.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, issuer.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func issue(template *x509.Certificate, key crypto.Signer, issuer identity) (identity, error) {
	if issuer.key == nil {
		issuer.key = key
	}
	cert, err := certify(template, key.Public(), issuer)
	return identity{key, cert}, err
}

func newRSA(template *x509.Certificate, issuer identity) (identity, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return identity{}, fmt.Errorf("making a key: %w", err)
	}
	return issue(template, key, issuer)
}

func newP256(template *x509.Certificate, issuer identity) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("making a key: %w", err)
	}
	return issue(template, key, issuer)
}

func recipientAddress(i int) string { return fmt.Sprintf("bob%d@b.example", i) }

const senderAddress = "alice@a.example"

// newRig makes a rig and writes it into dir: root.pem, issuer.pem, sender.pem
// and to.pem with certificates, sender.der and to.der with keys (PKCS #8).
func newRig(dir string) (*rig, error) {
	r := &rig{dir: dir}
	var err error
	r.root, err = newRSA(authority("bench root"), identity{})
	if err != nil {
		return nil, err
	}
	r.issuer, err = newRSA(authority("bench issuer"), r.root)
	if err != nil {
		return nil, err
	}
	r.sender, err = newRSA(endEntity(senderAddress), r.issuer)
	if err != nil {
		return nil, err
	}
	first, err := newRSA(endEntity(recipientAddress(0)), r.issuer)
	if err != nil {
		return nil, err
	}
	r.to = append(r.to, first)
	for i := 1; i < mostRecipients; i++ {
		next, err := issue(endEntity(recipientAddress(i)), first.key, r.issuer)
		if err != nil {
			return nil, err
		}
		r.to = append(r.to, next)
	}
	return r, r.write()
}

func (r *rig) write() error {
	for name, ids := range map[string][]identity{
		"root.pem": {r.root}, "issuer.pem": {r.issuer}, "sender.pem": {r.sender}, "to.pem": r.to,
	} {
		var text bytes.Buffer
		for _, id := range ids {
			err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})
			if err != nil {
				return fmt.Errorf("writing %s: %w", name, err)
			}
		}
		err := os.WriteFile(filepath.Join(r.dir, name), text.Bytes(), 0o600)
		if err != nil {
			return err
		}
	}
	for name, id := range map[string]identity{"sender.der": r.sender, "to.der": r.to[0]} {
		der, err := x509.MarshalPKCS8PrivateKey(id.key)
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		err = os.WriteFile(filepath.Join(r.dir, name), der, 0o600)
		if err != nil {
			return err
		}
	}
	return nil
}

// readRig reads what newRig wrote.
func readRig(dir string) (*rig, error) {
	r := &rig{dir: dir}
	for name, id := range map[string]*identity{"root.pem": &r.root, "issuer.pem": &r.issuer, "sender.pem": &r.sender} {
		certs, err := readCertificates(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		id.cert = certs[0]
	}
	var err error
	r.sender.key, err = readKey(filepath.Join(dir, "sender.der"))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, "to.der"))
	if err != nil {
		return nil, err
	}
	certs, err := readCertificates(filepath.Join(dir, "to.pem"))
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		r.to = append(r.to, identity{key, c})
	}
	return r, nil
}

func readCertificates(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var der []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		der = append(der, block.Bytes...)
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil || len(certs) == 0 {
		return nil, fmt.Errorf("reading %s: %d certificates, %w", file, len(certs), err)
	}
	return certs, nil
}

func readKey(file string) (crypto.Signer, error) {
	der, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return key.(*rsa.PrivateKey), nil
}
