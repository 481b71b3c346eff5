package gateway

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/gateway/proof"
	"postern/internal/password"
	"postern/mime"
	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A Submission is where EHRs hand in mail: the backend of the submission
// server.
type Submission struct{ *Core }

// checkLogin refuses a login that is no longer good.
func checkLogin(s proof.Source, account mime.Address, proven string, now time.Time) error {
	err := proof.Check(s, account, proven, now)
	if errors.Is(err, proof.ErrRevoked) {
		return reason.New(reason.AuthRequired, "%w", err)
	}
	return err
}

// Authenticate proves an account by its address and password. Every failure
// takes the time of a real check and says the same. from decides when it has its turn
// among those that wait for a check.
func (c *Core) Authenticate(ctx context.Context, from password.Client, user, secret string) (store.Account, error) {
	dir, err := c.Directory(ctx)
	if err != nil {
		return store.Account{}, reason.New(reason.Internal, "%w", err)
	}
	account := store.Account{}
	a, err := mime.ParseAddress(user)
	if err == nil {
		account, _ = dir.Account(a)
	}
	ok, err := c.Hasher.VerifyOrBurn(ctx, from, account.Password, []byte(secret))
	if err != nil {
		return store.Account{}, reason.New(reason.Busy, "checking a password: %w", err)
	}
	if account.Damaged { // whether the password is right cannot be told
		return store.Account{}, reason.New(reason.Internal, "the record of %s is damaged", a)
	}
	if !ok || account.Disabled {
		return store.Account{}, errWrongLogin()
	}
	return account, nil
}

// CheckSender lets an account send as what it may use (EP-11), and only while it is
// the one that logged in.
func (s Submission) CheckSender(ctx context.Context, login smtp.Login, from mime.Address) error {
	dir, err := s.Directory(ctx)
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	err = checkLogin(knownAccounts{dir}, login.Account, login.Proof, s.Now())
	if err != nil {
		return err
	}
	account, _ := dir.Account(login.Account)
	return maySendAs(dir, account, from)
}

// CheckRecipient refuses addresses of our own domains that do not exist; all others
// are for discovery to judge, now or when the message is taken.
func (s Submission) CheckRecipient(ctx context.Context, from, to mime.Address) error {
	refused, err := s.refusals(ctx, from, []mime.Address{to})
	if err != nil || len(refused) == 0 {
		return err
	}
	return refused[0].Err
}

// Accept takes a submitted message: its header is checked and completed, Bcc
// is split off, and it is committed to the queue before Accept returns nil.
func (s Submission) Accept(ctx context.Context, e smtp.Envelope, message io.Reader) (string, error) {
	track, err := s.take(ctx, e, message, func(store.Tx, store.Track) error { return nil })
	return string(track.ID), err
}

// take is Accept, with what also happens in the transaction that takes the message:
// where also fails, the message is not taken. One that is refused for good has a track as
// well, and its ID is returned.
func (s Submission) take(ctx context.Context, e smtp.Envelope, message io.Reader, also func(store.Tx, store.Track) error) (store.Track, error) {
	in := newIncoming(roomy{message, s.Core})
	track, err := s.takeFrom(ctx, e, in, also)
	if err != nil {
		return store.Track{ID: s.refuse(ctx, e, in.messageID, err)}, err
	}
	return track, nil
}

// An incoming is a message as an account hands it in.
type incoming struct {
	*bufio.Reader
	digest    hash.Hash // of what was read
	messageID string    // once the header was read; "" if it has none that can be used
}

func newIncoming(message io.Reader) *incoming {
	digest := sha256.New()
	return &incoming{Reader: bufio.NewReaderSize(io.TeeReader(message, digest), 32<<10), digest: digest}
}

// header reads the header.
func (in *incoming) header() (*mime.Header, error) {
	header, err := mime.ReadHeader(in.Reader, mime.Limits{})
	if err != nil {
		return nil, acceptError(err, "reading the header")
	}
	in.messageID = header.OnlyMessageID()
	return inASCII(header)
}

