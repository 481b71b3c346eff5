package control

import (
	"context"
	"net"
	"os"

	"postern/internal/audit"
	"postern/store"
)

// actorKey is that of the actor in the context of a command.
type actorKey struct{}

// withActor remembers who is at the other end of a connection.
func withActor(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, actorKey{}, audit.Operator(operatorOf(c)))
}

// operatorOf is the user id of the process at the other end of the socket. What
// comes over a pipe is our own.
func operatorOf(c net.Conn) int {
	socket, ok := c.(*net.UnixConn)
	if ok {
		uid, err := peerOf(socket)
		if err == nil {
			return uid
		}
	}
	return os.Getuid() // the socket is for its owner only
}

// actor is who gave the command that ctx belongs to.
func actor(ctx context.Context) string {
	a, ok := ctx.Value(actorKey{}).(string)
	if !ok {
		return audit.Operator(os.Getuid())
	}
	return a
}

// A deed is what a command did, for its record.
type deed struct {
	object string // what was changed; "" after a command that changed nothing
	detail string // how
	keys   []string
}

// change does what an operator ordered, and records it in the same transaction:
// object says what is changed, detail how.
func (s *Service) change(ctx context.Context, object, detail string, fn func(store.Tx) error) error {
	return s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		return deed{object: object, detail: detail}, fn(tx)
	})
}

// changeTold is change for what is known only when it was done.
func (s *Service) changeTold(ctx context.Context, fn func(store.Tx) (deed, error)) error {
	return s.Core.Store.Update(ctx, func(tx store.Tx) error {
		done, err := fn(tx)
		if err != nil || done.object == "" {
			return err
		}
		return tx.Audit(s.told(ctx, audit.Changed, done))
	})
}

func (s *Service) told(ctx context.Context, action audit.Action, d deed) audit.Record {
	return audit.Record{At: s.Core.Now(), Actor: actor(ctx), Action: action, Object: d.object, Detail: d.detail, Keys: d.keys}
}

// use records that a command uses private keys, before it does: what cannot be
// recorded is not done.
func (s *Service) use(ctx context.Context, d deed) error {
	return s.Core.Audit(ctx, s.told(ctx, audit.Used, d))
}
