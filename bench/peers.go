package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

func allSizes() []int { return []int{10 << 10, 100 << 10, 1 << 20, 10 << 20, 25 << 20} }

// upTo are the sizes up to most.
func (b *bench) upTo(most int) []int {
	var some []int
	for _, s := range b.sizes {
		if s <= most {
			some = append(some, s)
		}
	}
	return some
}

func sizeName(size int) string {
	if size < 1<<20 {
		return strconv.Itoa(size>>10) + " KiB"
	}
	return strconv.Itoa(size>>20) + " MiB"
}

// files are one message, plain and sealed by Postern, by name.
type files struct{ plain, sealed string }

// messages makes the files of one size: a message and Postern's sealed form. It
// makes sure that both sides read what the other writes, octet for octet, for
// otherwise their figures would not be of the same work.
func (b *bench) messages(ours, theirs *peer, size int) (*files, error) {
	f := &files{plain: fmt.Sprintf("%d.eml", size), sealed: fmt.Sprintf("%d.sealed", size)}
	want := message(size)
	err := os.WriteFile(filepath.Join(b.dir, f.plain), want, 0o600)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		ours.make("out", f.plain, 1, f.sealed), theirs.make("in", f.sealed, 1, "result.theirs"),
		theirs.make("out", f.plain, 1, "sealed.theirs"), ours.make("in", "sealed.theirs", 1, "result.ours"),
	)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"result.theirs", "result.ours"} {
		got, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			return nil, err
		}
		if !bytes.HasSuffix(got, want) { // the header of the wrapper may stand before it
			return nil, fmt.Errorf("%s is not the message of %s", name, sizeName(size))
		}
	}
	return f, nil
}

// stopAll ends peers; nil is none.
func stopAll(err error, all ...*peer) error {
	for _, p := range all {
		if p != nil {
			err = errors.Join(err, p.stop())
		}
	}
	return err
}

// A way is out or in, with the targets for each of allSizes.
type way struct {
	name    string
	whole   []float64 // against whole messages
	cmsOnly []float64 // against the CMS alone
}

// cFigures are B3: against a C program with libcrypto, which does the same
// work, and against the same without MIME and base64.
func cFigures(ctx context.Context, b *bench) ([]figure, error) {
	theirs, err := b.startC(ctx)
	if err != nil {
		return nil, err
	}
	if theirs == nil {
		return []figure{skipped("B3", "out and in against libcrypto", cMissing)}, nil
	}
	ours, err := b.startSelf(ctx, "postern")
	if err != nil {
		return nil, stopAll(err, theirs)
	}
	var all []figure
	for i, size := range b.sizes {
		some, err := b.cSize(ours, theirs, i, size)
		if err != nil {
			return nil, stopAll(err, ours, theirs)
		}
		all = append(all, some...)
	}
	return all, stopAll(nil, ours, theirs)
}

// cSize are the figures of one size, the i-th.
func (b *bench) cSize(ours, theirs *peer, i, size int) ([]figure, error) {
	ways := []way{
		{"out", []float64{0.36, 0.75, 1.3, 1.6, 1.8}, []float64{0.36, 0.5, 0.85, 1.1, 1.2}},
		{"in", []float64{0.75, 2, 5, 7, 7}, []float64{0.55, 0.65, 1, 1.2, 0.8}},
	}
	p, err := b.messages(ours, theirs, size)
	if err != nil {
		return nil, err
	}
	err = theirs.make("outder", p.plain, 1, "sealed.der")
	if err != nil {
		return nil, err
	}
	inputs := map[string][2]string{"out": {p.plain, p.plain}, "in": {p.sealed, "sealed.der"}}
	var all []figure
	for _, w := range ways {
		input := inputs[w.name]
		turns, err := interleave(b.rounds, b.turn,
			ours.side(w.name, input[0], 1), theirs.side(w.name, input[0], 1), theirs.side(w.name+"der", input[1], 1))
		if err != nil {
			return nil, err
		}
		what := w.name + ", " + sizeName(size) + ", against libcrypto"
		all = append(all,
			compared(figure{ID: "B3", What: what, Unit: "msg/cpu-s"}, perCPU, turns[0], turns[1]).atLeast(w.whole[i]),
			compared(figure{ID: "B3", What: what + ", CMS alone", Unit: "msg/cpu-s"}, perCPU, turns[0], turns[2]).atLeast(w.cmsOnly[i]))
	}
	return all, nil
}