func (s Submission) takeFrom(ctx context.Context, e smtp.Envelope, in *incoming, also func(store.Tx, store.Track) error) (store.Track, error) {
	err := s.begin(ctx, e)
	if err != nil {
		return store.Track{}, err
	}
	header, err := in.header()
	if err != nil {
		return store.Track{}, err
	}
	now, due := s.Now(), s.Steady()
	speaking, err := s.checkHeader(ctx, header, e)
	if err != nil {
		return store.Track{}, err
	}
	undated := header.Get("Date") == ""
	err = s.completeHeader(header, e.From, now)
	if err != nil {
		return store.Track{}, err
	}
	blind, err := blindOf(header, e.To)
	if err != nil {
		return store.Track{}, err
	}
	automatic := mime.IsNotification(header)
	var body store.BodyWriter
	if automatic {
		body, err = s.spoolReport(ctx, e.Account, header, in)
	} else {
		body, err = s.spool(ctx, header, in)
	}
	if err != nil {
		return store.Track{}, err
	}
	defer body.Discard()
	track, err := s.newTrack(store.Now, header.MessageID(), e.From, e.To, body.Size(), now)
	if err != nil {
		return store.Track{}, err
	}
	track.Outbound, track.Automatic = true, automatic
	track.Timely, track.AnswersTo = mdn.WantsFinalDelivery(header), answersTo(header, e.From)
	noteAsked(&track, e)
	if undated {
		track.Dated = now
	}
	track.Digest, track.Account = hex.EncodeToString(in.digest.Sum(nil)), accountBeside(e)
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		err := s.stillMaySend(tx, e, speaking)
		if err == nil {
			err = speaking.note(tx, s.Core)
		}
		if err == nil {
			err = also(tx, track)
		}
		if err != nil {
			return err
		}
		id, err := tx.PutBody(body)
		if err != nil {
			return err
		}
		track.Watch = 0
		redated, err := s.redate(tx, &track)
		if err != nil {
			return err
		}
		err = s.setWatch(tx, &track)
		if err != nil {
			return err
		}
		err = beginTrack(tx, audit.Accepted, audit.Account(e.Account.String()), track, store.Event{At: now, Stage: store.StageAccept, Detail: submittedBy(e)})
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(store.Job{
			Kind: store.SealJob, Track: track.ID, Era: store.Now, Body: id, Size: body.Size(),
			Sender: e.From, Recipients: e.To, Blind: blind, Date: redated,
			Automatic: track.Automatic, Flow: flowOf(e.Account),
			Created: due, Due: due, Expires: s.expiry(track.Automatic),
		})
		return err
	})
	if err != nil {
		return store.Track{}, storeError(err)
	}
	s.Log.Info("message", "track", track.ID, "stage", store.StageAccept, "from", e.From, "rcpts", len(e.To), "size", body.Size(), "peer", e.Remote.Addr())
	return track, nil
}

// accountBeside is who hands a message in, where that is not its sender.
func accountBeside(e smtp.Envelope) mime.Address {
	if e.From.Same(e.Account) {
		return mime.Address{}
	}
	return e.Account
}

// answersTo is to whom others may send the notifications about a message, beside its
// sender.
func answersTo(h *mime.Header, sender mime.Address) []mime.Address {
	asked, err := mdn.Destination(h)
	if err != nil {
		return nil // nobody finds an address there
	}
	return slices.DeleteFunc(asked, sender.Same)
}

// stillMaySend looks at the account in the transaction that takes its message:
// a transfer takes its time, and the account may be closed meanwhile.
func (c *Core) stillMaySend(tx store.Tx, e smtp.Envelope, s speaking) error {
	err := checkLogin(tx, e.Account, e.Proof, c.Now())
	if err != nil {
		return err
	}
	account, err := tx.Account(e.Account)
	if err != nil {
		return err
	}
	return s.check(c.book(tx), account)
}

// spool writes header and rest to a new body.
func (c *Core) spool(ctx context.Context, header *mime.Header, rest io.Reader) (store.BodyWriter, error) {
	body, err := c.Store.NewBody(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	_, err = header.WriteTo(body)
	if err == nil {
		_, err = io.Copy(body, rest)
	}
	if err != nil {
		body.Discard()
		return nil, acceptError(err, "spooling")
	}
	return body, nil
}

// acceptError gives an error of reading a message its reason.
func acceptError(err error, doing string) error {
	code := reason.Of(err)
	if code != reason.Internal {
		return fmt.Errorf("%s: %w", doing, err)
	}
	code = codeOf(err)
	return reason.New(code, doing+": %w", err)
}
