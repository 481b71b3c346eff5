package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"postern/internal/cms"
	"postern/internal/cms/smime"
)

// gcmFigures are C1: AES-256-GCM against AES-256-CBC, both ways.
func gcmFigures(_ context.Context, b *bench) ([]figure, error) {
	cbc, gcm := newAgent(b.rig), newAgent(b.rig)
	gcm.options.Cipher = cms.AES256GCM
	var all []figure
	for _, size := range b.upTo(1 << 20) {
		some, err := b.bothWays("C1", sizeName(size)+", AES-256-GCM against CBC", size, gcm, cbc)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// agreementFigures are C2: ECDH on P-256 against RSA-2048, both ways.
func agreementFigures(_ context.Context, b *bench) ([]figure, error) {
	ec, err := newAgreeing(b.rig)
	if err != nil {
		return nil, err
	}
	return b.bothWays("C2", "10 KiB, ECDH P-256 against RSA-2048", 10<<10, ec, newAgent(b.rig))
}

// newAgreeing is an agent whose recipient has a key on P-256.
func newAgreeing(r *rig) (*agent, error) {
	a := newAgent(r)
	to, err := newP256(endEntity(recipientAddress(0)), r.issuer)
	if err != nil {
		return nil, err
	}
	static, err := to.key.(*ecdsa.PrivateKey).ECDH()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	a.to = []identity{to}
	a.keys = []cms.RecipientKey{{Certificate: to.cert, Agreement: static}}
	return a, nil
}

// bothWays compares two agents, each opening what it sealed.
func (b *bench) bothWays(id, what string, size int, ours, theirs *agent) ([]figure, error) {
	plain := inMemory(message(size))
	var out, in []side
	for _, a := range []*agent{ours, theirs} {
		seal, err := a.out(plain, 1)
		if err != nil {
			return nil, err
		}
		var sealed bytes.Buffer
		err = seal(&sealed)
		if err != nil {
			return nil, err
		}
		open, err := a.in(inMemory(sealed.Bytes()))
		if err != nil {
			return nil, err
		}
		out = append(out, local(func() error { return seal(io.Discard) }))
		in = append(in, local(func() error { return open(io.Discard) }))
	}
	var all []figure
	for i, way := range []string{"out", "in"} {
		turns, err := interleave(b.rounds, b.turn, [][]side{out, in}[i]...)
		if err != nil {
			return nil, err
		}
		all = append(all, compared(figure{ID: id, What: way + ", " + what, Unit: "msg/cpu-s"}, perCPU, turns[0], turns[1]))
	}
	return all, nil
}

func inMemory(p []byte) smime.Source { return smime.SectionSource(bytes.NewReader(p), int64(len(p))) }

// pssFigures are C3: messages in whose signature is RSA-PSS, against PKCS #1.
// OpenSSL makes both, as Postern does not sign by PSS.
func pssFigures(ctx context.Context, b *bench) ([]figure, error) {
	what := "in, 10 KiB, RSA-PSS signature against PKCS #1"
	_, err := exec.LookPath("openssl")
	if errors.Is(err, exec.ErrNotFound) {
		return []figure{skipped("C3", what, "openssl is not installed")}, nil
	}
	var sides []side
	for _, padding := range []string{"pss", "pkcs1"} {
		sealed, err := b.sealedByOpenSSL(ctx, padding)
		if err != nil {
			return nil, err
		}
		open, err := newAgent(b.rig).in(inMemory(sealed))
		if err != nil {
			return nil, err
		}
		sides = append(sides, local(func() error { return open(io.Discard) }))
	}
	turns, err := interleave(b.rounds, b.turn, sides...)
	if err != nil {
		return nil, err
	}
	return []figure{compared(figure{ID: "C3", What: what, Unit: "msg/cpu-s"}, perCPU, turns[0], turns[1])}, nil
}

func (b *bench) sealedByOpenSSL(ctx context.Context, padding string) ([]byte, error) {
	err := os.WriteFile(filepath.Join(b.dir, "wrapped"), append([]byte("Content-Type: message/rfc822\r\n\r\n"), message(10<<10)...), 0o600)
	if err != nil {
		return nil, err
	}
	err = openssl(ctx, b.dir, "cms", "-sign", "-binary", "-crlfeol", "-in", "wrapped", "-out", "signed", "-certfile", "issuer.pem",
		"-signer", "sender.pem", "-inkey", "sender.der", "-keyform", "DER", "-keyopt", "rsa_padding_mode:"+padding)
	if err != nil {
		return nil, err
	}
	err = openssl(ctx, b.dir, "cms", "-encrypt", "-binary", "-crlfeol", "-aes-256-cbc", "-in", "signed", "-out", "sealed.openssl",
		"-from", senderAddress, "-to", recipientAddress(0), "-subject", "x", "to.pem")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(b.dir, "sealed.openssl"))
}

func openssl(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl %s: %w\n%s", args[1], err, out)
	}
	return nil
}
