package tlscert

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// An account is ours at an authority, as the Cache has it.
type account struct {
	Key []byte `json:"key"` // PKCS #8
}

// updateTime bounds what is not needed for an order.
const updateTime = 30 * time.Second

// order gets a certificate with a key of its own and puts it into the Cache (RFC 8555
// §7.4).
func (i *Issuer) order(ctx context.Context) error {
	client, err := i.login(ctx)
	if err != nil {
		return err
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(i.Hosts...))
	if err != nil {
		return fmt.Errorf("ordering a certificate: %w", err)
	}
	for _, url := range order.AuthzURLs {
		err := i.authorize(ctx, client, url)
		if err != nil {
			return err
		}
	}
	order, err = client.WaitOrder(ctx, order.URI)
	if err != nil {
		return fmt.Errorf("waiting for an order: %w", err)
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: i.Hosts}, key)
	if err != nil {
		return fmt.Errorf("writing a request: %w", err)
	}
	chain, _, err := client.CreateCertFromOrder(ctx, order, csr, true)
	if err != nil {
		return fmt.Errorf("fetching the certificate: %w", err)
	}
	return i.take(ctx, key, chain)
}

// take checks what an authority issued and puts it into the Cache.
func (i *Issuer) take(ctx context.Context, key *ecdsa.PrivateKey, chain [][]byte) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	record := issued{Directory: i.Directory, Got: i.Now().UTC(), Key: der, Chain: chain}
	pair, err := record.pair()
	if err != nil {
		return fmt.Errorf("reading what was issued: %w", err)
	}
	leaf := pair.Leaf
	public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(key.Public()) {
		return errors.New("what was issued is for another key")
	}
	for _, host := range i.Hosts {
		err := leaf.VerifyHostname(host)
		if err != nil {
			return fmt.Errorf("what was issued: %w", err)
		}
	}
	if !goodAt(leaf, i.Now()) {
		return fmt.Errorf("what was issued is good from %s to %s, and now it is %s", when(leaf.NotBefore), when(leaf.NotAfter), when(i.Now()))
	}
	fingerprint := sha256.Sum256(leaf.Raw)
	note := fmt.Sprintf("issued over ACME for %s, until %s: %s", strings.Join(i.Hosts, ", "), when(leaf.NotAfter), hex.EncodeToString(fingerprint[:]))
	err = put(ctx, i.Cache, nameCertificate, record, note)
	if err != nil {
		return err
	}
	i.Log.Info("the listeners have a new certificate over ACME", "hosts", strings.Join(i.Hosts, " "), "ends", when(leaf.NotAfter))
	return nil
}

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// login returns a client with our account at the authority, which is made if there is
// none: a directory has one, whose key is kept.
func (i *Issuer) login(ctx context.Context) (*acme.Client, error) {
	key, err := i.accountKey(ctx)
	if err != nil {
		return nil, err
	}
	client := &acme.Client{Key: key, DirectoryURL: i.Directory, HTTPClient: i.Client, UserAgent: "postern"}
	a := &acme.Account{}
	if i.Binding != nil {
		a.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: i.Binding.KeyID, Key: i.Binding.Key}
	}
	for _, c := range i.Contact {
		a.Contact = append(a.Contact, "mailto:"+c)
	}
	_, err = client.Register(ctx, a, func(string) bool { return i.Terms })
	switch {
	case errors.Is(err, acme.ErrAccountAlreadyExists):
		i.update(ctx, client, a)
	case err != nil:
		return nil, fmt.Errorf("registering with %s: %w", i.Directory, err)
	}
	return client, nil
}

// update tells an authority the contact as it is now (RFC 8555 §7.3.2). None that it
// does not take holds up an order.
func (i *Issuer) update(ctx context.Context, client *acme.Client, a *acme.Account) {
	if len(a.Contact) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, updateTime)
	defer cancel()
	_, err := client.UpdateReg(ctx, a)
	if err != nil {
		i.Log.Warn("the authority does not take the contact, the order goes on", "directory", i.Directory, "err", err)
	}
}

func (i *Issuer) accountKey(ctx context.Context) (crypto.Signer, error) {
	hash := sha256.Sum256([]byte(i.Directory))
	name := nameAccount + hex.EncodeToString(hash[:])
	var a account
	found, err := get(ctx, i.Cache, name, &a)
	if err != nil {
		return nil, err
	}
	if found {
		key, err := x509.ParsePKCS8PrivateKey(a.Key)
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, errors.Join(errors.New("the key of the account cannot be read"), err)
		}
		return signer, nil
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	a.Key, err = x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return key, put(ctx, i.Cache, name, a, "a key for an account at "+i.Directory)
}
