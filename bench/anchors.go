package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"

	"postern/trust"
)

// anchorRoom is what one anchor may take in memory, in octets.
const anchorRoom = 8 << 10

// anchorsFile holds the DER of all anchors in a rig's directory; the one that
// counts comes first.
const anchorsFile = "anchors.der"

// anchorFigures are B12: a message in when the domain has 10, 1,000 and 10,000
// anchors, each in a process of its own, and what anchors take in memory.
func anchorFigures(ctx context.Context, b *bench) ([]figure, error) {
	err := b.writeAnchors()
	if err != nil {
		return nil, err
	}
	numbers := []int{10, b.anchors / 10, b.anchors}
	var peers []*peer
	var sides []side
	var p *files
	for _, n := range numbers {
		one, err := b.startSelf(ctx, "postern")
		if err != nil {
			return nil, stopAll(err, peers...)
		}
		peers = append(peers, one)
		if p == nil {
			p, err = b.messages(one, one, 10<<10)
			if err != nil {
				return nil, stopAll(err, peers...)
			}
		}
		sides = append(sides, one.side("anchored", p.sealed, n))
	}
	turns, err := interleave(b.rounds, b.turn, sides...)
	err = stopAll(err, peers...)
	if err != nil {
		return nil, err
	}
	var all []figure
	for i, n := range numbers[1:] {
		f := figure{ID: "B12", What: fmt.Sprintf("in, 10 KiB, anchors %d against 10", n), Unit: "ms"}
		all = append(all, compared(f, cpuMillis, turns[i+1], turns[0]).atMost(1.1))
	}
	room, err := b.anchorMemory()
	return append(all, room...), err
}

// anchorMemory are what an anchor takes in memory, and how long it takes to
// read them all, which happens when the configuration changes.
func (b *bench) anchorMemory() ([]figure, error) {
	before, start := heap(), processorTime()
	set, err := readAnchors(b.dir, b.anchors)
	if err != nil {
		return nil, err
	}
	took := float64(processorTime()-start) / 1e6
	room := (heap() - before) / float64(set.Len())
	memory := figure{ID: "B12", What: fmt.Sprintf("memory of one anchor of %d", b.anchors), Unit: "B",
		Ours: room, Peer: anchorRoom, Ratio: room / anchorRoom, Spread: 1}
	reading := figure{ID: "B12", What: fmt.Sprintf("reading %d anchors, off the mail path, processor time against 500 ms", b.anchors), Unit: "ms",
		Ours: took, Peer: 500, Ratio: took / 500, Spread: 1}
	return []figure{memory.atMost(1), reading.atMost(1)}, nil
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// readAnchors is the set of the first n anchors.
func readAnchors(dir string, n int) (*trust.Anchors, error) {
	der, err := os.ReadFile(filepath.Join(dir, anchorsFile))
	if err != nil {
		return nil, err
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil || len(certs) < n {
		return nil, fmt.Errorf("reading the anchors: %d of %d, %w", len(certs), n, err)
	}
	return trust.NewAnchors(certs[:n]), nil
}

// writeAnchors writes the anchors into a file of the rig.
func (b *bench) writeAnchors() error {
	certs, err := b.makeAnchors(b.anchors)
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for _, c := range certs {
		all.Write(c.Raw)
	}
	return os.WriteFile(filepath.Join(b.dir, anchorsFile), all.Bytes(), 0o600)
}

// makeAnchors makes n certificates of authorities, the first that of the rig,
// each with a name and an RSA public key of its own. Nobody has the private keys,
// and one other key signs them all, since to make 10,000 pairs of keys takes an
// hour.
func (b *bench) makeAnchors(n int) ([]*x509.Certificate, error) {
	registry, err := newP256(authority("bench registry"), identity{})
	if err != nil {
		return nil, err
	}
	all := []*x509.Certificate{b.rig.root.cert}
	for i := 1; i < n; i++ {
		modulus, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 2047))
		if err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
		modulus.SetBit(modulus, 2047, 1).SetBit(modulus, 0, 1)
		c, err := certify(authority(fmt.Sprintf("bench authority %d", i)), &rsa.PublicKey{N: modulus, E: 65537}, registry)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
