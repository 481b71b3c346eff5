package interop

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/smtp"
)

// TestInteropRates sets the rates of the configuration low and meets each of them.
func TestInteropRates(t *testing.T) {
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	s := newSite(t, "b.example", setup{
		users: []string{"bob@b.example", "carol@b.example"}, keys: []*testnet.Identity{root.Leaf("b.example")}, anchors: []*testnet.Identity{root},
		more: map[string]string{"limits": "account_messages = 2\npeer_messages = 2\npeer_connections = 4\n"},
	})
	s.serve()
	for i, want := range []int{0, 0, 450} {
		err := s.submit("carol@b.example", "bob@b.example", record("carol@b.example", "bob@b.example", fmt.Sprintf("<%d@b.example>", i), 1000))
		if got := codeOf(err); got != want {
			t.Errorf("submission %d: %v", i, err)
		}
	}
	for i, want := range []int{0, 0, 450, 450, 421} {
		c, err := dialBackbone(t.Context(), s.backbone)
		if err == nil {
			err = c.send("alice@a.example", "bob@b.example", strings.NewReader(garbage(1000)))
			c.Close()
		}
		if got := codeOf(err); got != want {
			t.Errorf("the backbone, message %d: %v", i, err)
		}
	}
	for i, want := range []bool{true, true, true, true, false} { // each listener counts for itself
		c, err := dialIMAP(t.Context(), s.address("imaps"), "bob@b.example", s.clientTLS())
		if err == nil {
			c.conn.Close()
		}
		if (err == nil) != want {
			t.Errorf("pickup %d: %v", i, err)
		}
	}
}

// codeOf is what a server answered; 0 is that all went well.
func codeOf(err error) int {
	var theirs *textproto.Error
	var ours *smtp.ReplyError
	switch {
	case errors.As(err, &theirs):
		return theirs.Code
	case errors.As(err, &ours):
		return ours.Code
	case err != nil:
		return -1
	}
	return 0
}
