package gateway

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/internal/cms"
	"postern/mime"
	"postern/store"
	"postern/trust"
)

// A Directory is who we are and whom we believe, parsed once: private keys are
// prepared, anchors are pooled. It never changes; a change in the store makes
// a new one.
type Directory struct {
	generation uint64
	domains    map[mime.Domain]bool
	accounts   map[string]store.Account // by Address.Key
	aliases    map[string]store.Alias   // by Address.Key
	formers    map[string]store.Former  // by Address.Key
	subaddress string                   // see addressBook
	keys       map[string][]Identity    // by owner
	held       []*x509.Certificate      // intermediates that came with our keys
	accesses
	beliefs
}

// An Identity is a certificate of ours with the way to its private key.
type Identity struct {
	store.Key
	Leaf   *x509.Certificate
	Chain  []*x509.Certificate
	Signer crypto.Signer
}

// IsOf reports whether the directory is as a transaction sees it.
func (d *Directory) IsOf(tx store.Tx) (bool, error) {
	generation, err := tx.Generation()
	return err == nil && generation == d.generation, err
}

// IsOurs reports whether mail for the domain is ours.
func (d *Directory) IsOurs(name mime.Domain) bool { return d.domains[name] }

// Account returns the account of an address.
func (d *Directory) Account(a mime.Address) (store.Account, bool) {
	account, ok := d.accounts[a.Key()]
	return account, ok
}

// Identities returns the keys of the address and then those of its domain.
func (d *Directory) Identities(a mime.Address) []Identity {
	return slices.Concat(d.keys[a.Key()], d.keys[string(a.Domain())])
}

// A speaker is an address as somebody had it in an era.
type speaker struct {
	address mime.Address
	era     store.Era
}

// keysOf are the keys that speak for a speaker, those of the address first, which come
// before those of its domain where there are any. For one that a patient controls, an alias
// too, the domain never speaks (BB-35). A certificate of the account behind an alias, or
// behind an address with a detail, does not name that, so that nobody would believe it
// (AS-11).
func (d *Directory) keysOf(s speaker) (own, domains []Identity) {
	if !d.isPatient(s) {
		domains = d.keys[string(s.address.Domain())]
	}
	return d.ownKeys(s), domains
}

// IsUnknown reports whether damage hides whose an address is, or was in an era, and so what
// signs for it and opens what is sent to it.
func (d *Directory) IsUnknown(a mime.Address, e store.Era) bool {
	return d.damage(speaker{a, e}) != nil
}

// damage is why it cannot be told whose an address is, or was; nil where it can.
func (d *Directory) damage(s speaker) error {
	for _, t := range []target{d.find(s.address), d.findIn(s.address, s.era)} {
		if t.isUnknown() {
			return t.damage
		}
	}
	return nil
}

// ownKeys are the keys of an address, unless whoever had it has it no more, or it cannot be
// told whether he has: they may be of who has it since. Where it is known that somebody has
// it since they are those that were there before him.
func (d *Directory) ownKeys(s speaker) []Identity {
	if d.findIn(s.address, s.era).isGone() || d.damage(s) != nil {
		return nil
	}
	keys := d.keys[s.address.Key()]
	next, since := d.next(s)
	if since {
		keys = slices.DeleteFunc(slices.Clone(keys), func(id Identity) bool { return id.Era >= next })
	}
	return keys
}

// isStill reports whether an address is whose it was, or nobody's as it was.
func (d *Directory) isStill(s speaker) bool {
	_, since := d.next(s)
	return !since && !d.findIn(s.address, s.era).isGone()
}

// next returns since when somebody has an address who had it not: by its name, or by one
// that it is a detail of since.
func (d *Directory) next(s speaker) (first store.Era, is bool) {
	for a := range names(s.address, d.subaddress) {
		era, known := d.heldSince(a)
		switch {
		case known && era <= s.era: // whose it was
			return first, is
		case known && (!is || era < first):
			first, is = era, true
		}
	}
	return first, is
}

// heldSince returns the era of the account or the alias of a name.
func (d *Directory) heldSince(a mime.Address) (store.Era, bool) {
	account, known := d.Account(a)
	if known {
		return account.Era, true
	}
	alias, known := d.aliases[a.Key()]
	return alias.Era, known
}

