package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/mime"
)

// A mailboxRecord is a Mailbox with what only the store needs.
type mailboxRecord struct {
	Mailbox
	Tombs  int    `json:"tombs"`  // entries in bucketTombs
	Pruned uint64 `json:"pruned"` // ModSeq of the last tomb that was dropped
}

// Mailbox implements MailboxTx.
func (t *tx) Mailbox(id MailboxID) (Mailbox, error) {
	m, err := t.mailbox(id)
	return m.Mailbox, err
}

func (t *tx) mailbox(id MailboxID) (mailboxRecord, error) {
	m, err := getRecord[mailboxRecord](t, bucketMailboxes, u64(uint64(id)))
	if err != nil {
		return mailboxRecord{}, fmt.Errorf("mailbox %d: %w", id, err)
	}
	return m, nil
}

func (t *tx) putMailbox(m mailboxRecord) error {
	return t.putRecord(bucketMailboxes, u64(uint64(m.ID)), m)
}

// MailboxByName implements MailboxTx.
func (t *tx) MailboxByName(account mime.Address, name string) (Mailbox, error) {
	v := t.get(bucketMailboxNames, nameKey(account, mailboxName(name)))
	if v == nil {
		return Mailbox{}, fmt.Errorf("mailbox %q: %w", name, ErrNotFound)
	}
	if len(v) != 8 {
		return Mailbox{}, fmt.Errorf("%w: the index of mailbox names", ErrCorrupt)
	}
	return t.Mailbox(MailboxID(binary.BigEndian.Uint64(v)))
}

func nameKey(account mime.Address, name string) []byte { return joined(account.Key(), name) }

// mailboxName writes INBOX, as a name and as the first level of one, in upper
// case (RFC 9051 §5.1).
func mailboxName(name string) string {
	first, rest, deep := strings.Cut(name, "/")
	if !strings.EqualFold(first, Inbox) {
		return name
	}
	if !deep {
		return Inbox
	}
	return Inbox + "/" + rest
}

// checkMailboxName refuses empty levels, control characters and what is not
// UTF-8 (RFC 9051 §5.1).
func checkMailboxName(name string) error {
	err := checkText("the name of a mailbox", name)
	if err != nil {
		return err
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return errors.New("the name of a mailbox is printable UTF-8")
	}
	if slices.Contains(strings.Split(name, "/"), "") {
		return errors.New("the name of a mailbox has an empty level")
	}
	return nil
}

// Mailboxes implements MailboxTx.
func (t *tx) Mailboxes(account mime.Address) ([]Mailbox, error) {
	var all []Mailbox
	err := t.each(bucketMailboxNames, nameKey(account, ""), nil, func(_, v []byte) (bool, error) {
		if len(v) != 8 {
			return false, fmt.Errorf("%w: the index of mailbox names", ErrCorrupt)
		}
		m, err := t.Mailbox(MailboxID(binary.BigEndian.Uint64(v)))
		all = append(all, m)
		return true, err
	})
	inbox := slices.IndexFunc(all, func(m Mailbox) bool { return m.Name == Inbox })
	if inbox > 0 {
		m := all[inbox]
		copy(all[1:], all[:inbox])
		all[0] = m
	}
	return all, err
}

// CreateMailbox implements MailboxTx.
func (t *tx) CreateMailbox(account mime.Address, name string) (Mailbox, error) {
	if !t.writable {
		return Mailbox{}, ErrReadOnly
	}
	if account.IsZero() {
		return Mailbox{}, errors.New("a mailbox needs an account")
	}
	name = mailboxName(name)
	err := checkMailboxName(name)
	if err != nil {
		return Mailbox{}, err
	}
	if t.exists(bucketMailboxNames, nameKey(account, name)) {
		return Mailbox{}, fmt.Errorf("mailbox %q: %w", name, ErrExists)
	}
	err = t.write(0)
	if err != nil {
		return Mailbox{}, err
	}
	id, err := t.in(bucketMailboxes).NextSequence()
	if err != nil {
		return Mailbox{}, err
	}
	validity, err := t.nextUIDValidity()
	if err != nil {
		return Mailbox{}, err
	}
	m := Mailbox{ID: MailboxID(id), Account: account, Name: name, UIDValidity: validity, UIDNext: 1, ModSeq: 1}
	t.left.is(bucketMailboxes, u64(id), mailboxSum(m))
	err = errors.Join(t.putMailbox(mailboxRecord{Mailbox: m}),
		t.put(bucketMailboxNames, nameKey(account, name), u64(id)))
	return m, err
}

// nextUIDValidity grows with every mailbox and is not behind the clock, so that
// it grows on from a store that was restored from an older copy, too
// (RFC 9051 §2.3.1.1).
func (t *tx) nextUIDValidity() (uint32, error) {
	names := t.in(bucketMailboxNames)
	next := max(names.Sequence()+1, uint64(max(t.db.now().Unix(), 0)))
	if next > 1<<32-1 {
		return 0, errors.New("there is no UIDVALIDITY left")
	}
	return uint32(next), names.SetSequence(next)
}

