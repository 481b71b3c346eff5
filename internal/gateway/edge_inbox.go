package gateway

import (
	"context"

	"postern/httpedge"
)

// Messages implements httpedge.Inbox.
func (e HTTPEdge) Messages(ctx context.Context, l httpedge.Login, q httpedge.InboxQuery) (httpedge.InboxPage, error) {
	s, err := sessionOf(l)
	if err != nil {
		return httpedge.InboxPage{}, err
	}
	return s.inbox.List(ctx, q)
}

// Wait implements httpedge.Inbox.
func (e HTTPEdge) Wait(ctx context.Context, l httpedge.Login, p httpedge.InboxPage) error {
	s, err := sessionOf(l)
	if err != nil {
		return err
	}
	return s.inbox.Wait(ctx, p)
}

// Open implements httpedge.Inbox.
func (e HTTPEdge) Open(ctx context.Context, l httpedge.Login, id string) (httpedge.Received, httpedge.Body, error) {
	s, err := sessionOf(l)
	if err != nil {
		return httpedge.Received{}, nil, err
	}
	return s.inbox.Open(ctx, id)
}

// Look implements httpedge.Inbox.
func (e HTTPEdge) Look(ctx context.Context, l httpedge.Login, id string) (httpedge.Received, httpedge.Body, error) {
	s, err := sessionOf(l)
	if err != nil {
		return httpedge.Received{}, nil, err
	}
	return s.inbox.Look(ctx, id)
}

// Took implements httpedge.Inbox.
func (e HTTPEdge) Took(ctx context.Context, l httpedge.Login, id string) error {
	s, err := sessionOf(l)
	if err != nil {
		return err
	}
	return s.inbox.Took(ctx, id)
}

// Acknowledge implements httpedge.Inbox.
func (e HTTPEdge) Acknowledge(ctx context.Context, l httpedge.Login, id string, on bool) error {
	s, err := sessionOf(l)
	if err != nil {
		return err
	}
	return s.inbox.Acknowledge(ctx, id, on)
}

// Remove implements httpedge.Inbox.
func (e HTTPEdge) Remove(ctx context.Context, l httpedge.Login, id string) error {
	s, err := sessionOf(l)
	if err != nil {
		return err
	}
	return s.inbox.Remove(ctx, id)
}
