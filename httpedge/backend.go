package httpedge

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"postern/mime"
)

// Errors a Backend returns, wrapped or bare, beside those that carry a reason.Code.
// A WrongParameter names a parameter of a list, a WrongMember one of the content. An error
// that is none of these is trouble of the server: it is logged, and the client is told only
// that there was some.
var (
	// ErrNotFound says that there is no such thing, or that it is somebody else's:
	// nobody learns which.
	ErrNotFound = errors.New("no such thing")
	// ErrKeyReused says that an idempotency key came with another request before.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	// ErrStale says that a cursor is of a mailbox that was made anew since.
	ErrStale = errors.New("the cursor is no longer good")
	// ErrLimit says that an account has as many of something as it may have.
	ErrLimit = errors.New("there are as many as there may be")
)

// A Scope is what a token is good for.
type Scope string

// Scopes of tokens.
const (
	ScopeSend   Scope = "send"   // send messages, and see what became of them
	ScopeRead   Scope = "read"   // list, read, acknowledge and remove received messages
	ScopeLookup Scope = "lookup" // ask whether an address can be sent to
	ScopeHooks  Scope = "hooks"  // say where events are posted to
)

// A Login is an account that has shown a token.
type Login struct {
	Account mime.Address
	Scopes  []Scope
	// Remote is the client's end of the connection.
	Remote netip.AddrPort
	// Session is the backend's own, of what was proved.
	Session any
}

// A Backend decides about the requests of our accounts. Its methods are called by
// many requests at once.
type Backend interface {
	// Authenticate returns the account of a token, or an error with the reason
	// AuthFailed, Busy or Internal. It is asked for every request; the Session of the
	// first on a connection serves all that follow with the same token.
	Authenticate(ctx context.Context, token string, from netip.AddrPort) (Login, error)
	// Check says with AuthFailed that a login is no longer good. It is asked when a
	// request has waited.
	Check(ctx context.Context, l Login) error

	Outbox
	Inbox
	Hooks
	// Lookup says whether a message of the account can be sent to an address.
	Lookup(ctx context.Context, l Login, address mime.Address) (Verdict, error)
}

// An Outbox takes messages and says what became of them.
type Outbox interface {
	// Ready says whether the account may send a message now, before any of it is read.
	Ready(ctx context.Context, l Login) error
	// Refused returns those of the recipients that can be refused at once.
	Refused(ctx context.Context, l Login, m Outgoing) ([]Refusal, error)
	// Rejected is told of a message that was refused before Send, for what stands in it,
	// and why. m is what is known of it, which may be neither recipients nor sender.
	Rejected(ctx context.Context, l Login, m Outgoing, why error)
	// Send reads message to its end and returns with a nil error only once it is
	// durable. When reading fails the message must be forgotten. A request whose key was
	// answered before is answered the same, and not sent again; ErrKeyReused.
	Send(ctx context.Context, l Login, m Outgoing, message io.Reader) (Sent, error)
	// Answered returns how the request of a key was answered, and the digest it had
	// then. ErrNotFound: it is new.
	Answered(ctx context.Context, l Login, key string) (Sent, Digest, error)
	// SentMessage returns a message of the account by our id or by its Message-ID in
	// angle brackets, the latest if there are several. ErrNotFound.
	SentMessage(ctx context.Context, l Login, id string) (SentMessage, error)
	// SentMessages lists messages of the account, the newest first.
	SentMessages(ctx context.Context, l Login, q SentQuery) (SentPage, error)
}

// A Digest is the SHA-256 of a request.
type Digest [32]byte

// An Outgoing is what a request says about a message to send.
type Outgoing struct {
	From mime.Address
	To   []mime.Address // no two of them the same
	// MessageID is that of a message that comes as it is, once its header was read; "" if
	// it has none that can be used.
	MessageID string
	// Key is the idempotency key, "" for none; Digest returns that of the request and is
	// asked when the message was read to its end.
	Key    string
	Digest func() Digest
}

// A Refusal is a recipient that cannot be sent to, and why.
type Refusal struct {
	Recipient mime.Address
	Err       error // with a reason
}

// Sent is how a message is known once it was taken.
type Sent struct {
	ID        string // our own
	MessageID string // in angle brackets
}

