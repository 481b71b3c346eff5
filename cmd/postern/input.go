package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// readInput reads a file that the user named; "-" is standard input.
func (inv *invocation) readInput(path string, limit int64) ([]byte, error) {
	if path == "-" {
		return readAll(inv.stdin, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("check the path and who may read it", "%s", err)
	}
	defer f.Close()
	return readAll(f, limit)
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, usagef("check what is given as a file or on standard input", "reading the input: %s", err)
	}
	if int64(len(data)) > limit {
		return nil, usagef("is it the right file?", "the input is longer than %d bytes", limit)
	}
	return data, nil
}

// passwordBytes bounds a password file.
const passwordBytes = 4096

// password takes a password from a file, or asks for it on a terminal, or reads
// standard input's first line.
func (inv *invocation) password(file, prompt string, twice bool) ([]byte, error) {
	if file != "" {
		text, err := inv.readInput(file, passwordBytes)
		return firstLine(text), err
	}
	f, ok := inv.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		text, err := readAll(inv.stdin, passwordBytes)
		return firstLine(text), err
	}
	first, err := inv.ask(f, prompt)
	if err != nil || !twice {
		return first, err
	}
	second, err := inv.ask(f, prompt+" again")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, usagef("nothing was changed; try again", "the two passwords differ")
	}
	return first, nil
}

func (inv *invocation) ask(f *os.File, prompt string) ([]byte, error) {
	fmt.Fprintf(inv.stderr, "%s: ", prompt)
	password, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(inv.stderr)
	if err != nil {
		return nil, usagef("use --password-file", "reading the password: %s", err)
	}
	return password, nil
}

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