// RenameMailbox implements MailboxTx.
func (t *tx) RenameMailbox(id MailboxID, name string) error {
	if !t.writable {
		return ErrReadOnly
	}
	m, err := t.mailbox(id)
	if err != nil {
		return err
	}
	name = mailboxName(name)
	err = checkMailboxName(name)
	if err != nil {
		return err
	}
	if m.Name == Inbox {
		return errors.New("INBOX is not renamed")
	}
	if strings.HasPrefix(name, m.Name+"/") {
		return errors.New("a mailbox is not renamed to below itself")
	}
	boxes, err := t.Mailboxes(m.Account)
	if err != nil {
		return err
	}
	moved := slices.DeleteFunc(boxes, func(b Mailbox) bool {
		return b.Name != m.Name && !strings.HasPrefix(b.Name, m.Name+"/")
	})
	for _, b := range moved {
		err := t.renameOne(b.ID, name+strings.TrimPrefix(b.Name, m.Name))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) renameOne(id MailboxID, name string) error {
	m, err := t.mailbox(id)
	if err != nil {
		return err
	}
	err = checkMailboxName(name)
	if err != nil {
		return err
	}
	if t.exists(bucketMailboxNames, nameKey(m.Account, name)) {
		return fmt.Errorf("mailbox %q: %w", name, ErrExists)
	}
	err = t.remove(bucketMailboxNames, nameKey(m.Account, m.Name))
	if err != nil {
		return err
	}
	m.Name = name
	return errors.Join(t.putMailbox(m), t.put(bucketMailboxNames, nameKey(m.Account, name), u64(uint64(id))))
}

// RemoveMailbox implements MailboxTx.
func (t *tx) RemoveMailbox(id MailboxID) error {
	m, err := t.Mailbox(id)
	if err != nil {
		return err
	}
	if m.Name == Inbox {
		return errors.New("INBOX is removed with its account alone") // RFC 9051 §6.3.5
	}
	return t.removeMailbox(m)
}

// removeMailbox removes the name and the record; what was in the mailbox goes
// at once when it is little, and otherwise bit by bit afterwards.
func (t *tx) removeMailbox(m Mailbox) error {
	t.left.gone(bucketMailboxes, u64(uint64(m.ID)))
	err := errors.Join(
		t.remove(bucketMailboxNames, nameKey(m.Account, m.Name)),
		t.remove(bucketMailboxes, u64(uint64(m.ID))))
	if err != nil {
		return err
	}
	t.then(func() { t.db.watch.changed(m.ID) })
	done, err := t.emptyMailbox(m.ID)
	if err != nil || done {
		return err
	}
	t.then(func() { t.db.clean.addMailbox(m.ID) })
	return t.put(bucketDoomed, u64(uint64(m.ID)), nil)
}

// emptyMailbox removes up to cleanStep entries of a mailbox that has no record
// any more, and says whether nothing is left.
func (t *tx) emptyMailbox(id MailboxID) (done bool, err error) {
	left := cleanStep
	for _, bucket := range []string{bucketMessages, bucketFetched, bucketChanges, bucketTombs} {
		keys := t.firstKeys(bucket, u64(uint64(id)), left)
		for _, k := range keys {
			err := t.dropEntry(bucket, k)
			if err != nil {
				return false, err
			}
		}
		left -= len(keys)
	}
	return left > 0, nil
}

// dropEntry removes an entry, and a message's reference to its body.
func (t *tx) dropEntry(bucket string, key []byte) error {
	if bucket == bucketMessages {
		m, err := getRecord[Message](t, bucketMessages, key)
		if err != nil {
			return err
		}
		err = t.unrefBody(m.Body)
		if err != nil {
			return err
		}
	}
	return t.remove(bucket, key)
}

// firstKeys returns copies of up to n keys that begin with prefix.
func (t *tx) firstKeys(bucket string, prefix []byte, n int) [][]byte {
	var keys [][]byte
	t.each(bucket, prefix, nil, func(k, _ []byte) (bool, error) {
		if len(keys) == n {
			return false, nil
		}
		keys = append(keys, slices.Clone(k))
		return true, nil
	})
	return keys
}

// SubscribeMailbox implements MailboxTx.
func (t *tx) SubscribeMailbox(id MailboxID, on bool) error {
	m, err := t.mailbox(id)
	if err != nil {
		return err
	}
	m.Subscribed = on
	return t.putMailbox(m)
}

// UseMailbox implements MailboxTx.
func (t *tx) UseMailbox(id MailboxID, use string) error {
	m, err := t.mailbox(id)
	if err != nil {
		return err
	}
	m.Use = use
	return t.putMailbox(m)
}
