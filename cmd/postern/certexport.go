package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"postern/internal/control"
)

func runCertExport(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert export")
	passwordFile := fs.String("password-file", "", "")
	legacy := fs.Bool("legacy", false, "")
	certOnly := fs.Bool("cert-only", false, "")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	if *certOnly && (*legacy || *passwordFile != "") {
		return usagef("leave --legacy and --password-file out", "with --cert-only there is no key to encrypt")
	}
	in := control.Export{SHA256: rest[0], CertificateOnly: *certOnly, Legacy: *legacy}
	file, err := createNew(rest[1], *certOnly) // before a password is asked for
	if err != nil {
		return err
	}
	if !*certOnly {
		in.Passphrase, err = inv.exportPassword(*passwordFile, rest[1])
		if err != nil {
			return errors.Join(err, file.abandon())
		}
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		out, err := c.ExportCertificate(ctx, in)
		if err != nil {
			return errors.Join(err, file.abandon())
		}
		err = file.finish(out.File)
		if err != nil {
			return err
		}
		if *certOnly {
			return inv.answer(out.Certificate, "exported without its key: %s", certLine(out.Certificate))
		}
		return inv.answer(out.Certificate, "exported: %s\nwhoever has %s and its password can sign and decrypt as %s", certLine(out.Certificate), rest[1], out.Certificate.Owner)
	})
}

func (inv *invocation) exportPassword(passwordFile, file string) ([]byte, error) {
	password, err := inv.password(passwordFile, "new password for "+file, true)
	if err == nil && len(password) == 0 {
		err = usagef("the file is worth what its password is: choose a long one", "the password is empty")
	}
	return password, err
}

// A newFile is a file that was not there before: nothing is written over, and
// nothing to a terminal or another device.
type newFile struct{ *os.File }

func createNew(path string, public bool) (*newFile, error) {
	mode := os.FileMode(0o600)
	if public {
		mode = 0o644
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, usagef("name a file that is not there yet, in a folder that you may write to", "%s", err)
	}
	return &newFile{f}, nil
}

// finish writes the whole file to the disk, or leaves none.
func (f *newFile) finish(data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the file: %w", err), f.abandon())
	}
	return f.Close()
}

func (f *newFile) abandon() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