// isPatient reports whether a patient controls the address, or did.
func (d *Directory) isPatient(s speaker) bool {
	return d.find(s.address).patient() || d.findIn(s.address, s.era).patient()
}

// maxSigners bounds the signatures of one message. Others judge as few.
const maxSigners = 4

// Signers returns what signs for the address at a time: of its own signing
// certificates that are in use and in date, or else of those of its domain, the
// newest of each issuer (BB-21). An old certificate and its renewal so make one
// signature, and certificates of two communities, or of a community and of
// extended validation, one each. It is empty if nothing may sign.
func (d *Directory) Signers(a mime.Address, at time.Time) []cms.Signer {
	return d.signersAlso(speaker{a, store.Now}, nil, at, trust.V13)
}

// signersAlso is Signers of a speaker that speak for others as well, by the rules of a
// profile.
func (d *Directory) signersAlso(s speaker, others []mime.Address, at time.Time, p trust.Profile) []cms.Signer {
	own, domains := d.keysOf(s)
	signers := newestSigners(own, others, at, p)
	if len(signers) == 0 {
		signers = newestSigners(domains, others, at, p)
	}
	return signers
}

// newestSigners are those of the keys of one owner.
func newestSigners(keys []Identity, others []mime.Address, at time.Time, p trust.Profile) []cms.Signer {
	newest := make(map[string]Identity)
	for _, id := range keys {
		if !id.Retired.IsZero() || !trust.MayUse(id.Leaf, trust.Sign) || !inDate(id.Leaf, at) || !bindsAll(id.Leaf, others, p) {
			continue
		}
		old, ok := newest[string(id.Leaf.RawIssuer)]
		if !ok || byAge(old, id) < 0 {
			newest[string(id.Leaf.RawIssuer)] = id
		}
	}
	return asSigners(slices.Collect(maps.Values(newest)))
}

// Signs reports by whose certificates it can be signed what somebody answers who had an
// address in an era: by the address's own, and by those of its domain.
func (d *Directory) Signs(a mime.Address, e store.Era, at time.Time) (own, domains bool) {
	ownKeys, domainKeys := d.keysOf(speaker{a, e})
	can := func(keys []Identity) bool { return len(newestSigners(keys, nil, at, trust.V13)) > 0 }
	return can(ownKeys), can(domainKeys)
}

// Opens reports by whose keys a message to an address may be opened, retired ones too: by
// the address's own, and by those of its domain.
func (d *Directory) Opens(a mime.Address) (own, domains bool) {
	can := func(id Identity) bool { _, ok := recipientKey(id); return ok }
	return slices.ContainsFunc(d.keys[a.Key()], can), slices.ContainsFunc(d.keys[string(a.Domain())], can)
}

func bindsAll(leaf *x509.Certificate, all []mime.Address, p trust.Profile) bool {
	return !slices.ContainsFunc(all, func(a mime.Address) bool {
		_, binds := trust.Binds(leaf, a, p)
		return !binds
	})
}

// asSigners takes the newest, in an order that is always the same.
func asSigners(ids []Identity) []cms.Signer {
	slices.SortFunc(ids, func(a, b Identity) int { return cmp.Or(byAge(b, a), bytes.Compare(a.Fingerprint[:], b.Fingerprint[:])) })
	var signers []cms.Signer
	for _, id := range ids[:min(len(ids), maxSigners)] {
		signers = append(signers, cms.Signer{Certificate: id.Leaf, Chain: id.Chain, Key: id.Signer})
	}
	return signers
}

// byAge orders the older before the newer.
func byAge(a, b Identity) int {
	return cmp.Or(a.Leaf.NotBefore.Compare(b.Leaf.NotBefore), a.Created.Compare(b.Created))
}

// MayEncryptTo reports whether others may encrypt to a certificate of ours: it
// allows that, and its key is of a kind that opens messages here.
func MayEncryptTo(leaf *x509.Certificate) bool {
	switch leaf.PublicKeyAlgorithm {
	case x509.RSA, x509.ECDSA:
		return trust.MayUse(leaf, trust.Encrypt)
	}
	return false
}

