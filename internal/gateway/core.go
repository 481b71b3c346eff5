// Package gateway is the assembly: it joins store, agent, discovery, SMTP and
// pickup into the two ways of a message, out and in.
//
// Every step of a way is a job in the queue and one transaction: the work is
// done first, then one commit ends the job and begins what follows. A step
// that is done twice does nothing new, so a crash between the two costs time
// and nothing else.
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"postern/bundle"
	"postern/internal/admit"
	"postern/internal/fetch"
	"postern/internal/gateway/care"
	"postern/internal/login"
	"postern/internal/password"
	"postern/internal/publish"
	"postern/internal/steady"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/evidence"
)

// A Finder finds the certificates of an address outside of our own domains.
type Finder interface {
	Find(ctx context.Context, r discovery.Request) discovery.Result
}

// A Sender delivers a sealed message to one destination, with one result for
// each recipient.
type Sender interface {
	Send(ctx context.Context, d smtp.Delivery) []smtp.Result
}

// A Core is what a gateway is made of.
type Core struct {
	Hostname string
	Store    store.Store
	Finder   Finder
	Sender   Sender
	Profile  trust.Profile
	// AcceptUnwrapped is trust.accept_unwrapped of the configuration.
	AcceptUnwrapped bool
	// Subaddress stands between an address and a detail of it that is written to as
	// well: "+" or "-"; "" has no details.
	Subaddress string
	// ChannelBinding is accounts.channel_binding of the configuration.
	ChannelBinding bool
	// RefuseUnreachable is submission.refuse_unreachable of the configuration.
	RefuseUnreachable bool
	// Sealing says how messages are encrypted for which domain.
	Sealing Sealing
	// Evidence finds missing intermediates and revocations; nil finds nothing.
	Evidence trust.Evidence
	// Revocation says what to do when it is not known.
	Revocation trust.RevocationPolicy
	// Edges hands opened messages to the edges of accounts.
	Edges Pusher
	// Poster hands events to web hooks; nil goes to the public internet alone.
	Poster Poster
	// Bundles fetches trust bundles; nil goes to the public internet alone.
	Bundles bundle.Fetcher
	// Signers says whose signatures are believed, by domain of ours.
	Signers Signers
	// JudgeFor is how long a message waits for evidence that does not come, such
	// as a revocation list, until it is refused.
	JudgeFor time.Duration
	// MessageBytes bounds a message before it is sealed, in bytes.
	MessageBytes int64
	// CryptoMemory bounds the messages that are sealed or opened at once, in
	// bytes; others wait.
	CryptoMemory int64
	// Rates bounds how much mail may come from one.
	Rates Rates
	// QueueBytes bounds the messages under way; beyond it none is taken. 0 is no
	// bound.
	QueueBytes int64
	// RetryFor is how long a message is tried before its sender is told.
	RetryFor time.Duration
	// PerDestination is how many deliveries there are at once to one destination;
	// 0 is 8.
	PerDestination int
	// RefusedBytes bounds the originals of refused messages, in bytes; the oldest go
	// first. Less than 0 keeps none.
	RefusedBytes int64
	// MailboxBytes bounds the mailboxes of an account that has no quota of its own,
	// in bytes; 0 does not.
	MailboxBytes int64
	// Care looks after the store, by the clocks and the log of the Core.
	Care care.Keeper
	// Notify says what senders wait for.
	Notify Notify
	// Publish is what is told of our servers beside our certificates.
	Publish publish.Options
	// Delegated says that the name servers of Publish are there: this gateway
	// listens for DNS, or the configuration names others.
	Delegated bool
	Hasher    *password.Hasher
	// ScramIterations are the rounds of what SCRAM needs of a secret; 0 is
	// login.Iterations.
	ScramIterations int
	Now             func() time.Time
	// Steady is the clock of the queue: it goes on as time passes, whatever
	// becomes of the wall clock. Due times, deadlines and expiry are by it alone.
	// The clock of the Store, if nil.
	Steady func() time.Time
	Rand   io.Reader
	Log    *slog.Logger

	uneven      io.Reader // what makes waits uneven; Rand, if nil
	directories directories
	counts      counts
	breakers    breakers // of destinations
	slowHooks   slowHooks
	sending     sending // what is being relayed
	bundles     refresher
	hookEvents  hookCounts
	published   publications
	edgeRoots   *x509.CertPool         // whom edges are believed from that name nobody; nil is the system's
	noEdgeRoots error                  // why nobody is
	endRelay    func()                 // ends what waits of Sender, if it is one of ours
	keeper      *evidence.Keeper       // Evidence, if it is one of ours
	found       *discovery.Resolver    // Finder, if it is one of ours
	dns         *discovery.DNS         // that found, the relay and fetches ask
	wrong       *throttle              // passwords
	tokens      *admit.Meter[tokenUse] // that were recorded
	loginKey    loginKey
	learning    sync.Mutex // see learn
	rates       *rates     // of messages
	turned      *turned    // recipients
	limited     limited
	unopened    unopened
	crypto      *semaphore.Weighted
	judging     *semaphore.Weighted // strangers' certificates
	unwritten   atomic.Int32        // jobs in a row that could not be put back
	shortage    shortage            // of space for the store
	waiting     atomic.Int32        // messages that wait for evidence
	waits       sync.WaitGroup
}

