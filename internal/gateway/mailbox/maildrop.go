package mailbox

import (
	"context"
	"sync"
	"time"

	"postern/internal/login"
	"postern/pickup/pop3"
	"postern/store"
)

// NewPOP3 is New for POP3, which knows INBOX alone. All listeners of a store are to
// have the same one: it holds the locks of RFC 1939 §3.
func NewPOP3(s store.Store, auth Auth, o Options) pop3.Backend {
	return &drops{backend: newBackend(s, auth, o, "POP3")}
}

// drops are the maildrops of a store, and who has them.
type drops struct {
	*backend
	mu    sync.Mutex
	taken map[store.MailboxID]struct{}
}

// Login implements pop3.Backend.
func (d *drops) Login(ctx context.Context, a login.Attempt) (pop3.User, error) {
	u, err := d.login(ctx, a)
	if err != nil {
		return nil, err
	}
	return dropUser{u, d}, nil
}

// take locks a maildrop until release is called. It is that of an account, and not of who
// has its address next.
func (d *drops) take(inbox store.MailboxID) (release func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, held := d.taken[inbox]
	if held {
		return nil, false
	}
	if d.taken == nil {
		d.taken = make(map[store.MailboxID]struct{})
	}
	d.taken[inbox] = struct{}{}
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.taken, inbox)
	}), true
}

type dropUser struct {
	*user
	drops *drops
}

// Take implements pop3.User.
func (u dropUser) Take(ctx context.Context) (pop3.Maildrop, error) {
	inbox, err := u.openMailbox(ctx, store.Inbox)
	if err != nil {
		return nil, err
	}
	release, ok := u.drops.take(inbox.id)
	if !ok {
		return nil, pop3.ErrInUse
	}
	return &maildrop{mailbox: inbox, release: release}, nil
}

// Retention implements pop3.User.
func (u dropUser) Retention(ctx context.Context) (time.Duration, error) {
	var keep time.Duration
	err := u.store.View(ctx, func(tx store.Tx) error {
		d, err := tx.Domain(u.account.Domain())
		keep = d.Retention
		return err
	})
	return keep, translate(err)
}

type maildrop struct {
	*mailbox
	release func()
}

// Read implements pop3.Maildrop.
func (d *maildrop) Read(ctx context.Context, uids []uint32, seen bool) error {
	var add []string
	if seen {
		add = []string{`\Seen`}
	}
	_, err := d.mailbox.Read(ctx, uids, add)
	return err
}

// Remove implements pop3.Maildrop: each step is one transaction with its record.
func (d *maildrop) Remove(ctx context.Context, uids []uint32) (int, error) {
	gone := 0
	for gone < len(uids) {
		n := within(uids[gone:])
		err := d.remove(ctx, uids[gone:gone+n])
		if err != nil {
			return gone, translate(err)
		}
		gone += n
	}
	return gone, nil
}

func (d *maildrop) remove(ctx context.Context, uids []uint32) error {
	return d.store.Update(ctx, func(tx store.Tx) error {
		var gone []store.Message
		err := d.each(tx, uids, func(m store.Message) error {
			gone = append(gone, m)
			return tx.Expunge(d.id, m.UID)
		})
		if err != nil {
			return err
		}
		return d.auditRemoved(tx, gone)
	})
}

// Release implements pop3.Maildrop.
func (d *maildrop) Release() { d.release() }
