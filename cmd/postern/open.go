package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"postern/internal/control"
)

// A reversePath is the flag of MAIL FROM; an empty one is the null reverse-path.
type reversePath struct{ *control.OpenRequest }

func (reversePath) String() string { return "" }

func (r reversePath) Set(text string) error {
	r.MailFrom = &text
	return nil
}

func (reversePath) isNullable() {}

func runOpen(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("open")
	var to repeated
	var in control.OpenRequest
	fs.Var(reversePath{&in}, "mail-from", "")
	at := fs.String("at", "", "")
	fs.Var(&to, "to", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return wrongUse(fs, "--to is needed")
	}
	in.To = to
	in.At, err = parseMoment(*at)
	if err != nil {
		return err
	}
	in.Message, err = inv.readMessage()
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		answer, err := c.Open(ctx, in)
		if err != nil {
			return err
		}
		err = inv.printVerdict(answer.Verdict)
		if err != nil {
			return err
		}
		if answer.Verdict.Verdict != "accepted" {
			return refusalError(answer.Verdict.Reason)
		}
		_, err = inv.stdout.Write(answer.Message)
		return err
	})
}

// printVerdict writes the verdict to standard error: the message alone is for
// standard output.
func (inv *invocation) printVerdict(v control.OpenVerdict) error {
	if inv.json {
		return inv.printLine(v)
	}
	fmt.Fprintf(inv.stderr, "postern: %s: %s\n", v.Verdict, v.Reason)
	t := teller{inv.stderr}
	t.say(1, "detail", v.Detail)
	t.say(1, "what to do", v.Hint)
	t.say(1, "judged", judged(v.At, v.Profile))
	t.encryption(v.Encryption)
	for _, s := range v.Signatures {
		t.say(1, "signature", signature(s))
	}
	t.say(1, "wrapped", wrapped(v.Wrapped))
	t.say(1, "sender", v.Sender)
	t.say(1, "signer", v.Signer)
	for i, r := range v.Recipients {
		t.say(1, "for "+r.Address, outcome(r.Verdict, r.Reason, r.Anchor))
		if i+1 < len(v.Recipients) && alike(r, v.Recipients[i+1]) {
			continue // what they share is told once
		}
		t.recipient(r, v)
	}
	return nil
}

// printLine writes one line of JSON to standard error.
func (inv *invocation) printLine(v any) error {
	encoder := json.NewEncoder(inv.stderr)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func judged(at time.Time, profile string) string {
	return fmt.Sprintf("as of %s, by profile %s", moment(at), profile)
}

func (t teller) encryption(e *control.Encryption) {
	if e == nil {
		return
	}
	t.say(1, "encryption", fmt.Sprintf("%s, recipients in the envelope: %d", e.Cipher, e.Recipients))
	for _, k := range e.Keys {
		how := k.KeyManagement
		if k.ByKeyID {
			how += ", named by its key identifier"
		}
		of := ""
		if k.Owner != "" {
			of = ", key of " + k.Owner
		}
		if !k.Retired.IsZero() {
			of += ", retired since " + moment(k.Retired)
		}
		t.say(1, "opened by", fmt.Sprintf("%s %s%s, by %s", short(k.SHA256), k.Subject, of, how))
	}
}

// signature says who signed, how and when, and whether it holds.
func signature(s control.SignatureInfo) string {
	parts := []string{s.Verdict}
	if s.Algorithm != "" {
		parts = append(parts, s.Algorithm)
	}
	if s.SHA256 != "" {
		parts = append(parts, "by "+short(s.SHA256)+" "+s.Subject)
	}
	if !s.SignedAt.IsZero() {
		parts = append(parts, "at "+moment(s.SignedAt))
	}
	if s.Detail != "" {
		parts = append(parts, s.Detail)
	}
	return strings.Join(parts, ", ")
}

func wrapped(yes *bool) string {
	switch {
	case yes == nil:
		return ""
	case *yes:
		return "yes, the header is signed too"
	}
	return "no, the header is not signed"
}

func outcome(verdict, reason, anchor string) string {
	if anchor == "" {
		return verdict + ", " + reason
	}
	return verdict + ", " + reason + ", by the anchor " + anchor
}

// alike reports whether two recipients differ in nothing but the address.
func alike(a, b control.RecipientVerdict) bool {
	a.Address = b.Address
	return reflect.DeepEqual(a, b)
}

// recipient tells what is not told of the whole message already.
func (t teller) recipient(r control.RecipientVerdict, v control.OpenVerdict) {
	if r.Detail != v.Detail {
		t.say(2, "detail", r.Detail)
	}
	if r.Hint != v.Hint {
		t.say(2, "what to do", r.Hint)
	}
	if r.Signer != v.Signer {
		t.say(2, "signer", r.Signer)
	}
	t.say(2, "signer policy", r.SignerPolicy)
	if len(r.Path) > 0 {
		t.say(2, "certificate", certificate(r.Path[0]))
	}
	t.story(2, r.Story)
}