// Directory returns who we are and whom we believe at this moment.
func (c *Core) Directory(ctx context.Context) (*Directory, error) {
	return c.directories.current(ctx)
}

// keepEvidence looks after what evidence was fetched until ctx is done.
func (c *Core) keepEvidence(ctx context.Context) {
	if c.keeper != nil {
		c.keeper.Run(ctx)
	}
}

// keepFound saves what was found of others' certificates until ctx is done.
func (c *Core) keepFound(ctx context.Context) {
	if c.found != nil {
		c.found.Run(ctx)
	}
}

// Close ends what runs in the background: fetches and searches. The store is
// needed until it returns.
func (c *Core) Close() {
	c.bundles.close()
	if c.endRelay != nil {
		c.endRelay()
	}
	if c.keeper != nil {
		c.keeper.Close()
	}
	if c.found != nil {
		c.found.Close()
	}
	if c.dns != nil {
		c.dns.Close()
	}
}

// Defaults of the zero Core.
const (
	defaultMessageBytes = 36 << 20
	defaultCryptoMemory = 256 << 20
	defaultRetryFor     = 72 * time.Hour
	defaultRefusedBytes = 1 << 30
	// An hour is what senders wait for an answer (DN-17); later they have been
	// told that the message failed.
	defaultJudgeFor = time.Hour
)

// sealedRoom is for the outer header, signatures with their certificates, and
// the envelope's recipients.
const sealedRoom = 1 << 20

// SealedBytes is what a message of so many bytes may grow to when it is sealed.
// A gateway must take from others what it lets its own users send to them.
func SealedBytes(message int64) int64 { return mime.Base64Size(message + sealedRoom) }

// setDefaults fills in what was left zero.
func (c *Core) setDefaults() {
	if c.Now == nil {
		c.Now = steady.Wall
	}
	if c.Steady == nil && c.Store != nil {
		c.Steady = c.Store.Steady
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.uneven == nil {
		c.uneven = c.Rand
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.MessageBytes = cmp.Or(c.MessageBytes, defaultMessageBytes)
	c.CryptoMemory = cmp.Or(c.CryptoMemory, defaultCryptoMemory)
	c.RetryFor = cmp.Or(c.RetryFor, defaultRetryFor)
	c.PerDestination = cmp.Or(c.PerDestination, defaultPerDestination)
	c.JudgeFor = cmp.Or(c.JudgeFor, defaultJudgeFor)
	c.RefusedBytes = cmp.Or(c.RefusedBytes, defaultRefusedBytes)
	c.Notify.ProcessedWithin = cmp.Or(c.Notify.ProcessedWithin, defaultNotifyWithin)
	c.Notify.DispatchedWithin = cmp.Or(c.Notify.DispatchedWithin, max(defaultNotifyWithin, c.Notify.ProcessedWithin))
	if c.ScramIterations == 0 {
		c.ScramIterations = login.Iterations
	}
	if c.Hasher == nil {
		c.Hasher = &password.Hasher{}
	}
	if c.Bundles == nil {
		c.Bundles = &fetch.Client{}
	}
	if c.Poster == nil {
		c.Poster = &fetch.Client{}
	}
	c.Care.Store, c.Care.Now, c.Care.Steady, c.Care.Log = c.Store, c.Now, c.Steady, c.Log
	c.Care.SetDefaults()
	c.wrong, c.rates, c.turned, c.tokens = newThrottle(), newRates(c.Rates), newTurned(), newTokenUses()
	c.directories.store, c.directories.log, c.directories.subaddress = c.Store, c.Log, c.Subaddress
	c.bundles.init(c)
	c.crypto = semaphore.NewWeighted(c.CryptoMemory)
	c.judging = semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)/2)))
}

// holdCrypto waits until size bytes of a message may be worked on. A message
// larger than the whole bound is worked on alone.
func (c *Core) holdCrypto(ctx context.Context, size int64) (release func(), err error) {
	size = min(max(size, 1), c.CryptoMemory)
	err = c.crypto.Acquire(ctx, size)
	if err != nil {
		return nil, err
	}
	return func() { c.crypto.Release(size) }, nil
}
