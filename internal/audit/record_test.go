package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestEntryComesBackAsItWas(t *testing.T) {
	e := Entry{Number: 7, Prev: HashOf([]byte("before")), Record: Record{
		At: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Actor: Peer("192.0.2.1"), Action: Opened,
		Object: "<&>", Track: "t", Reason: "expired", Detail: "d\n", Keys: []string{"00ff"},
		Parts: []Part{{"a@b.example", "delivered", ""}}, Cut: "1 keys",
	}}
	octets := encode(t, e)
	if strings.ContainsAny(string(octets), "\n") {
		t.Error("more than a line")
	}
	got, err := ParseEntry(octets)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, bad := range []string{"", "{}x", string(octets) + string(octets), `{"n":1,"extra":2}`, `{"prev":"12"}`, "[]"} {
		_, err := ParseEntry([]byte(bad))
		if err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestBound(t *testing.T) {
	small := Record{Actor: System, Action: Sealed}
	for range MaxParts {
		small.Parts = append(small.Parts, Part{Recipient: "someone@a-hospital.example", State: "sealed"})
	}
	if got := small.Bound(); got.Cut != "" || len(got.Parts) != MaxParts {
		t.Errorf("of %d parts %d are left, cut %q", MaxParts, len(got.Parts), got.Cut)
	}
	large := Record{Detail: strings.Repeat("é", MaxDetail), Object: "\xff", Actor: strings.Repeat("x", 10_000)}
	for i := range 2 * MaxParts {
		large.Parts = append(large.Parts, Part{Recipient: strings.Repeat("y", 1000), Reason: fmt.Sprint(i)})
		large.Keys = append(large.Keys, strings.Repeat("z", 1000))
	}
	got := large.Bound()
	if len(got.Parts) != MaxParts || len(got.Keys) != MaxKeys || len(got.Actor) != MaxText || len(got.Detail) > MaxDetail || !utf8.ValidString(got.Detail) {
		t.Errorf("%d parts, %d keys, an actor of %d and a detail of %d", len(got.Parts), len(got.Keys), len(got.Actor), len(got.Detail))
	}
	if !strings.HasPrefix(got.Cut, "actor, object, detail, key") || len(got.Cut) > MaxText {
		t.Errorf("cut %q", got.Cut)
	}
	if octets := encode(t, Entry{Record: got}); len(octets) > MaxEntry {
		t.Errorf("%d octets", len(octets))
	}
	if len(large.Parts[0].Recipient) != 1000 {
		t.Error("the record that was given is another")
	}
}

func TestHead(t *testing.T) {
	h := Head{Number: 5, Hash: HashOf(nil), Checkpoint: 3}
	sealed := h.Seal([]byte("key"))
	got, err := OpenHead([]byte("key"), sealed)
	if err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
	_, err = OpenHead([]byte("another"), sealed)
	if err == nil {
		t.Error("opened by another key")
	}
	for i := range sealed {
		sealed[i] ^= 1
		_, err := OpenHead([]byte("key"), sealed)
		if err == nil {
			t.Errorf("opened with octet %d changed", i)
		}
		sealed[i] ^= 1
	}
	_, err = OpenHead([]byte("key"), nil)
	if err == nil {
		t.Error("nothing was opened")
	}
}

func TestReadCheckpoints(t *testing.T) {
	key := testKey(1)
	a := Checkpoint{Mark: Point, Number: 7, Hash: HashOf(nil), At: began}.Sign(key)
	b := Checkpoint{Mark: Point, Number: 9, Hash: HashOf(nil), After: 7, At: began}.Sign(key)
	log := "time=x msg=audit line=\"" + a.String() + "\"\nsomething else\n" +
		strings.Repeat("x", 3*maxLine) + a.String() + "\n{\"line\":\"" + b.String() + "\"}\n" + a.String() + "\n"
	got, err := ReadCheckpoints(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Checkpoint{a, b}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !got[1].Verify(key.Public().(ed25519.PublicKey)) || got[1].Verify(testKey(2).Public().(ed25519.PublicKey)) || got[1].Verify(nil) {
		t.Error("verified by another key, or not by its own")
	}
	for _, bad := range []string{"", a.String() + " ", " " + a.String(), strings.Replace(a.String(), " 7 ", " 07 ", 1), strings.Replace(a.String(), "-03-01", "-13-01", 1)} {
		_, err := ParseCheckpoint([]byte(bad))
		if err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Actions has every Action there is.
func TestActionsAreAll(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "record.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var named []Action
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Action" {
			value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			named = append(named, Action(value))
		}
		return true
	})
	if diff := cmp.Diff(named, Actions()); diff != "" {
		t.Errorf("(-named +listed)\n%s", diff)
	}
}

// A row has one form, with the sum of what is there, or without.
func TestARowIsRead(t *testing.T) {
	sum := SumOf([]byte("row"))
	rows := []Row{{"job 17", &sum}, {"anchor manual * 00ff", nil}}
	text, err := json.Marshal(rows)
	if want := `["Y0do2uFHRQbkv300GJBUKw job 17","- anchor manual * 00ff"]`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
	var back []Row
	err = json.Unmarshal(text, &back)
	if diff := cmp.Diff(rows, back); err != nil || diff != "" {
		t.Errorf("(-want +got)\n%s%v", diff, err)
	}
	for _, bad := range []string{"", "job 17", "Y0do2uFHRQbkv300GJBUKx job", "Y0do2uFHRQbkv300GJBU job", "Y0do2uFHRQbkv300GJBUKw== job", strings.Repeat("0", 64) + " job"} {
		if err := new(Row).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a row", bad)
		}
	}
}
