package gateway

import (
	"context"
	"errors"

	"postern/httpedge"
	"postern/internal/audit"
	"postern/store"
)

// hookError gives the errors of hooks the names that httpedge knows.
func hookError(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return httpedge.ErrNotFound
	case errors.Is(err, ErrHooksEnough):
		return httpedge.ErrLimit
	case errors.Is(err, ErrHookURL):
		return httpedge.WrongMember("url", err.Error())
	case errors.Is(err, ErrHookEvents):
		return httpedge.WrongMember("events", err.Error())
	}
	return err
}

func hookShown(h HookInfo) httpedge.Hook {
	out := httpedge.Hook{
		ID: h.ID, URL: h.URL, Created: h.Created, Enabled: h.Disabled == "",
		Waiting: h.State.Waiting, Delivered: h.State.Delivered, Lost: h.State.Lost,
		LastAt: h.State.LastAt, LastStatus: h.State.LastStatus, LastError: h.State.LastError,
	}
	for _, e := range h.Events {
		out.Events = append(out.Events, string(e))
	}
	return out
}

// editor changes the hooks of an account in its own name.
func (e HTTPEdge) editor(l httpedge.Login) hookEditor {
	return hookEditor{e.Core, audit.Account(l.Account.String()), e.proven(l)}
}

// Hooks implements httpedge.Hooks.
func (e HTTPEdge) Hooks(ctx context.Context, l httpedge.Login) ([]httpedge.Hook, error) {
	all, err := e.Core.Hooks(ctx, l.Account)
	var out []httpedge.Hook
	for _, h := range all {
		out = append(out, hookShown(h))
	}
	return out, hookError(err)
}

// AddHook implements httpedge.Hooks.
func (e HTTPEdge) AddHook(ctx context.Context, l httpedge.Login, url string, events []string) (httpedge.Hook, error) {
	order := HookOrder{Account: l.Account, URL: url}
	for _, name := range events {
		order.Events = append(order.Events, store.HookEventType(name))
	}
	h, secret, err := e.editor(l).add(ctx, order)
	if err != nil {
		return httpedge.Hook{}, hookError(err)
	}
	out := hookShown(h)
	out.Secret = secret
	return out, nil
}

// Hook implements httpedge.Hooks.
func (e HTTPEdge) Hook(ctx context.Context, l httpedge.Login, id string) (httpedge.Hook, error) {
	h, err := e.Core.Hook(ctx, l.Account, id)
	return hookShown(h), hookError(err)
}

// RemoveHook implements httpedge.Hooks.
func (e HTTPEdge) RemoveHook(ctx context.Context, l httpedge.Login, id string) error {
	return hookError(e.editor(l).remove(ctx, l.Account, id))
}

// EnableHook implements httpedge.Hooks.
func (e HTTPEdge) EnableHook(ctx context.Context, l httpedge.Login, id string) error {
	return hookError(e.editor(l).enable(ctx, l.Account, id))
}

// RotateHook implements httpedge.Hooks.
func (e HTTPEdge) RotateHook(ctx context.Context, l httpedge.Login, id string) (httpedge.Hook, error) {
	h, secret, err := e.editor(l).rotate(ctx, l.Account, id)
	if err != nil {
		return httpedge.Hook{}, hookError(err)
	}
	out := hookShown(h)
	out.Secret = secret
	return out, nil
}
