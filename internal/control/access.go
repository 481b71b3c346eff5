package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/login"
	"postern/mime"
	"postern/store"
)

// maxAccesses is how many accesses of a kind an account may have. Each app password is
// tried at a login by SCRAM, beside the password.
const maxAccesses = login.MaxCredentials - 1

// maxAccessName bounds what an operator calls an access, in octets.
const maxAccessName = 100

// An AccessOrder is an access to be made.
type AccessOrder struct {
	Address string           `json:"address"`
	Kind    store.AccessKind `json:"kind"`
	Name    string           `json:"name"`
	// Scopes are services of an app password, none for all; of a token what it may do.
	Scopes      []string `json:"scopes"`
	Certificate []byte   `json:"certificate,omitempty"` // of that kind, as DER
	Require     bool     `json:"require,omitempty"`     // of that kind: no password is enough without one
	Expires     string   `json:"expires,omitempty"`     // as in 90d or 36h from now, from 1d to 36500d; "" is never
}

// A NewAccess is an access that was made, with its secret, which is told this once.
type NewAccess struct {
	AccessInfo
	Secret string `json:"secret,omitempty"` // none of a certificate
}

// An AccessInfo is what may be shown of an access.
type AccessInfo struct {
	Address string           `json:"address"`
	ID      string           `json:"id"`
	Kind    store.AccessKind `json:"kind"`
	Name    string           `json:"name"`
	Scopes  []string         `json:"scopes"`
	SHA256  string           `json:"sha256,omitempty"` // of a certificate
	Created time.Time        `json:"created"`
	Expires time.Time        `json:"expires,omitzero"`
	Ended   bool             `json:"ended"` // for its age
	// Damaged says that it cannot be read, and lets nobody in.
	Damaged bool     `json:"damaged,omitempty"`
	LastUse *LastUse `json:"last_use,omitempty"`
}

// A LastUse says when something was used last, for what and from where.
type LastUse struct {
	At      time.Time `json:"at"`
	Service string    `json:"service"`
	Network string    `json:"network"`
}

// An AccessName names an access, or with "" for the id all of an account, and with ""
// for the address all there are.
type AccessName struct {
	Address string `json:"address"`
	ID      string `json:"id"`
}

// A RequireOrder says whether passwords need a certificate of the client beside them.
type RequireOrder struct {
	Address string `json:"address"`
	Require bool   `json:"require"`
}

// A RevokedAccess is an access that was ended.
type RevokedAccess struct {
	AccessName
	NoPassword bool `json:"no_password"` // as in Logins
}

// A RequireAnswer is what a RequireOrder made of an account.
type RequireAnswer struct {
	RequireOrder
	NoPassword bool `json:"no_password"` // as in Logins
}

func (s *Service) handleAccess(mux *http.ServeMux) {
	handle(mux, commandBytes, "access/add", s.addAccess)
	handle(mux, commandBytes, "access/list", s.listAccesses)
	handle(mux, commandBytes, "access/revoke", s.revokeAccess)
	handle(mux, commandBytes, "access/require", s.requireCertificate)
	handle(mux, commandBytes, "account/show", s.showAccount)
}

// scopesOf are what an access of a kind may be good for.
func scopesOf(kind store.AccessKind) []string {
	switch kind {
	case store.AppPassword:
		return []string{string(login.IMAP), string(login.POP3), string(login.SMTP)}
	case store.Token:
		return []string{"hooks", "lookup", "read", "send"}
	}
	return nil
}

func (s *Service) addAccess(ctx context.Context, in AccessOrder) (NewAccess, error) {
	access, secret, err := s.newAccess(ctx, in)
	if err != nil {
		return NewAccess{}, err
	}
	how := fmt.Sprintf("%s %s added%s", access.Kind, access.ID, goodFor(access))
	if in.Require {
		how += ", and required beside a password"
	}
	err = s.change(ctx, accountObject(access.Account), how, func(tx store.Tx) error {
		account, err := accountOf(tx, access.Account)
		if err != nil {
			return err
		}
		err = checkRoom(tx, access)
		if err != nil {
			return err
		}
		if in.Require && !account.CertificateRequired {
			account.CertificateRequired = true
			err = tx.PutAccount(account)
		}
		return errors.Join(err, tx.PutAccess(access))
	})
	return NewAccess{s.accessInfo(access, store.LastUse{}), secret}, err
}

func goodFor(a store.Access) string {
	if len(a.Scopes) == 0 {
		return ""
	}
	return " for " + strings.Join(a.Scopes, ", ")
}

// checkRoom refuses one more than there may be, and a certificate twice.
func checkRoom(tx store.Tx, access store.Access) error {
	all, err := tx.AccessesOf(access.Account)
	if err != nil {
		return err
	}
	n := 0
	for _, other := range all {
		if other.Kind != access.Kind {
			continue
		}
		n++
		if other.Sum == access.Sum {
			return &Error{Kind: Negative, Message: fmt.Sprintf("the account has that certificate already, as access %s", other.ID)}
		}
	}
	if n >= maxAccesses {
		return &Error{Kind: Negative, Message: fmt.Sprintf("the account has %d accesses of that kind, and may have no more", n),
			Hint: "postern access list shows which of them are not used; revoke those"}
	}
	return nil
}

