package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"postern/internal/gateway/proof"
	"postern/mime"
	"postern/store"
)

// Logins are how somebody gets into an account by its password.
type Logins struct {
	// Scram says that the password can be proven by SCRAM, which is offered as soon as
	// that is so of every account that has one and is not disabled.
	Scram bool `json:"scram"`
	// CertificateRequired says that a password lets in only beside a certificate.
	CertificateRequired bool `json:"certificate_required"`
	// NoPassword says that a certificate is required and that there is none in date, so
	// that no password and no app password lets in.
	NoPassword bool     `json:"no_password"`
	LastUse    *LastUse `json:"last_use,omitempty"` // of the password
}

// AccountDetails is all that may be shown of one account.
type AccountDetails struct {
	AccountInfo
	Accesses []AccessInfo `json:"accesses"`
	Aliases  []string     `json:"aliases"`
	Groups   []string     `json:"groups"` // it is a member of
	// Edge is where its mail is handed over, by an edge of its own or by its domain's.
	Edge  *EdgeInfo `json:"edge,omitempty"`
	Hooks []string  `json:"hooks"` // ids
}

func (s *Service) listAccesses(ctx context.Context, in AccessName) (found []AccessInfo, err error) {
	var address mime.Address
	if in.Address != "" {
		address, err = mime.ParseAddress(in.Address)
		if err != nil {
			return nil, err
		}
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		found = nil
		accounts, err := tx.Accounts()
		if !address.IsZero() {
			var one store.Account
			one, err = accountOf(tx, address)
			if errors.Is(err, store.ErrCorrupt) {
				one, err = store.Account{Address: address}, nil
			}
			accounts = []store.Account{one}
		}
		if err != nil {
			return err
		}
		for _, a := range accounts {
			some, err := s.accessesOf(tx, a.Address)
			if err != nil {
				return err
			}
			found = append(found, some...)
		}
		return nil
	})
	return found, err
}

// accessesOf are those that can be revoked; never nil.
func (s *Service) accessesOf(tx store.Tx, account mime.Address) ([]AccessInfo, error) {
	all, err := tx.AccessesOf(account)
	if err != nil {
		return nil, err
	}
	infos := []AccessInfo{}
	for _, a := range all {
		if a.Kind == store.PasswordKind {
			continue
		}
		use, err := lastUseOf(tx, account, a.ID)
		if err != nil {
			return nil, err
		}
		_, err = tx.Access(account, a.ID) // a listing does not open what is sealed
		a.Damaged = errors.Is(err, store.ErrCorrupt)
		if err != nil && !a.Damaged {
			return nil, err
		}
		infos = append(infos, s.accessInfo(a, use))
	}
	slices.SortStableFunc(infos, func(a, b AccessInfo) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return infos, nil
}

func (s *Service) accessInfo(a store.Access, use store.LastUse) AccessInfo {
	info := AccessInfo{
		Address: a.Account.String(), ID: a.ID, Kind: a.Kind, Name: a.Name, Scopes: a.Scopes,
		Created: a.Created, Expires: a.Expires, Ended: a.Ended(s.Core.Now()), Damaged: a.Damaged, LastUse: lastUse(use),
	}
	if a.Kind == store.Certificate {
		info.SHA256 = a.Sum.String()
	}
	return info
}

// lastUseOf is zero for what was never used, or where that cannot be read.
func lastUseOf(tx store.Tx, account mime.Address, id string) (store.LastUse, error) {
	u, err := tx.LastUse(account, id)
	if errors.Is(err, store.ErrCorrupt) {
		return store.LastUse{}, nil
	}
	return u, err
}

// lastUse is nil for what was never used.
func lastUse(u store.LastUse) *LastUse {
	if u.At.IsZero() {
		return nil
	}
	return &LastUse{At: u.At, Service: u.Service, Network: u.Network.String()}
}

func (s *Service) showAccount(ctx context.Context, in AccountName) (d AccountDetails, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return d, err
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		account, err := accountOf(tx, address)
		if err != nil {
			return err
		}
		d.AccountInfo, err = s.accountInfo(tx, account)
		if err != nil {
			return err
		}
		d.Accesses, err = s.accessesOf(tx, address)
		if err != nil {
			return err
		}
		d.Logins, err = s.loginsOf(tx, account)
		if err != nil {
			return err
		}
		return d.around(tx, account)
	})
	return d, err
}

func (s *Service) loginsOf(tx store.Tx, a store.Account) (Logins, error) {
	all, err := tx.AccessesOf(a.Address)
	if err != nil {
		return Logins{}, err
	}
	none, err := s.noPassword(tx, a)
	if err != nil {
		return Logins{}, err
	}
	use, err := lastUseOf(tx, a.Address, store.PasswordAccess)
	return Logins{
		Scram: slices.ContainsFunc(all, func(access store.Access) bool {
			return access.Kind == store.PasswordKind && access.Sum == proof.SumOfPassword(a)
		}),
		CertificateRequired: a.CertificateRequired, NoPassword: none, LastUse: lastUse(use),
	}, err
}
