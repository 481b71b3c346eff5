package main

import (
	"context"
	"errors"
	"io"
	"os"

	"postern/internal/control"
)

func runCertExport(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert export")
	passwordFile := fs.String("password-file", "", "")
	legacy := fs.Bool("legacy", false, "")
	certOnly := fs.Bool("cert-only", false, "")
	pkcs7 := fs.Bool("p7b", false, "")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	if *certOnly && (*legacy || *passwordFile != "") {
		return usagef("leave --legacy and --password-file out", "with --cert-only there is no key to encrypt")
	}
	if *pkcs7 && !*certOnly {
		return usagef("add --cert-only", "PKCS #7 holds no keys")
	}
	path := rest[1]
	if _, err := os.Lstat(path); err == nil { // before a password is asked for
		return notNew(&os.PathError{Op: "writing", Path: path, Err: os.ErrExist})
	}
	in := control.Export{SHA256: rest[0], CertificateOnly: *certOnly, PKCS7: *pkcs7, Legacy: *legacy}
	mode := os.FileMode(0o644)
	if !*certOnly {
		mode = 0o600
		in.Passphrase, err = inv.exportPassword(*passwordFile, path)
		if err != nil {
			return err
		}
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		out, err := c.ExportCertificate(ctx, in)
		if err != nil {
			return err
		}
		err = writeNew(path, out.File, mode)
		if err != nil {
			return err
		}
		if *certOnly {
			return inv.answer(out.Certificate, "exported without its key: %s", certLine(out.Certificate))
		}
		return inv.answer(out.Certificate, "exported: %s\nwhoever has %s and its password can sign and decrypt as %s", certLine(out.Certificate), path, out.Certificate.Owner)
	})
}

func (inv *invocation) exportPassword(passwordFile, file string) ([]byte, error) {
	password, err := inv.password(passwordFile, "new password for "+file, true)
	if err == nil && len(password) == 0 {
		err = usagef("the file is worth what its password is: choose a long one", "the password is empty")
	}
	return password, err
}

// writeNew is fillNew for a file whose content is at hand.
func writeNew(path string, data []byte, mode os.FileMode) error {
	return fillNew(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// fillNew writes a file that was not there before: nothing is written over, and
// nothing to a terminal or another device. What cannot be written whole is not
// left behind.
func fillNew(path string, mode os.FileMode, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return notNew(err)
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func notNew(err error) error {
	return usagef("name a file that is not there yet, in a folder that you may write to", "%s", err)
}
