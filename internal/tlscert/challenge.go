package tlscert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// authorize proves one name to the authority (RFC 8555 §7.5). What answers the challenge
// lies in the Cache while it is asked for, so that any node may be asked.
func (i *Issuer) authorize(ctx context.Context, client *acme.Client, url string) error {
	authorization, err := client.GetAuthorization(ctx, url)
	if err != nil {
		return fmt.Errorf("asking for a challenge: %w", err)
	}
	if authorization.Status == acme.StatusValid {
		return nil // proved before
	}
	host := authorization.Identifier.Value
	at := slices.IndexFunc(authorization.Challenges, func(c *acme.Challenge) bool { return c.Type == i.Challenge })
	if at < 0 {
		return fmt.Errorf("the authority offers no %s for %s", i.Challenge, host)
	}
	challenge := authorization.Challenges[at]
	name, err := i.answer(ctx, client, challenge, host)
	if err != nil {
		return err
	}
	defer func() {
		err := i.Cache.Remove(context.WithoutCancel(ctx), name)
		if err != nil {
			i.Log.Warn("the answer to a challenge cannot be removed", "err", err)
		}
	}()
	_, err = client.Accept(ctx, challenge)
	if err == nil {
		_, err = client.WaitAuthorization(ctx, url)
	}
	if err != nil {
		return fmt.Errorf("proving %s by %s: %w", host, i.Challenge, err)
	}
	return nil
}

// answer puts the answer to a challenge into the Cache and returns its name there.
func (i *Issuer) answer(ctx context.Context, client *acme.Client, c *acme.Challenge, host string) (string, error) {
	name := challengeName(TLSALPN, host)
	if i.Challenge == HTTP {
		text, err := client.HTTP01ChallengeResponse(c.Token)
		if err != nil {
			return "", fmt.Errorf("answering a challenge: %w", err)
		}
		name = challengeName(HTTP, c.Token)
		return name, i.Cache.Put(ctx, name, []byte(text), "")
	}
	pair, err := client.TLSALPN01ChallengeCert(c.Token, host)
	if err != nil {
		return "", fmt.Errorf("answering a challenge: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("answering a challenge: %w", err)
	}
	return name, put(ctx, i.Cache, name, issued{Key: key, Chain: pair.Certificate}, "")
}

func challengeName(kind, of string) string { return nameChallenge + kind + "/" + of }

// errNoChallenge ends a handshake that asks for the answer to no challenge of ours.
var errNoChallenge = errors.New("no challenge is open for this name")

// answerTime bounds what looking for an answer may take.
const answerTime = 5 * time.Second

// answerTLS gives the authority the certificate that it asks for (RFC 8737 §3), and
// everybody else what the listener has.
func (i *Issuer) answerTLS(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != acme.ALPNProto {
		return nil, nil
	}
	host := strings.ToLower(hello.ServerName)
	if !slices.Contains(i.Hosts, host) {
		return nil, errNoChallenge
	}
	ctx, cancel := context.WithTimeout(hello.Context(), answerTime)
	defer cancel()
	var c issued
	found, err := get(ctx, i.Cache, challengeName(TLSALPN, host), &c)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoChallenge
	}
	pair, err := c.pair()
	if err != nil {
		return nil, fmt.Errorf("the answer to a challenge: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto}, Certificates: []tls.Certificate{*pair}}, nil
}

// challengePath is where an authority asks by http-01 (RFC 8555 §8.3).
const challengePath = "/.well-known/acme-challenge/"

// maxToken bounds what is taken for a token, in octets. Authorities use 43.
const maxToken = 200

// ServeHTTP answers an authority that asks by http-01, and nobody else.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, asked := strings.CutPrefix(r.URL.Path, challengePath)
	if !asked || i.Challenge != HTTP || !isToken(token) {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	text, err := i.Cache.Get(ctx, challengeName(HTTP, token))
	switch {
	case err != nil:
		i.Log.Error("the answer to a challenge cannot be read", "err", err)
		http.Error(w, "not now", http.StatusServiceUnavailable)
	case text == nil:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
		_, _ = w.Write(text) // the authority asks again if it did not get it
	}
}

// isToken reports whether s is of the base64url alphabet (RFC 8555 §8.3).
func isToken(s string) bool {
	odd := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
	}
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, odd)
}