// A SentMessage says where a message stands.
type SentMessage struct {
	Sent
	From       mime.Address
	Received   time.Time // when we took it
	Size       int64     // in octets
	Recipients []Recipient
}

// A Recipient says where a message stands for one of its recipients.
type Recipient struct {
	Address mime.Address
	State   string // of store.TrackStates
	Code    string // a reason code; "ok" if there is nothing to tell
	Said    string // what the far side said, "" for nothing
	Updated time.Time
}

// A SentQuery says which messages are listed.
type SentQuery struct {
	After        string // the id of the last that is known; "" begins with the newest
	Limit        int
	Since, Until time.Time    // when they were taken; zero is no bound
	To           mime.Address // a recipient; zero is anybody
	State        string       // of at least one recipient; "" is any
}

// A SentPage is some of a list.
type SentPage struct {
	Messages []SentMessage
	// Next goes on behind what was looked at; "" if that was all.
	Next string
}

// A Verdict says whether an address can be sent to.
type Verdict struct {
	Code string // a reason code; "ok" if it can
}

// An Inbox is the mail that an account received, by message ids that never name
// another message.
type Inbox interface {
	// Messages lists messages in the order in which they came. It may end early, with
	// a page that says how to go on.
	Messages(ctx context.Context, l Login, q InboxQuery) (InboxPage, error)
	// Wait blocks until the mailbox differs from what a page was made of, or ctx is done.
	Wait(ctx context.Context, l Login, p InboxPage) error
	// Open notes that the account is about to read a message. Nothing of it is sent
	// before that returned nil. ErrNotFound.
	Open(ctx context.Context, l Login, id string) (Received, Body, error)
	// Look is Open for a client that is shown no content of the message, but its size and
	// how its parts are called: it does not count as reading. ErrNotFound.
	Look(ctx context.Context, l Login, id string) (Received, Body, error)
	// Took notes that all of a message was sent.
	Took(ctx context.Context, l Login, id string) error
	// Acknowledge marks a message as taken over by the application, or no longer.
	Acknowledge(ctx context.Context, l Login, id string, on bool) error
	// Remove removes a message for good.
	Remove(ctx context.Context, l Login, id string) error
}

// A Body is the octets of a message as they were delivered. Reads may run side by
// side.
type Body interface {
	io.ReaderAt
	Size() int64
}

// An InboxQuery says which messages are listed.
type InboxQuery struct {
	After string // the id of the last that is known; "" begins with the oldest
	Limit int
	All   bool // those as well that are acknowledged
}

// A Received is a message without its content.
type Received struct {
	ID           string
	At           time.Time
	Size         int64
	Seen         bool // read in some client
	Acknowledged bool
}

// An InboxPage is some of a list.
type InboxPage struct {
	Messages []Received
	// Next goes on behind what was looked at; "" while the mailbox is empty.
	Next string
	// More says that there is more behind Next already.
	More bool
	// Mark is the backend's own, of what the page was made of.
	Mark uint64
}

// Hooks are where events of an account are posted to.
type Hooks interface {
	// Hooks lists those of an account, the oldest first.
	Hooks(ctx context.Context, l Login) ([]Hook, error)
	// AddHook makes one and returns it with its secret. ErrLimit.
	AddHook(ctx context.Context, l Login, url string, events []string) (Hook, error)
	// Hook returns one. ErrNotFound.
	Hook(ctx context.Context, l Login, id string) (Hook, error)
	// RemoveHook removes one. ErrNotFound.
	RemoveHook(ctx context.Context, l Login, id string) error
	// EnableHook has one told again that was disabled. ErrNotFound.
	EnableHook(ctx context.Context, l Login, id string) error
	// RotateHook gives one another secret and returns it with that; the one before it
	// signs beside it for a while. ErrNotFound.
	RotateHook(ctx context.Context, l Login, id string) (Hook, error)
}

// A Hook is an address that events are posted to.
type Hook struct {
	ID      string
	URL     string
	Events  []string
	Created time.Time
	Enabled bool
	Secret  string // by which its posts are signed; told when it is made alone
	// Of its posts: how many wait, were taken, and were never taken.
	Waiting         int
	Delivered, Lost uint64
	// Of the latest: when it was, the HTTP status that came, 0 for none, and what went
	// wrong.
	LastAt     time.Time
	LastStatus int
	LastError  string
}