// libraryFigures are B4: against smallstep/pkcs7 with a few lines of MIME
// around it, in time and in octets allocated.
func libraryFigures(ctx context.Context, b *bench) ([]figure, error) {
	ours, err := b.startSelf(ctx, "postern")
	if err != nil {
		return nil, err
	}
	theirs, err := b.startSelf(ctx, "smallstep")
	if err != nil {
		return nil, stopAll(err, ours)
	}
	var all []figure
	for _, size := range b.sizes {
		p, err := b.messages(ours, theirs, size)
		if err != nil {
			return nil, stopAll(err, ours, theirs)
		}
		for op, file := range p.both() {
			turns, err := interleave(b.rounds, b.turn, ours.side(op, file, 1), theirs.side(op, file, 1))
			if err != nil {
				return nil, stopAll(err, ours, theirs)
			}
			what := op + ", " + sizeName(size) + ", against smallstep/pkcs7"
			faster := 1.0
			if size >= 1<<20 {
				faster = 1.15
			}
			memory := compared(figure{ID: "B4", What: what + ", allocated", Unit: "B/msg"}, allocated, turns[0], turns[1])
			if size >= 100<<10 {
				memory = memory.atMost(0.25)
			}
			all = append(all, compared(figure{ID: "B4", What: what, Unit: "msg/cpu-s"}, perCPU, turns[0], turns[1]).atLeast(faster), memory)
		}
	}
	return all, stopAll(nil, ours, theirs)
}

// both yields the two ways and the file that each begins with.
func (f *files) both() func(func(op, file string) bool) {
	return func(yield func(op, file string) bool) {
		_ = yield("out", f.plain) && yield("in", f.sealed)
	}
}

// javaFigures are B5: against a Java program with BouncyCastle, in processor
// time once its virtual machine is warm, and in peak memory.
func javaFigures(ctx context.Context, b *bench) ([]figure, error) {
	var all []figure
	for _, size := range b.upTo(10 << 20) {
		// Each size has processes of its own, so that a peak belongs to it.
		theirs, err := b.startJava(ctx)
		if err != nil {
			return nil, err
		}
		if theirs == nil {
			return []figure{skipped("B5", "out and in against BouncyCastle", javaMissing)}, nil
		}
		some, err := b.javaSize(ctx, theirs, size)
		err = stopAll(err, theirs)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (b *bench) javaSize(ctx context.Context, theirs *peer, size int) ([]figure, error) {
	// The process that makes files holds them whole, so it is not the one whose
	// peak counts.
	maker, err := b.startSelf(ctx, "postern")
	if err != nil {
		return nil, err
	}
	p, err := b.messages(maker, theirs, size)
	err = stopAll(err, maker)
	if err != nil {
		return nil, err
	}
	ours, err := b.startSelf(ctx, "postern")
	if err != nil {
		return nil, err
	}
	all, err := b.javaPair(ours, theirs, p, size)
	return all, stopAll(err, ours)
}

func (b *bench) javaPair(ours, theirs *peer, p *files, size int) ([]figure, error) {
	least := 2.5
	if size >= 100<<10 {
		least = 4
	}
	var all []figure
	for op, file := range p.both() {
		_, err := theirs.side(op, file, 1)(b.warm)
		if err != nil {
			return nil, err
		}
		turns, err := interleave(b.rounds, b.turn, ours.side(op, file, 1), theirs.side(op, file, 1))
		if err != nil {
			return nil, err
		}
		what := op + ", " + sizeName(size) + ", against BouncyCastle"
		all = append(all, compared(figure{ID: "B5", What: what, Unit: "msg/cpu-s"}, perCPU, turns[0], turns[1]).atLeast(least))
	}
	f := figure{ID: "B5", What: "out and in, " + sizeName(size) + ", peak memory against BouncyCastle", Unit: "MiB", Spread: 1}
	var err error
	f.Ours, err = ours.peak()
	if err != nil {
		return nil, err
	}
	f.Peer, err = theirs.peak()
	if err != nil {
		return nil, err
	}
	f.Ratio = f.Ours / f.Peer
	return append(all, f.atMost(0.2)), nil
}
