package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust/reason"
)

// maySendAs lets an account send as what belongs to it, which is its own address, its
// aliases and their details, and as its Senders (EP-11). Nobody else speaks for an
// address that a patient controls (BB-35), or for one that is shut out. A group belongs
// to none of its members.
func maySendAs(b addressBook, account store.Account, from mime.Address) error {
	t, err := find(b, from)
	if err != nil {
		return err
	}
	switch {
	case t.belongsTo(account.Address):
		return nil
	case t.isDamaged(), t.exists() && len(t.open()) == 0, t.patient(), !account.MaySendAs(from):
		return reason.New(reason.SenderNotAllowed, "%s may not send as %s", account.Address, from)
	}
	return nil
}

// A speaking is who sends a message, and in whose names.
type speaking struct {
	account mime.Address
	names   []mime.Address // of the envelope and of the header, each once
}

// speakingOf reads in whose names a message is sent. It names whoever will be believed
// to have written it, or sent it on.
func speakingOf(h *mime.Header, account, from mime.Address) (speaking, error) {
	all, err := sta.SpokenFor(h)
	if err != nil {
		return speaking{}, badSender(err)
	}
	if !slices.ContainsFunc(all, from.Same) {
		all = append(all, from)
	}
	return speaking{account, all}, nil
}

// check refuses names that the account may not use.
func (s speaking) check(b addressBook, account store.Account) error {
	for _, a := range s.names {
		err := maySendAs(b, account, a)
		if err != nil {
			return err
		}
	}
	return nil
}

// alone refuses names other than one.
func (s speaking) alone(from mime.Address) error {
	for _, a := range s.names {
		if !a.Same(from) {
			return reason.New(reason.SenderNotAllowed, "%s may not send as %s", from, a)
		}
	}
	return nil
}

// note remembers who sent as addresses that nobody has a mailbox for: what is told of
// the message goes to him.
func (s speaking) note(tx store.Tx, c *Core) error {
	for _, a := range s.names {
		t, err := find(c.book(tx), a)
		if err != nil {
			return err
		}
		if t.exists() || t.isDamaged() {
			continue
		}
		err = tx.PutSentAs(store.SentAs{Address: a, Account: s.account, At: c.Now()})
		if err != nil {
			return err
		}
	}
	return nil
}

// namesOfSender is where a header names who sends it.
const namesOfSender = "From or Sender"

// badSender gives what is wrong with the names of a header its reason.
func badSender(err error) error {
	var mismatch *reason.Error
	if errors.As(err, &mismatch) {
		return reason.New(reason.BadHeader, "%s", mismatch.Detail).In(cmp.Or(mismatch.Field, namesOfSender))
	}
	return reason.New(reason.BadHeader, "%w", err).In(namesOfSender)
}

// addSender names the address of the envelope in Sender where From does not (RFC 6409
// §8.1): agents refuse a message whose MAIL FROM is neither (AS-55), and one signature
// must speak for both, which that of a whole domain does.
func addSender(h *mime.Header, from mime.Address) error {
	for _, name := range []string{"From", "Sender"} {
		all, err := h.Addresses(name)
		if err != nil {
			return reason.New(reason.BadHeader, "%w", err)
		}
		if slices.ContainsFunc(all, from.Same) {
			return nil
		}
	}
	author, err := sta.Sender(h)
	switch {
	case err != nil:
		return badSender(err)
	case h.Has("Sender"):
		return reason.New(reason.BadHeader, "MAIL FROM %s is neither From nor Sender", from).In(namesOfSender)
	case author.Domain() != from.Domain():
		return reason.New(reason.BadHeader, "MAIL FROM %s is of another domain than From, and no certificate speaks for both", from).In(namesOfSender)
	}
	err = h.Set("Sender", from.String())
	if err != nil {
		return reason.New(reason.BadHeader, "adding Sender: %w", err).In("Sender")
	}
	return nil
}

// checkLocal refuses addresses of ours that do not exist. One that was sent from and
// has no mailbox exists for what is told about that.
func (c *Core) checkLocal(ctx context.Context, dir *Directory, to mime.Address) error {
	refusal := dir.find(to).check(to)
	if reason.Of(refusal) != reason.UnknownRecipient {
		return refusal
	}
	err := c.Store.View(ctx, func(tx store.Tx) error {
		_, err := tx.SentAs(to)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refusal
	case err != nil:
		return reason.New(reason.Internal, "%w", err)
	}
	return nil
}

// findSigners finds what signs for the author of the message, and for whoever else is
// shown as its sender: the far side demands that of each signature (AS-65). Of an address
// that somebody else has since, nothing speaks for the author but its domain. While it
// cannot be told whose it is the message waits, also for those that it would fail for.
func (s *sealing) findSigners(dir *Directory, routes []Route) error {
	header, err := readHeader(s.src)
	if err != nil {
		return err
	}
	author, err := sta.Sender(header)
	if err != nil {
		return err
	}
	all, err := sta.SpokenFor(header)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, author.Same)
	speaker := speaker{author, s.job.Era}
	damage := dir.damage(speaker)
	if damage != nil {
		return fmt.Errorf("finding what signs for %s: %w", author, damage)
	}
	s.signers = dir.signersAlso(speaker, others, s.now, s.Profile)
	switch {
	case len(s.signers) > 0:
	case len(dir.signersAlso(speaker, nil, s.now, s.Profile)) > 0:
		failAll(routes, reason.NoSigningKey, fmt.Sprintf("no %s speaks for %s and for %s, as a certificate of their domain would", lackedSigner, author, others[0]))
	default:
		failAll(routes, reason.NoSigningKey, dir.lacks(speaker, lackedSigner))
	}
	return nil
}
