package pickup

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// FetchOptions say what FetchInbox fetches.
type FetchOptions struct {
	Addr     string      // HOST:PORT of an IMAP server with implicit TLS
	TLS      *tls.Config // nil: the system's roots, and the host of Addr
	User     string
	Password string
	// FirstUID passes over messages with smaller UIDs; 0 fetches all.
	FirstUID uint32
	// AtLeast waits until there are so many messages; 0 takes what there is.
	AtLeast int
	// MaxBytes bounds the octets of all messages together; default 256 MiB.
	MaxBytes int64
}

// A FetchedMessage is a message as the server gave it, byte for byte.
type FetchedMessage struct {
	UID uint32
	Raw []byte
}

// ErrTooLarge says that the messages are larger than FetchOptions.MaxBytes.
var ErrTooLarge = errors.New("the messages are larger than was allowed for")

// FetchInbox logs in, waits with IDLE until enough messages are in INBOX, and
// returns them without marking them as read. It ends with ctx.
func FetchInbox(ctx context.Context, o FetchOptions) ([]FetchedMessage, error) {
	f, err := dialInbox(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("fetching from INBOX: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { f.conn.Close() })
	defer stop()
	out, err := f.run(o)
	err = errors.Join(err, f.end(err == nil))
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("fetching from INBOX: %w", err)
	}
	return out, nil
}

type inboxFetch struct {
	conn   net.Conn
	client *imapclient.Client
	news   chan struct{} // something happened in the mailbox
}

func dialInbox(ctx context.Context, o FetchOptions) (*inboxFetch, error) {
	dialer := tls.Dialer{Config: o.TLS}
	conn, err := dialer.DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	f := &inboxFetch{conn: conn, news: make(chan struct{}, 1)}
	f.client = imapclient.New(conn, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(*imapclient.UnilateralDataMailbox) {
				select {
				case f.news <- struct{}{}:
				default: // it is known already
				}
			},
		},
	})
	return f, nil
}

func (f *inboxFetch) run(o FetchOptions) ([]FetchedMessage, error) {
	err := f.client.Login(o.User, o.Password).Wait()
	if err != nil {
		return nil, fmt.Errorf("logging in: %w", err)
	}
	_, err = f.client.Select(inbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil, fmt.Errorf("opening the mailbox: %w", err)
	}
	for {
		uids, err := f.list(o.FirstUID)
		if err != nil {
			return nil, err
		}
		if len(uids) >= o.AtLeast {
			return f.fetch(uids, orDefault(o.MaxBytes, 256<<20))
		}
		err = f.wait()
		if err != nil {
			return nil, err
		}
	}
}

// list returns the UIDs there are from first on.
func (f *inboxFetch) list(first uint32) ([]imap.UID, error) {
	data, err := f.client.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
	if err != nil {
		return nil, fmt.Errorf("listing the messages: %w", err)
	}
	var uids []imap.UID
	for _, uid := range data.AllUIDs() {
		if uint32(uid) >= first {
			uids = append(uids, uid)
		}
	}
	return uids, nil
}

// wait returns when the server told of a change.
func (f *inboxFetch) wait() error {
	idle, err := f.client.Idle()
	if err != nil {
		return fmt.Errorf("waiting for messages: %w", err)
	}
	select {
	case <-f.news:
	case <-f.client.Closed():
		return fmt.Errorf("waiting for messages: %w", io.ErrUnexpectedEOF)
	}
	err = idle.Close()
	if err == nil {
		err = idle.Wait()
	}
	if err != nil {
		return fmt.Errorf("waiting for messages: %w", err)
	}
	return nil
}

// fetchAtOnce is how many UIDs go into one command, whose length servers bound.
const fetchAtOnce = 500

func (f *inboxFetch) fetch(uids []imap.UID, limit int64) ([]FetchedMessage, error) {
	var out []FetchedMessage
	for some := range slices.Chunk(uids, fetchAtOnce) {
		cmd := f.client.Fetch(imap.UIDSetNum(some...), &imap.FetchOptions{
			UID:         true,
			BodySection: []*imap.FetchItemBodySection{{Peek: true}},
		})
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			m, err := readMessage(msg, limit)
			if err != nil {
				f.conn.Close() // the rest is not wanted
				return nil, errors.Join(err, cmd.Close())
			}
			limit -= int64(len(m.Raw))
			out = append(out, m)
		}
		err := cmd.Close()
		if err != nil {
			return nil, fmt.Errorf("fetching messages: %w", err)
		}
	}
	return out, nil
}

func readMessage(msg *imapclient.FetchMessageData, limit int64) (FetchedMessage, error) {
	var m FetchedMessage
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			m.UID = uint32(item.UID)
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			if item.Literal.Size() > limit {
				return m, ErrTooLarge
			}
			raw, err := io.ReadAll(item.Literal)
			if err != nil {
				return m, fmt.Errorf("reading a message: %w", err)
			}
			m.Raw = raw
		}
	}
	return m, nil
}

// end logs out when all went well, and closes the connection.
func (f *inboxFetch) end(politely bool) error {
	var err error
	if politely {
		err = f.client.Logout().Wait()
	}
	f.client.Close() // fails when the server was quicker
	return err
}
