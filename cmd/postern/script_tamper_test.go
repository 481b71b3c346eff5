package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptTamper does to the audit trail in the file of a store what somebody without
// its keys can do, with no tool of the database, whose counters then stay as they
// are: tamper FILE changed|removed|inserted|swapped|truncated NUMBER.
func scriptTamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: tamper file kind number")
	}
	path := ts.MkAbs(args[0])
	file, err := os.ReadFile(path)
	ts.Check(err)
	n, err := strconv.ParseUint(args[2], 10, 64)
	ts.Check(err)
	done := 0
	for at := 0; at+4096 <= len(file); at += 4096 {
		page := file[at : at+4096]
		entries := trailIn(page)
		i := slices.IndexFunc(entries, func(e trailEntry) bool { return e.number == n })
		if i < 0 {
			continue
		}
		done++
		entries = tampered(args[1], entries, i)
		if !writeTrail(page, entries) {
			ts.Fatalf("there is no room for it in the page")
		}
	}
	if done == 0 {
		ts.Fatalf("record %d is not in the file", n)
	}
	ts.Check(os.WriteFile(path, file, 0o600))
}

// scriptForge writes other octets, as many, over some in the file of a store, wherever
// they are: forge FILE OLD NEW.
func scriptForge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: forge file old new")
	}
	path := ts.MkAbs(args[0])
	file, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(file, []byte(args[1])) {
		ts.Fatalf("%s is not in the file", args[1])
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(file, []byte(args[1]), []byte(args[2])), 0o600))
}

type trailEntry struct {
	number uint64
	octets []byte
}

func tampered(kind string, entries []trailEntry, i int) []trailEntry {
	switch kind {
	case "changed":
		entries[i].octets = bytes.Replace(entries[i].octets, []byte(`"added`), []byte(`"adder`), 1)
	case "removed":
		entries = slices.Delete(entries, i, i+1)
	case "inserted":
		entries = slices.Insert(entries, i+1, entries[i])
		for j := i + 1; j < len(entries); j++ {
			entries[j].number++
		}
	case "swapped":
		entries[i].octets, entries[i+1].octets = entries[i+1].octets, entries[i].octets
	case "truncated":
		entries = entries[:i]
	}
	return entries
}

// Of a page of the database: a head with the kind, 2 for a leaf, and the count; then
// for each entry its kind, its place from here, and the lengths of key and value.
const (
	pageHead    = 16
	pageElement = 16
)

// trailIn returns the records in a page, if it is a leaf of the trail.
func trailIn(page []byte) (entries []trailEntry) {
	little := binary.LittleEndian
	if little.Uint16(page[8:]) != 2 || little.Uint32(page[12:]) != 0 {
		return nil
	}
	for i := range int(little.Uint16(page[10:])) {
		element := pageHead + i*pageElement
		if element+pageElement > len(page) {
			return nil
		}
		at := element + int(little.Uint32(page[element+4:]))
		key, value := int(little.Uint32(page[element+8:])), int(little.Uint32(page[element+12:]))
		if key != 8 || at+key+value > len(page) || !bytes.HasPrefix(page[at+key:], []byte(`{"n":`)) {
			return nil
		}
		entries = append(entries, trailEntry{binary.BigEndian.Uint64(page[at:]), bytes.Clone(page[at+key : at+key+value])})
	}
	return entries
}

// writeTrail puts records into a page, if they fit.
func writeTrail(page []byte, entries []trailEntry) bool {
	little := binary.LittleEndian
	at := pageHead + len(entries)*pageElement
	for i, e := range entries {
		if at+8+len(e.octets) > len(page) {
			return false
		}
		element := page[pageHead+i*pageElement:]
		little.PutUint32(element[4:], uint32(at-pageHead-i*pageElement))
		little.PutUint32(element[8:], 8)
		little.PutUint32(element[12:], uint32(len(e.octets)))
		binary.BigEndian.PutUint64(page[at:], e.number)
		at += 8 + copy(page[at+8:], e.octets)
	}
	little.PutUint16(page[10:], uint16(len(entries)))
	return true
}