func (s *Service) newAccess(ctx context.Context, in AccessOrder) (a store.Access, secret string, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return a, "", err
	}
	a = store.Access{Account: address, Kind: in.Kind, Name: in.Name, Created: s.Core.Now()}
	if !printableName(in.Name) {
		return a, "", invalid(fmt.Errorf("the name is not 1 to %d octets of text", maxAccessName), "give it the name of the program or the device that has it")
	}
	a.Scopes, err = readScopes(in)
	if err != nil {
		return a, "", err
	}
	if in.Expires != "" {
		span, ok := parseSpan(in.Expires)
		if !ok {
			return a, "", invalid(fmt.Errorf("%q is no time for an access to end after", in.Expires), spanHint)
		}
		a.Expires = a.Created.Add(span)
	}
	switch in.Kind {
	case store.AppPassword:
		a.ID, secret = login.NewAppPassword()
		_, a.Sum, _ = login.AppPassword(secret)
		a.Keys, err = s.Core.Keys(ctx, address, secret)
	case store.Token:
		a.ID, secret = login.NewToken()
		_, a.Sum, _ = login.TokenSum(secret)
	case store.Certificate:
		err = s.pin(&a, in.Certificate)
	default:
		err = invalid(fmt.Errorf("%q is no kind of access", in.Kind), "say --password, --token or --certificate")
	}
	return a, secret, err
}

// pin reads the certificate of a client. It ends with it, or before.
func (s *Service) pin(a *store.Access, der []byte) error {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return invalid(err, "--certificate names a file with the client's certificate")
	}
	if !leaf.NotAfter.After(s.Core.Now()) {
		return &Error{Kind: Negative, Message: "the certificate ended on " + leaf.NotAfter.UTC().Format(time.DateOnly)}
	}
	if a.Expires.IsZero() || leaf.NotAfter.Before(a.Expires) {
		a.Expires = leaf.NotAfter
	}
	a.ID, a.Sum = login.NewID(), store.FingerprintOf(leaf.Raw)
	return nil
}

func printableName(name string) bool {
	return name != "" && len(name) <= maxAccessName && strings.ToValidUTF8(name, "") == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func readScopes(in AccessOrder) ([]string, error) {
	may := scopesOf(in.Kind)
	if len(in.Scopes) == 0 && in.Kind == store.AppPassword {
		return may, nil
	}
	if len(in.Scopes) == 0 && in.Kind == store.Token {
		return nil, invalid(errors.New("a token needs scopes"), "they are "+strings.Join(may, ", "))
	}
	for _, scope := range in.Scopes {
		if !slices.Contains(may, scope) {
			return nil, invalid(fmt.Errorf("%q is nothing that it can be good for", scope), "it is for "+strings.Join(may, ", "))
		}
	}
	scopes := slices.Sorted(slices.Values(in.Scopes))
	return slices.Compact(scopes), nil
}

func (s *Service) revokeAccess(ctx context.Context, in AccessName) (answer RevokedAccess, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return RevokedAccess{}, err
	}
	answer.AccessName = AccessName{Address: address.String(), ID: in.ID}
	return answer, s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		access, err := tx.Access(address, in.ID)
		if errors.Is(err, store.ErrCorrupt) && in.ID != store.PasswordAccess {
			access, err = store.Access{Account: address, ID: in.ID, Kind: "damaged access"}, nil
		}
		if err == nil && access.Kind == store.PasswordKind || errors.Is(err, store.ErrNotFound) {
			return deed{}, &Error{Kind: Negative, Message: fmt.Sprintf("%s has no access %s", address, in.ID), Hint: "postern access list shows what can be revoked"}
		}
		if err != nil {
			return deed{}, err
		}
		err = tx.RemoveAccess(address, in.ID)
		if err != nil {
			return deed{}, err
		}
		account, err := tx.Account(address)
		switch {
		case err == nil:
			answer.NoPassword, err = s.noPassword(tx, account)
		case errors.Is(err, store.ErrCorrupt): // nobody gets into it at all
			err = nil
		}
		return deed{object: accountObject(access.Account), detail: fmt.Sprintf("%s %s revoked", access.Kind, access.ID)}, err
	})
}

// noPassword reports whether an account requires a certificate beside a password and has
// none, so that no password lets in.
func (s *Service) noPassword(tx store.Tx, a store.Account) (bool, error) {
	if !a.CertificateRequired {
		return false, nil
	}
	all, err := tx.AccessesOf(a.Address)
	return !slices.ContainsFunc(all, func(access store.Access) bool {
		return access.Kind == store.Certificate && !access.Ended(s.Core.Now())
	}), err
}

// setPassword has an account have another password. What was made beside it, app
// passwords and the like, stays good.
func (s *Service) setPassword(ctx context.Context, in AccountSecret, hash string) error {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return err
	}
	access, err := s.Core.PasswordAccess(ctx, store.Account{Address: address, Password: hash}, string(in.Password))
	if err != nil {
		return err
	}
	return s.change(ctx, accountObject(address), "another password", func(tx store.Tx) error {
		a, err := accountOf(tx, address)
		if err != nil {
			return err
		}
		a.Password = hash
		return errors.Join(tx.PutAccount(a), tx.PutAccess(access))
	})
}

func (s *Service) requireCertificate(ctx context.Context, in RequireOrder) (answer RequireAnswer, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return RequireAnswer{}, err
	}
	answer.RequireOrder = RequireOrder{Address: address.String(), Require: in.Require}
	how := "passwords are enough without a certificate"
	if in.Require {
		how = "a certificate is required beside a password"
	}
	return answer, s.change(ctx, accountObject(address), how, func(tx store.Tx) error {
		a, err := accountOf(tx, address)
		if err != nil {
			return err
		}
		a.CertificateRequired = in.Require
		answer.NoPassword, err = s.noPassword(tx, a)
		return errors.Join(err, tx.PutAccount(a))
	})
}
