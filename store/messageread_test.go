package store

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What is written is read without encoding/json, whatever field comes to a message: the
// one below has all of them.
func TestMessagesAreReadAsTheyAreWritten(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)
	all := messageRecord{Message: Message{
		UID: math.MaxUint32, ModSeq: math.MaxUint64, Body: math.MaxUint64, Size: math.MaxInt64,
		Flags: []string{`$Forwarded`, `\Answered`, `\Seen`}, Received: at, Fetched: at.Add(time.Hour),
		Track: "01HZZZZZZZZZZZZZZZZZZZZZZZ",
	}, Born: math.MaxUint64}
	for i := range reflect.TypeFor[Message]().NumField() {
		if reflect.ValueOf(all.Message).Field(i).IsZero() {
			t.Errorf("%s is not tried", reflect.TypeFor[Message]().Field(i).Name)
		}
	}
	for name, m := range map[string]messageRecord{
		"all": all, "none": {}, "new": {Message: Message{UID: 1, Flags: []string{}, Received: at}, Born: 7},
	} {
		value, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := readMessage(value)
		if diff := cmp.Diff(m, got); !ok || diff != "" {
			t.Errorf("%s: %t (-want +got)\n%s", name, ok, diff)
		}
	}
	// What it leaves to encoding/json is read as well.
	strange := messageRecord{Message: Message{UID: 1, Flags: []string{"a<b", "Größe"}, Received: at}}
	value, err := json.Marshal(strange)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeMessage(value)
	if diff := cmp.Diff(strange, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// FuzzMessageRecord: what is read without encoding/json is what it reads.
func FuzzMessageRecord(f *testing.F) {
	f.Add([]byte(`{"uid":1,"modseq":2,"body":3,"size":4,"flags":["\\Seen","$x"],"received":"2026-01-02T03:04:05.000000006Z","fetched":"2026-01-02T03:04:05+01:00","track":"0","born":2}`))
	f.Add([]byte(`{"uid":01,"modseq":2,"body":3,"size":4,"flags":[],"received":"2026-01-02T03:04:05Z","track":"","born":2}`))
	f.Add([]byte(`{"uid":4294967296,"modseq":2,"body":3,"size":4,"flags":null,"received":"2026-01-02T03:04:05Z","track":"\\","born":2}`))
	f.Add([]byte(`{"uid":1,"modseq":2,"body":3,"size":9223372036854775808,"flags":["a" ,"b"],"received":null,"track":"\u003c","born":2}}`))
	f.Add([]byte(`{"uid":1,"modseq":18446744073709551616,"body":3,"size":4,"flags":["a","b"],"received":"2026-01-02T24:04:05Z","track":"x`))
	f.Fuzz(func(t *testing.T, record []byte) {
		got, ok := readMessage(record)
		if !ok {
			return
		}
		want, err := decodeRecord[messageRecord](bucketMessages, record)
		if err != nil {
			t.Fatalf("%q is read, but: %v", record, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-encoding/json +ours)\n%s", record, diff)
		}
	})
}
