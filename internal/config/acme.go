package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"postern/mime"
)

// Enabled reports whether the certificate of the listeners is got over ACME.
func (a ACME) Enabled() bool { return a.Directory != "" }

// NamesOr are the hosts that the certificate is for.
func (a ACME) NamesOr(hostname mime.Domain) []string {
	if len(a.Names) == 0 {
		return []string{string(hostname)}
	}
	return a.Names
}

func (c *Config) checkACME() error {
	a := c.ACME
	if !a.Enabled() {
		if c.Listen.ACME != "" {
			return errors.New(`key "acme.directory" is missing: listen.acme is for an authority that asks us`)
		}
		return nil
	}
	u, err := url.Parse(a.Directory)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" { // RFC 8555 §6.1
		return fmt.Errorf("key \"acme.directory\": %q is not an https URL", a.Directory)
	}
	if !a.AgreeTerms {
		return errors.New(`key "acme.agree_terms" is false: read the terms of service of the authority, and set it to true`)
	}
	for _, host := range a.Names {
		name, err := mime.ParseDomain(host)
		if err != nil || string(name) != host {
			return fmt.Errorf("key \"acme.names\": %q is not a fully qualified name in lower case, as \"mail.b.example\"", host)
		}
	}
	for _, contact := range a.Contact {
		_, err := mime.ParseAddress(contact)
		if err != nil || strings.ContainsAny(contact, "?,") { // RFC 8555 §7.3: one address and no more
			return fmt.Errorf("key \"acme.contact\": %q is not an address, as \"postmaster@b.example\"", contact)
		}
	}
	if (a.BindingKeyID == "") != (a.BindingKeyFile == "") {
		return errors.New(`keys "acme.eab_key_id" and "acme.eab_key_file" belong together: set both or none`)
	}
	// The HTTP edge is at port 443 itself, and answers a handshake there.
	if c.Listen.ACME == "" && (a.Challenge != "tls-alpn-01" || c.Listen.HTTPS == "") {
		return errors.New(`key "listen.acme" is missing: the authority asks there, at ":80" for http-01 or, without listen.https, ":443" for tls-alpn-01`)
	}
	return nil
}
