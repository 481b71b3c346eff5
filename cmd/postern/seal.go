package main

import (
	"context"

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
		_, err = inv.stdout.Write(answer.Message)
		return err
	})
}

// readMessage reads a message, sealed or not, from standard input.
func (inv *invocation) readMessage() ([]byte, error) {
	cfg, err := inv.loadConfig()
	if err != nil {
		return nil, err
	}
	return readAll(inv.stdin, gateway.SealedBytes(cfg.Limits.MessageBytes))
}
