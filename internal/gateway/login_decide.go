package gateway

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/mime"
	"postern/store"
)

// deciding is about logins at a moment, with what the Directory knows then.
type deciding struct {
	*Directory
	now time.Time
}

// byAppPassword finds the access by the account and the id in the secret.
func (d deciding) byAppPassword(a login.Attempt) (login.Grant, error) {
	id, sum, _ := login.AppPassword(a.Secret)
	account, err := mime.ParseAddress(a.User)
	if err != nil {
		return login.Grant{}, errWrongLogin()
	}
	access, err := d.Access(account, id)
	if err != nil || !d.isRight(access, store.AppPassword, sum) || !slices.Contains(access.Scopes, string(a.Service)) {
		return login.Grant{}, errWrongLogin()
	}
	return d.grant(a, access.Account, proof.OfAccess(access))
}

func (d deciding) isRight(a store.Access, kind store.AccessKind, sum store.Fingerprint) bool {
	return a.Kind == kind && !a.Ended(d.now) && subtle.ConstantTimeCompare(a.Sum[:], sum[:]) == 1
}

// byProof looks whether the account still has what the client proved to know.
func (d deciding) byProof(a login.Attempt) (login.Grant, error) {
	account, err := mime.ParseAddress(a.User)
	if err != nil || a.Proved == "" {
		return login.Grant{}, errWrongLogin()
	}
	return d.grant(a, account, a.Proved)
}

// byCertificate finds the account that a client's certificate is pinned to. Of several
// the client says which one it wants to be.
func (d deciding) byCertificate(a login.Attempt) (login.Grant, error) {
	var found []store.Access
	for _, access := range d.shown(a) {
		if a.User == "" || strings.ToLower(a.User) == access.Account.Key() {
			found = append(found, access)
		}
	}
	if len(found) != 1 {
		return login.Grant{}, errWrongLogin()
	}
	return d.grant(a, found[0].Account, proof.OfAccess(found[0]))
}

// shown are the accesses of the certificate that a client showed in its handshake, which
// proved that it has the key. Nobody vouches for it: it is pinned.
func (d deciding) shown(a login.Attempt) (all []store.Access) {
	if a.TLS == nil || len(a.TLS.PeerCertificates) == 0 {
		return nil
	}
	sum := store.FingerprintOf(a.TLS.PeerCertificates[0].Raw)
	for _, access := range d.byID {
		if d.isRight(access, store.Certificate, sum) {
			all = append(all, access)
		}
	}
	return all
}

// byToken finds the access by the id in the token.
func (d deciding) byToken(a login.Attempt) (login.Grant, error) {
	id, sum, ok := login.TokenSum(a.Secret)
	access := d.byID[id]
	if !ok || !d.isRight(access, store.Token, sum) {
		return login.Grant{}, errWrongLogin()
	}
	g, err := d.grant(a, access.Account, proof.OfAccess(access))
	g.Scopes = access.Scopes
	return g, err
}

// grant gives what a proof is good for, with the certificate that was shown beside it.
func (d deciding) grant(a login.Attempt, account mime.Address, proven string) (login.Grant, error) {
	id := proof.Accesses(proven)[0]
	if a.Method == login.Password || a.Method == login.Scram {
		for _, certificate := range d.shown(a) {
			if certificate.Account.Same(account) {
				proven = proof.With(proven, certificate)
				break
			}
		}
	}
	err := checkGood(proof.Check(knownAccounts{d.Directory}, account, proven, d.now))
	if err != nil {
		return login.Grant{}, err
	}
	known, _ := d.Account(account) // Check found it
	if id == store.PasswordAccess {
		id = ""
	}
	return login.Grant{Account: known.Address, Access: id, Proof: proven}, nil
}
