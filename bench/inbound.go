package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// inboundTargets are those of B9, by sessions.
func inboundTargets() map[int]float64 { return map[int]float64{1: 1.0, 10: 0.9} }

// inboundFigures are B9: sealed messages from the backbone into a mailbox, opened
// and believed, against Dovecot, which stores them as they are.
func inboundFigures(ctx context.Context, b *bench) (all []figure, err error) {
	if !haveDovecot() {
		return []figure{skipped("B9", "into a mailbox end to end against Dovecot", dovecotMissing)}, nil
	}
	t, err := b.newTown()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	h, err := b.receiving(ctx, t, "inbound")
	if err != nil {
		return nil, err
	}
	_, err = h.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopHouses(err, h) }()
	theirs, err := b.startDovecot(ctx)
	if err != nil {
		return nil, err
	}
	defer theirs.stop()
	for _, size := range b.upTo(100 << 10) {
		for _, sessions := range []int{1, 10, 50} {
			l := load{sessions: sessions, messages: b.mails}
			turns, err := interleave(b.rounds, b.turn, b.opened(ctx, h, l, size), b.taken(ctx, theirs.door(), l, size))
			if err != nil {
				return nil, err
			}
			f := figure{ID: "B9", What: fmt.Sprintf("into a mailbox, %s, %d sessions, opened and believed, against Dovecot LMTP as it is; with its acknowledgement %.3g ms of the processor each",
				sizeName(size), sessions, eachTook(turns[0])), Unit: "msg/s"}
			f = compared(f, perSecond, turns[0], turns[1])
			if least, ok := inboundTargets()[sessions]; ok && size == 10<<10 {
				f = f.atLeast(least)
			}
			all = append(all, f)
		}
	}
	return all, nil
}

// receiving is a gateway of the rig's recipient. Its acknowledgements go to the
// sink of the town.
func (b *bench) receiving(ctx context.Context, t *town, name string) (*house, error) {
	return b.newHouse(ctx, plan{
		name: name, domain: farDomain, user: recipientAddress(0), key: b.rig.to[0], dns: t.dns.Addr(),
		routes: map[string]string{nearDomain: t.sink.addr()},
	})
}

// opened is a side that hands sealed messages to a gateway and waits until they
// are in its mailbox. That they are acknowledged goes on meanwhile.
func (b *bench) opened(ctx context.Context, h *house, l load, size int) side {
	d := door{addr: h.backbone, used: h.used, sender: senderAddress, to: recipientAddress(0)}
	return func(long time.Duration) (turn, error) {
		l, err := b.sealedLoad(l, long, size)
		if err != nil {
			return turn{}, err
		}
		done, err := d.hand(ctx, l)
		if err == nil {
			err = h.awaitSteps(ctx, "open")
		}
		took := time.Since(done.began)
		err = errors.Join(err, h.awaitIdle(ctx))
		t, usedErr := d.turn(l.messages, done)
		t.Wall = int64(took) // without the acknowledgements, which the processor time has
		return t, errors.Join(err, usedErr)
	}
}

// sealedLoad is a load of sealed messages, a tenth of it to warm up.
func (b *bench) sealedLoad(l load, long time.Duration, size int) (load, error) {
	if long == 0 {
		l.messages = max(l.messages/10, l.sessions)
	}
	texts, err := b.sealed(l.messages, size)
	l.text = func(i int) []byte { return texts[i] }
	return l, err
}

// sealed are messages to the recipient, sealed by the sender.
func (b *bench) sealed(n, size int) ([][]byte, error) {
	a := newAgent(b.rig)
	b.series++
	text := numbered(size, fmt.Sprint("s", b.series))
	all := make([][]byte, n)
	path := filepath.Join(b.dir, "to-be-sealed")
	for i := range all {
		err := os.WriteFile(path, text(i), 0o600)
		if err != nil {
			return nil, err
		}
		all[i], err = sealFile(a, path)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func sealFile(a *agent, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	do, err := a.prepare("out", file, 1)
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	err = do(&sealed)
	return sealed.Bytes(), err
}

// awaitIdle waits until nothing is under way.
func (h *house) awaitIdle(ctx context.Context) error {
	return h.awaitSteps(ctx, "open", "seal", "relay")
}

func (h *house) awaitSteps(ctx context.Context, steps ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for _, step := range steps {
		for {
			n, err := h.metric(ctx, `postern_queue_jobs{step="`+step+`"}`)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			if !pause(ctx, 5*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
	return nil
}

// taken is a side that stores each message before it answers.
func (b *bench) taken(ctx context.Context, d door, l load, size int) side {
	return func(long time.Duration) (turn, error) {
		l, err := b.sealedLoad(l, long, size)
		if err != nil {
			return turn{}, err
		}
		done, err := d.hand(ctx, l)
		t, usedErr := d.turn(l.messages, done)
		return t, errors.Join(err, usedErr)
	}
}
