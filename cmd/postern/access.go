package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/bundle"
	"postern/internal/control"
	"postern/mime"
	"postern/store"
)

func runAccessAdd(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("access add")
	name := fs.String("name", "", "")
	password := fs.Bool("password", false, "")
	services := fs.String("for", "", "")
	token := fs.Bool("token", false, "")
	scopes := fs.String("scope", "", "")
	certificate := fs.String("certificate", "", "")
	require := fs.Bool("require", false, "")
	expires := fs.String("expires", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	in := control.AccessOrder{Address: rest[0], Name: *name, Expires: *expires, Require: *require}
	switch {
	case *name == "":
		return wrongUse(fs, "--name is missing: what has it, such as \"Jane's phone\"")
	case *password && !*token && *certificate == "" && *scopes == "" && !*require:
		in.Kind, in.Scopes = store.AppPassword, words(*services)
	case *token && !*password && *certificate == "" && *services == "" && !*require:
		in.Kind, in.Scopes = store.Token, words(*scopes)
	case *certificate != "" && !*password && !*token && *services == "" && *scopes == "":
		in.Kind = store.Certificate
		in.Certificate, err = inv.oneCertificate(*certificate)
		if err != nil {
			return err
		}
	default:
		return wrongUse(fs, "it is one of --password with --for, --token with --scope, and --certificate with --require")
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		made, err := c.AddAccess(ctx, in)
		if err != nil {
			return err
		}
		if made.Secret == "" {
			return inv.answer(made, "access %s: whoever has the key of that certificate is %s", made.ID, made.Address)
		}
		return inv.answer(made, "%s", made.Secret)
	})
}

// words reads a list with commas.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// oneCertificate reads a file with a certificate, as DER.
func (inv *invocation) oneCertificate(file string) ([]byte, error) {
	data, err := inv.readInput(file, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	found, bad, err := bundle.Read(data)
	if err != nil || len(bad) > 0 || len(found) != 1 {
		return nil, usagef("give a file with the client's certificate alone, in PEM or DER", "%s is not one certificate", file)
	}
	return found[0].Raw, nil
}

func runAccessList(ctx context.Context, inv *invocation, args []string) error {
	return runListOf(ctx, inv, "access list", args, (*control.Client).Accesses, func(a control.AccessInfo) string {
		return a.Address + "  " + accessLine(a)
	})
}

// accessLine is an access for people.
func accessLine(a control.AccessInfo) string {
	line := fmt.Sprintf("%s  %s  %q", a.ID, a.Kind, a.Name)
	if len(a.Scopes) > 0 {
		line += "  " + strings.Join(a.Scopes, ",")
	}
	if a.SHA256 != "" {
		line += "  " + a.SHA256
	}
	switch {
	case a.Damaged:
		return line + "  damaged"
	case a.Ended:
		line += "  ended " + a.Expires.UTC().Format(time.DateOnly)
	case !a.Expires.IsZero():
		line += "  until " + a.Expires.UTC().Format(time.DateOnly)
	}
	return line + "  " + used(a.LastUse)
}

// used says when something was used last.
func used(u *control.LastUse) string {
	if u == nil {
		return "never used"
	}
	return fmt.Sprintf("used %s over %s from %s", u.At.UTC().Format(time.RFC3339), u.Service, u.Network)
}

func runAccessRevoke(ctx context.Context, inv *invocation, args []string) error {
	return inv.onOneOf(ctx, "access revoke", args, func(c *control.Client, address, id string) error {
		revoked, err := c.RevokeAccess(ctx, control.AccessName{Address: address, ID: id})
		if err != nil {
			return err
		}
		err = inv.answer(revoked, "access %s of %s is revoked, and its sessions end", revoked.ID, revoked.Address)
		inv.warnNoPassword(revoked.Address, revoked.NoPassword)
		return err
	})
}

// warnNoPassword says that an account that requires a certificate has none.
func (inv *invocation) warnNoPassword(address string, none bool) {
	if none {
		inv.complain(fmt.Sprintf("warning: no password lets into %s: it requires a certificate beside it, and has none", address),
			fmt.Sprintf("postern access add %s --name NAME --certificate FILE adds one, postern access require %s nothing does without", address, address))
	}
}

func runAccessRequire(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("access require")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	on, known := map[string]bool{"certificate": true, "nothing": false}[rest[1]]
	if !known {
		return wrongUse(fs, "%q is neither certificate nor nothing", rest[1])
	}
	address, err := mime.ParseAddress(rest[0])
	if err != nil {
		return err
	}
	in := control.RequireOrder{Address: address.String(), Require: on}
	done := "gets in with a password alone"
	if on {
		done = "gets in with a password only beside one of its certificates"
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		answer, err := c.RequireCertificate(ctx, in)
		if err != nil {
			return err
		}
		err = inv.answer(answer, "%s %s", address, done)
		inv.warnNoPassword(answer.Address, answer.NoPassword)
		return err
	})
}

func runAccountShow(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("account show"), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		a, err := c.Account(ctx, rest[0])
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(a)
		}
		for _, f := range accountFields(a) {
			if f.value != "" {
				fmt.Fprintf(inv.stdout, "%-11s %s\n", f.label+":", f.value)
			}
		}
		return nil
	})
}

// accountState names what is not as usual with an account.
func accountState(a control.AccountInfo) string {
	var all []string
	for _, s := range []struct {
		is   bool
		name string
	}{{a.Damaged, "damaged"}, {a.Disabled && !a.Damaged, "disabled"}, {a.Patient, "patient"}, {a.CertificateRequired, "certificate required"}, {a.NoPassword, "no certificate"}} {
		if s.is {
			all = append(all, s.name)
		}
	}
	return strings.Join(all, "  ")
}

func passwordLine(l control.Logins) string {
	if !l.Scram {
		return used(l.LastUse) + ", not provable by SCRAM until it is used or set again"
	}
	return used(l.LastUse)
}

func accountFields(a control.AccountDetails) []field {
	fields := []field{
		{"account", a.Address}, {"state", accountState(a.AccountInfo)}, {"created", a.Created.UTC().Format(time.RFC3339)},
		{"mailboxes", fill(a.AccountInfo)}, {"password", passwordLine(a.Logins)},
	}
	for _, access := range a.Accesses {
		fields = append(fields, field{"access", accessLine(access)})
	}
	for _, list := range []struct {
		name string
		all  []string
	}{{"alias", a.Aliases}, {"group", a.Groups}, {"sends as", a.Senders}, {"hook", a.Hooks}} {
		for _, one := range list.all {
			fields = append(fields, field{list.name, one})
		}
	}
	if a.Edge != nil {
		fields = append(fields, field{"edge", a.Edge.Host + ", of " + a.Edge.Owner})
	}
	return fields
}
