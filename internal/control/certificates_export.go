package control

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"postern/bundle"
	"postern/internal/gateway"
	"postern/internal/keyfile"
	"postern/store"
)

// An Export asks for a certificate of ours as a file.
type Export struct {
	SHA256 string `json:"sha256"` // or the start of it
	// CertificateOnly leaves the key out: the file is PEM with the certificate and
	// its chain, or PKCS #7 if asked for. Otherwise it is PKCS #12 under the
	// passphrase.
	CertificateOnly bool   `json:"certificate_only"`
	PKCS7           bool   `json:"pkcs7"`
	Passphrase      []byte `json:"passphrase"`
	Legacy          bool   `json:"legacy"` // for programs that read only 3DES and SHA-1
}

// An Exported is a certificate as a file. A private key in it is encrypted.
type Exported struct {
	Certificate CertificateInfo `json:"certificate"`
	File        []byte          `json:"file"`
}

func (s *Service) exportCertificate(ctx context.Context, in Export) (Exported, error) {
	prefix, err := parsePrefix(in.SHA256, "postern cert list")
	if err != nil {
		return Exported{}, err
	}
	var key store.Key
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		key, err = findKey(tx, prefix)
		return err
	})
	if err != nil {
		return Exported{}, err
	}
	id, err := gateway.ParseIdentity(key)
	if err != nil {
		return Exported{}, fmt.Errorf("certificate %s: %w", key.Fingerprint, err)
	}
	out := Exported{Certificate: certificateInfo(key, id.Leaf, s.Core.Now())}
	if in.CertificateOnly {
		out.File, err = certificateFile(append([]*x509.Certificate{id.Leaf}, id.Chain...), in.PKCS7)
		return out, err
	}
	err = s.use(ctx, keysDeed("exported with its private key", key))
	if err != nil {
		return Exported{}, err
	}
	out.File, err = keyfile.WritePKCS12(&keyfile.Pair{Certificate: id.Leaf, Chain: id.Chain, Key: id.Signer}, in.Passphrase, in.Legacy)
	if errors.Is(err, keyfile.ErrExportPassphrase) {
		return Exported{}, invalid(err, "the file is worth what its password is: choose a long one")
	}
	return out, err
}

func certificateFile(certs []*x509.Certificate, pkcs7 bool) ([]byte, error) {
	if pkcs7 {
		return bundle.Write(certs)
	}
	var file []byte
	for _, c := range certs {
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return file, nil
}
