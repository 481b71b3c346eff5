package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A HookOrder is a web hook to be made.
type HookOrder struct {
	Address string   `json:"address"`
	URL     string   `json:"url"`
	Events  []string `json:"events"` // empty is all
}

// A HookName names a web hook of an account. A list without an address is of all.
type HookName struct {
	Address string `json:"address,omitempty"`
	ID      string `json:"id,omitempty"`
}

// A MadeHook is a new web hook, or one with a new secret. The secret is told this once.
type MadeHook struct {
	gateway.HookInfo
	Secret string `json:"secret"`
	// Until is how long the secret before it signs beside it.
	Until time.Time `json:"until,omitzero"`
}

func (s *Service) handleHooks(mux *http.ServeMux) {
	handle(mux, commandBytes, "hook/add", s.addHook)
	handle(mux, commandBytes, "hook/list", s.listHooks)
	handle(mux, commandBytes, "hook/show", s.showHook)
	handle(mux, commandBytes, "hook/remove", s.removeHook)
	handle(mux, commandBytes, "hook/enable", s.enableHook)
	handle(mux, commandBytes, "hook/rotate", s.rotateHook)
	handle(mux, commandBytes, "hook/test", s.testHook)
}

func (s *Service) addHook(ctx context.Context, in HookOrder) (MadeHook, error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return MadeHook{}, err
	}
	order := gateway.HookOrder{Account: address, URL: in.URL, Events: store.HookEventTypes()}
	if len(in.Events) > 0 {
		order.Events = nil
	}
	for _, e := range in.Events {
		order.Events = append(order.Events, store.HookEventType(e))
	}
	made, secret, err := s.Core.AddHook(ctx, actor(ctx), order)
	return MadeHook{HookInfo: made, Secret: secret}, s.hookError(ctx, err, address)
}

// hookError says in an operator's words why a web hook is not made.
func (s *Service) hookError(ctx context.Context, err error, address mime.Address) error {
	switch {
	case errors.Is(err, gateway.ErrHookURL):
		return invalid(err, "name an https URL, with a host, without a user's name, and not at the port of another protocol")
	case errors.Is(err, gateway.ErrHookEvents):
		return invalid(err, "events are arrived, delivered and failed")
	case errors.Is(err, gateway.ErrHooksEnough):
		return &Error{Kind: Negative, Message: err.Error(), Hint: "postern hook remove makes room"}
	case errors.Is(err, store.ErrNotFound):
		return cmp.Or(s.requireAccount(ctx, address), err)
	}
	return err
}

// requireAccount says what an address is that is no account.
func (s *Service) requireAccount(ctx context.Context, address mime.Address) error {
	return s.Core.Store.View(ctx, func(tx store.Tx) error {
		_, err := accountOf(tx, address)
		return err
	})
}

// read reads the name of one web hook.
func (in HookName) read() (mime.Address, error) {
	if in.ID == "" {
		return mime.Address{}, invalid(errors.New("it is not said which web hook is meant"), "postern hook list shows their ids")
	}
	return mime.ParseAddress(in.Address)
}

func noHook(err error, in HookName) error {
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: Negative, Message: fmt.Sprintf("%s has no web hook %s", in.Address, in.ID), Hint: "postern hook list shows them"}
	}
	return err
}

func (s *Service) listHooks(ctx context.Context, in HookName) ([]gateway.HookInfo, error) {
	if in.Address == "" {
		return s.Core.Hooks(ctx, mime.Address{})
	}
	account, err := mime.ParseAddress(in.Address)
	if err != nil {
		return nil, err
	}
	all, err := s.Core.Hooks(ctx, account)
	if err == nil && len(all) == 0 {
		err = s.requireAccount(ctx, account)
	}
	return all, err
}

func (s *Service) showHook(ctx context.Context, in HookName) (gateway.HookInfo, error) {
	account, err := in.read()
	if err != nil {
		return gateway.HookInfo{}, err
	}
	h, err := s.Core.Hook(ctx, account, in.ID)
	return h, noHook(err, in)
}

func (s *Service) removeHook(ctx context.Context, in HookName) (None, error) {
	account, err := in.read()
	if err != nil {
		return None{}, err
	}
	return None{}, noHook(s.Core.RemoveHook(ctx, actor(ctx), account, in.ID), in)
}

func (s *Service) enableHook(ctx context.Context, in HookName) (None, error) {
	account, err := in.read()
	if err != nil {
		return None{}, err
	}
	return None{}, noHook(s.Core.EnableHook(ctx, actor(ctx), account, in.ID), in)
}

func (s *Service) rotateHook(ctx context.Context, in HookName) (MadeHook, error) {
	account, err := in.read()
	if err != nil {
		return MadeHook{}, err
	}
	h, secret, err := s.Core.RotateHook(ctx, actor(ctx), account, in.ID)
	if err != nil {
		return MadeHook{}, noHook(err, in)
	}
	return MadeHook{HookInfo: h, Secret: secret, Until: h.PreviousUntil}, nil
}

func (s *Service) testHook(ctx context.Context, in HookName) (gateway.HookAttempt, error) {
	account, err := in.read()
	if err != nil {
		return gateway.HookAttempt{}, err
	}
	a, err := s.Core.TestHook(ctx, actor(ctx), account, in.ID)
	return a, noHook(err, in)
}

// AddHook makes a web hook, whose secret is told this once.
func (c *Client) AddHook(ctx context.Context, in HookOrder) (MadeHook, error) {
	return call[HookOrder, MadeHook](ctx, c, "hook/add", in)
}

// Hooks lists the web hooks of an account, or all without one.
func (c *Client) Hooks(ctx context.Context, address string) ([]gateway.HookInfo, error) {
	return call[HookName, []gateway.HookInfo](ctx, c, "hook/list", HookName{Address: address})
}

// ShowHook shows a web hook.
func (c *Client) ShowHook(ctx context.Context, in HookName) (gateway.HookInfo, error) {
	return call[HookName, gateway.HookInfo](ctx, c, "hook/show", in)
}

// RemoveHook ends a web hook.
func (c *Client) RemoveHook(ctx context.Context, in HookName) error {
	_, err := call[HookName, None](ctx, c, "hook/remove", in)
	return err
}

// EnableHook has a web hook told again that was disabled.
func (c *Client) EnableHook(ctx context.Context, in HookName) error {
	_, err := call[HookName, None](ctx, c, "hook/enable", in)
	return err
}

// RotateHook gives a web hook another secret, which is told this once.
func (c *Client) RotateHook(ctx context.Context, in HookName) (MadeHook, error) {
	return call[HookName, MadeHook](ctx, c, "hook/rotate", in)
}

// TestHook sends a ping to a web hook.
func (c *Client) TestHook(ctx context.Context, in HookName) (gateway.HookAttempt, error) {
	return call[HookName, gateway.HookAttempt](ctx, c, "hook/test", in)
}
