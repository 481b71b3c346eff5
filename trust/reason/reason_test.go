package reason

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strconv"
	"testing"
)

func TestEveryCodeHasAConsistentOutcome(t *testing.T) {
	for _, c := range Codes() {
		o := c.Outcome()
		if o.Public == "" || o.Hint == "" {
			t.Errorf("%s: public %q, hint %q: both must say something", c, o.Public, o.Hint)
		}
		class := o.Reply / 100
		if class != o.Enhanced[0] {
			t.Errorf("%s: reply %d and status %s are of different classes", c, o.Reply, o.Enhanced)
		}
		if o.Retry != (class == 4) {
			t.Errorf("%s: retry %v with reply %d", c, o.Retry, o.Reply)
		}
	}
}

// AS-66: an inbound message that is not believed is met with silence.
func TestAS66_InboundRefusalsHaveNoDisposition(t *testing.T) {
	for _, c := range []Code{NotEncrypted, Undecryptable, NotSigned, BadSignature, WeakAlgorithm, Unsupported,
		SenderMismatch, TamperedRouting, NotWrapped, Malformed} {
		if d := c.Outcome().Disposition; d != "" {
			t.Errorf("%s: disposition %q, want none", c, d)
		}
	}
}

// A code that was declared and left out of the table would be judged as an
// internal error.
func TestEveryDeclaredCodeHasARow(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		kind, ok := spec.Type.(*ast.Ident)
		if !ok || kind.Name != "Code" {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(text)
			if err != nil {
				t.Errorf("%s has no row: %v", spec.Names[0], err)
			}
			declared++
		}
		return true
	})
	if declared != len(Codes()) {
		t.Errorf("%d codes are declared and %d have a row", declared, len(Codes()))
	}
}

func TestUnknownCodeDoesNotFailOpen(t *testing.T) {
	o := Code("no-such-code").Outcome()
	if o.Reply != 451 || !o.Retry {
		t.Errorf("got %+v, want the internal error", o)
	}
	_, err := Parse("no-such-code")
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("Parse: %v, want ErrUnknown", err)
	}
}

func TestOfFindsTheCodeThroughWrapping(t *testing.T) {
	err := fmt.Errorf("sealing: %w", New(Expired, "certificate %d: %w", 7, io.EOF))
	if got := Of(err); got != Expired {
		t.Errorf("Of = %s, want expired", got)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if got := Of(io.EOF); got != Internal {
		t.Errorf("Of(plain) = %s, want internal", got)
	}
	if got := Of(nil); got != OK {
		t.Errorf("Of(nil) = %s, want ok", got)
	}
	if !Code("").IsOK() || Code("").String() != "ok" {
		t.Error("the zero code is not ok")
	}
}
