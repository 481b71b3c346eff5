// Command client holds the HTTP edge against the rest of the world: its document
// against a public validator, and its answers against the document, as a client sees
// them that was generated from it. It is a module of its own, so that what it needs is
// no part of Postern.
//
//	client document FILE              validate an OpenAPI document
//	client exchanges FILE LINES       validate the exchanges of a file, one JSON object a line
//	client roundtrip FILE < SITES     send between two sites, every exchange validated
package main

import (
	"fmt"
	"os"
)

func main() {
	err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: client document|exchanges|roundtrip FILE")
	}
	check, err := newChecker(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "document":
		fmt.Println("the document is valid")
		return nil
	case "exchanges":
		if len(args) != 3 {
			return fmt.Errorf("usage: client exchanges FILE LINES")
		}
		return check.exchanges(args[2])
	case "roundtrip":
		return roundTrip(check, os.Stdin)
	}
	return fmt.Errorf("there is no %s", args[0])
}
