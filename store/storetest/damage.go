package storetest

import (
	"bytes"
	"os"
	"regexp"
	"testing"
)

// Damage changes a record in the file of a store that is open, as a bad disk would: each
// that begins so, at the octet behind a pattern that is in it; "" is its first one. It fails
// where there is no such record.
func Damage(t testing.TB, path, begins, behind string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pattern, found := regexp.MustCompile(behind), false
	for at := 0; ; at++ {
		next := bytes.Index(whole[at:], []byte(begins))
		if next < 0 {
			break
		}
		at += next
		in := pattern.FindIndex(whole[at:])
		if in == nil {
			continue
		}
		bit := at + in[1]
		other := byte('A') // sealed octets are in base64
		if whole[bit] == other {
			other = 'B'
		}
		_, err := file.WriteAt([]byte{other}, int64(bit))
		if err != nil {
			t.Fatal(err)
		}
		found = true
	}
	if !found {
		t.Fatalf("no record begins with %s", begins)
	}
}

// Replace writes over what stands in the file of a store that is open, with as many octets.
func Replace(t testing.TB, path, old, with string) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if len(old) != len(with) || !bytes.Contains(whole, []byte(old)) {
		t.Fatalf("%s is not there, or longer or shorter than %s", old, with)
	}
	for at := bytes.Index(whole, []byte(old)); at >= 0; at = bytes.Index(whole, []byte(old)) {
		_, err := file.WriteAt([]byte(with), int64(at))
		if err != nil {
			t.Fatal(err)
		}
		copy(whole[at:], with)
	}
}
