package main

import (
	"context"
	"fmt"

	"postern/bundle"
	"postern/internal/control"
	"postern/internal/gateway"
)

func runSeal(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("seal")
	var to, files repeated
	from := fs.String("from", "", "")
	at := fs.String("at", "", "")
	fs.Var(&to, "to", "")
	fs.Var(&files, "cert", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	if *from == "" || len(to) == 0 {
		return wrongUse(fs, "--from and --to are needed")
	}
	in := control.SealRequest{From: *from, To: to}
	in.At, err = parseMoment(*at)
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := inv.readInput(file, bundle.MaxSize)
		if err != nil {
			return err
		}
		certificates, bad, err := bundle.Read(data)
		if err != nil || len(bad) > 0 {
			return usagef("give the recipient's certificate in PEM or DER", "%s has no certificate that can be read", file)
		}
		for _, c := range certificates {
			in.Certificates = append(in.Certificates, c.Raw)
		}
	}
	in.Message, err = inv.readMessage()
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		answer, err := c.Seal(ctx, in)
		if err != nil {
			return err
		}
		err = inv.printSealed(answer.Verdict)
		if err != nil {
			return err
		}
		if answer.Verdict.Verdict != "sealed" {
			return refusalError(answer.Verdict.Reason)
		}
		_, err = inv.stdout.Write(answer.Message)
		return err
	})
}

// printSealed writes what was done to standard error: the sealed message alone
// is for standard output.
func (inv *invocation) printSealed(v control.SealVerdict) error {
	if inv.json {
		return inv.printLine(v)
	}
	fmt.Fprintf(inv.stderr, "postern: %s: %s\n", v.Verdict, v.Reason)
	t := teller{inv.stderr}
	t.say(1, "detail", v.Detail)
	t.say(1, "what to do", v.Hint)
	t.say(1, "judged", judged(v.At, v.Profile))
	t.say(1, "sender", v.From)
	t.say(1, "encryption", v.Cipher)
	for _, s := range v.Signers {
		t.say(1, "signer", fmt.Sprintf("%s %s, until %s, by %s", short(s.SHA256), s.Subject, moment(s.NotAfter), s.Algorithm))
	}
	for _, r := range v.Recipients {
		t.say(1, "for "+r.Address, r.Reason)
		t.sealedFor(r)
	}
	return nil
}

func (t teller) sealedFor(r control.SealRecipient) {
	t.say(2, "detail", r.Detail)
	t.say(2, "what to do", r.Hint)
	for _, c := range r.Certificates {
		line := fmt.Sprintf("%s %s (%s), until %s: %s", short(c.SHA256), c.Subject, c.Source, moment(c.NotAfter), c.Verdict)
		if c.KeyManagement != "" {
			line += ", key by " + c.KeyManagement
		}
		t.say(2, "certificate", line)
		if c.Detail != r.Detail {
			t.say(3, "detail", c.Detail)
		}
		if c.Hint != r.Hint {
			t.say(3, "what to do", c.Hint)
		}
		t.story(3, c.Story)
	}
}

// readMessage reads a message, sealed or not, from standard input.
func (inv *invocation) readMessage() ([]byte, error) {
	cfg, err := inv.loadConfig()
	if err != nil {
		return nil, err
	}
	return readAll(inv.stdin, gateway.SealedBytes(cfg.Limits.MessageBytes))
}