// Certificates returns the certificates that encrypt to one of our own addresses
// at a time: its own, or else those of its domain, as discovery would find them
// (CD-1, CD-2). Only those are published, and used anew, that are in use and in
// date; where no certificate is, the first that was or will be, so that a refusal
// can say so.
func (d *Directory) Certificates(a mime.Address, at time.Time) []*x509.Certificate {
	var others []*x509.Certificate
	own, domains := d.keysOf(speaker{a, store.Now})
	for _, keys := range [][]Identity{own, domains} {
		var found []*x509.Certificate
		for _, id := range keys {
			switch {
			case !id.Retired.IsZero() || !MayEncryptTo(id.Leaf):
			case inDate(id.Leaf, at):
				found = append(found, id.Leaf)
			case len(others) == 0:
				others = append(others, id.Leaf)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return others
}

// lackedSigner is what a sender who cannot sign lacks.
const lackedSigner = "signing certificate in use and in date"

// lacks says that neither an address, as far as it is still whose it was, nor, unless a
// patient controls it, its domain has something.
func (d *Directory) lacks(s speaker, what string) string {
	still, patient := d.isStill(s), d.isPatient(s)
	switch {
	case !still && patient:
		return fmt.Sprintf("%s, which a patient controls or did, is not whose it was any more", s.address)
	case !still:
		return fmt.Sprintf("%s is not whose it was any more, and its domain has no %s", s.address, what)
	case patient:
		return fmt.Sprintf("%s, which a patient controls, has no %s of its own", s.address, what)
	}
	return fmt.Sprintf("neither %s nor its domain has a %s", s.address, what)
}

// A keyGroup is recipients whose messages the same keys may open.
type keyGroup struct {
	recipients []mime.Address
	keys       []cms.RecipientKey
}

// keyGroups sorts recipients by the keys that may open a message to them: those
// of the address and of its domain, retired ones too (AS-78). A message that was
// encrypted to one recipient alone must not be opened for another who stands
// beside it in the envelope.
func (d *Directory) keyGroups(all []mime.Address) []*keyGroup {
	var groups []*keyGroup
	bySet := make(map[string]*keyGroup)
	for _, a := range all {
		var set strings.Builder
		var keys []cms.RecipientKey
		for _, id := range d.Identities(a) {
			key, ok := recipientKey(id)
			if ok {
				set.Write(id.Fingerprint[:])
				keys = append(keys, key)
			}
		}
		g := bySet[set.String()]
		if g == nil {
			g = &keyGroup{keys: keys}
			bySet[set.String()] = g
			groups = append(groups, g)
		}
		g.recipients = append(g.recipients, a)
	}
	return groups
}

// recipientKey is the way to what an identity can open: RSA keys decrypt, keys
// on a curve agree (RFC 5753).
func recipientKey(id Identity) (cms.RecipientKey, bool) {
	key := cms.RecipientKey{Certificate: id.Leaf}
	switch private := id.Signer.(type) {
	case *ecdsa.PrivateKey:
		agreement, err := private.ECDH()
		if err != nil { // a curve that ECDH is not done on
			return key, false
		}
		key.Agreement = agreement
		return key, true
	case crypto.Decrypter:
		key.Decrypter = private
		return key, true
	}
	return key, false
}

func inDate(c *x509.Certificate, at time.Time) bool {
	return !at.Before(c.NotBefore) && !at.After(c.NotAfter)
}

// directories keeps the newest Directory and makes a new one when the store's
// generation has moved.
type directories struct {
	store      store.Store
	log        *slog.Logger
	subaddress string

	mu       sync.Mutex
	latest   *Directory
	prepared map[store.Fingerprint]*trust.Anchors // see prepare
}

// current returns the Directory of the store's present generation.
func (c *directories) current(ctx context.Context) (*Directory, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var fresh *Directory
	err := c.store.View(ctx, func(tx store.Tx) error {
		generation, err := tx.Generation()
		if err != nil {
			return err
		}
		if c.latest != nil && c.latest.generation == generation {
			return nil
		}
		fresh, err = c.read(tx, generation)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	if fresh != nil {
		c.latest = fresh
	}
	return c.latest, nil
}

func (c *directories) read(tx store.Tx, generation uint64) (*Directory, error) {
	d := &Directory{
		generation: generation,
		domains:    make(map[mime.Domain]bool),
		accounts:   make(map[string]store.Account),
		aliases:    make(map[string]store.Alias),
		formers:    make(map[string]store.Former),
		subaddress: c.subaddress,
		keys:       make(map[string][]Identity),
	}
	domains, err := tx.Domains()
	if err != nil {
		return nil, err
	}
	for _, dom := range domains {
		if dom.Damaged { // its mail needs nothing of the record
			c.damaged("domain", dom.Name, "how long it keeps mail is not known, and it keeps all; postern domain retention mends it")
		}
		d.domains[dom.Name] = true
	}
	accounts, err := tx.Accounts()
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if a.Damaged {
			c.damaged("account", a.Address, "nobody gets into it, and what comes to it waits; postern account add makes it anew over its mailboxes")
		}
		d.accounts[a.Address.Key()] = a
	}
	aliases, err := tx.Aliases()
	if err != nil {
		return nil, err
	}
	for _, a := range aliases {
		if a.Damaged {
			c.damaged("alias", a.Address, "who is behind it is not known, and what comes to it waits; postern alias remove makes room for it anew")
		}
		d.aliases[a.Address.Key()] = a
	}
	formers, err := tx.Formers()
	if err != nil {
		return nil, err
	}
	for _, f := range formers {
		if f.Damaged {
			c.log.Error("who had an address before cannot be read: what came before is nobody's; postern store compact --accept mends it", "address", f.Address)
		}
		d.formers[f.Address.Key()] = f
	}
	err = d.readKeys(tx, c.latest, c.log)
	if err != nil {
		return nil, err
	}
	return d, errors.Join(d.readAccesses(tx, c.latest, c.log), d.readBeliefs(tx, c.known(), c.log))
}

// damaged tells of a record that cannot be read. It stops nothing but what it is of.
func (c *directories) damaged(what string, name any, so string) {
	c.log.Error("the record of "+what+" is damaged: "+so, what, name)
}

// readKeys parses the private keys. Preparing one takes milliseconds, so those
// that the old Directory knows are taken over. One that cannot be read is left
// out: it must not stop the mail of all others.
func (d *Directory) readKeys(tx store.Tx, old *Directory, log *slog.Logger) error {
	known := make(map[store.Fingerprint]Identity)
	if old != nil {
		for _, ids := range old.keys {
			for _, id := range ids {
				known[id.Fingerprint] = id
			}
		}
	}
	keys, err := tx.Keys()
	if err != nil {
		return err
	}
	held := make(map[trust.Fingerprint]bool)
	for _, k := range keys {
		if k.Damaged {
			log.Error("a key is damaged and is not used; postern cert import brings it again, postern cert retire removes it", "certificate", k.Fingerprint, "owner", k.Owner)
			continue
		}
		id, ok := known[k.Fingerprint]
		if !ok {
			id, err = ParseIdentity(k)
			if err != nil {
				log.Error("a key cannot be read and is not used", "certificate", k.Fingerprint, "owner", k.Owner, "err", err)
				continue
			}
		}
		k.PKCS8 = nil
		id.Key = k
		d.keys[k.Owner] = append(d.keys[k.Owner], id)
		for _, c := range id.Chain {
			f := trust.FingerprintOf(c)
			if !held[f] && len(d.held) < maxHeld {
				held[f] = true
				d.held = append(d.held, c)
			}
		}
	}
	return nil
}

// maxHeld bounds the intermediates of ours that help with others' certificates:
// each is looked at for every path that is built.
const maxHeld = 32

// ParseIdentity prepares a stored key for use.
func ParseIdentity(k store.Key) (Identity, error) {
	leaf, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Leaf: leaf}
	for _, der := range k.Chain {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			return Identity{}, fmt.Errorf("chain: %w", err)
		}
		id.Chain = append(id.Chain, issuer)
	}
	private, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return Identity{}, errors.New("the private key cannot be read") // the parser's words could tell of it
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Identity{}, fmt.Errorf("private key: %T cannot sign", private)
	}
	id.Signer = signer
	return id, nil
}
