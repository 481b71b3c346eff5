package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/mime"
)

// Check judges the configuration as a whole and returns the first fault, as one
// line that names the key. It touches neither files nor network.
func (c *Config) Check() error {
	for _, f := range keysOf(c) {
		err := checkTags(f)
		if err != nil {
			return err
		}
	}
	for _, check := range []func() error{
		c.checkNames, c.checkListeners, c.checkTLS, c.checkACME, c.checkDNS, c.checkPublish, c.checkPresets, c.checkDomains, c.checkRoutes, c.checkPolicies, c.checkLimits, c.checkAccounts,
	} {
		err := check()
		if err != nil {
			return err
		}
	}
	return nil
}

// checkTags holds a key to the range and the choice of its tags.
func checkTags(f field) error {
	if text, ok := f.tag.Lookup("oneof"); ok {
		choice := strings.Fields(text)
		if !slices.Contains(choice, f.value.String()) {
			return fmt.Errorf("key %q is %q, but must be one of %q", f.path, f.value.String(), choice)
		}
	}
	if text, ok := f.tag.Lookup("each"); ok {
		err := checkEach(f, strings.Fields(text))
		if err != nil {
			return err
		}
	}
	text, ok := f.tag.Lookup("range")
	if !ok {
		return nil
	}
	low, high, _ := strings.Cut(text, "..")
	if n := f.value.Int(); n < boundOf(f.value, low) || n > boundOf(f.value, high) {
		return fmt.Errorf("key %q must be from %s to %s", f.path, low, high)
	}
	return nil
}

// checkEach holds every value of a table of domains to a choice.
func checkEach(f field, choice []string) error {
	table := f.value.Interface().(map[mime.Domain]string)
	for _, domain := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(choice, table[domain]) {
			return fmt.Errorf("key %q is %q for %s, but must be one of %q", f.path, table[domain], domain, choice)
		}
	}
	return nil
}

// boundOf reads one end of a range in the notation of v's type.
func boundOf(v reflect.Value, text string) int64 {
	bound := reflect.New(v.Type()).Elem()
	err := setText(bound, text)
	if err != nil { // the tags are constants: a test checks the defaults
		panic("config: range " + text + ": " + err.Error())
	}
	return bound.Int()
}

func (c *Config) checkNames() error {
	if c.Hostname == "" {
		return errors.New(`key "hostname" is missing: give this server's fully qualified name, as "mail.b.example"`)
	}
	name, err := mime.ParseDomain(string(c.Hostname))
	if err != nil || name != c.Hostname {
		return fmt.Errorf("key \"hostname\": %q is not a fully qualified name in lower case, as \"mail.b.example\"", c.Hostname)
	}
	if c.Dir == "" {
		return errors.New(`key "dir" is empty: name the folder of the store`)
	}
	for _, f := range []struct{ key, path string }{{"dir", c.Dir}, {"tls.cert", c.TLS.Cert}, {"tls.key", c.TLS.Key}, {"network.ca", c.Network.CA}, {"acme.eab_key_file", c.ACME.BindingKeyFile}, {"backup.dir", c.Backup.Dir}} {
		if strings.ContainsRune(f.path, 0) {
			return fmt.Errorf("key %q is not a path: it has a NUL", f.key)
		}
	}
	return nil
}

// A listener is one address of the table listen.
type listener struct {
	key     string
	address string
	host    string
	port    int
}

// listeners returns the addresses that are set, in order of definition.
func (c *Config) listeners() ([]listener, error) {
	var list []listener
	for _, f := range fieldsOf("listen.", reflect.ValueOf(&c.Listen).Elem()) {
		address := f.value.String()
		if address == "" {
			continue
		}
		host, port, err := splitHostPort(address, 0)
		if err != nil || host != "" && !isHost(host) {
			return nil, fmt.Errorf("key %q: %q is not ADDRESS:PORT, as \"0.0.0.0:587\" or \"[::1]:587\"", f.path, address)
		}
		list = append(list, listener{f.path, address, host, port})
	}
	return list, nil
}

func (c *Config) checkListeners() error {
	list, err := c.listeners()
	if err != nil {
		return err
	}
	for i, a := range list {
		for _, b := range list[:i] {
			if a.collides(b) {
				return fmt.Errorf("keys %q and %q listen on one address, %s: change one port", b.key, a.key, a.address)
			}
		}
	}
	return nil
}

// collides reports whether both cannot be bound at once.
func (a listener) collides(b listener) bool {
	if a.port != b.port || a.port == 0 {
		return false
	}
	if everywhere(a.host) || everywhere(b.host) {
		return true
	}
	if a.host == "0.0.0.0" || b.host == "0.0.0.0" { // every IPv4 address
		return !strings.Contains(a.host+b.host, ":")
	}
	return strings.EqualFold(a.host, b.host)
}

// everywhere reports whether host stands for every address of both families.
func everywhere(host string) bool { return host == "" || host == "::" }

func (c *Config) checkTLS() error {
	switch {
	case c.TLS.Cert != "" && c.TLS.Key == "":
		return errors.New(`key "tls.key" is missing: tls.cert needs its private key`)
	case c.TLS.Cert == "" && c.TLS.Key != "":
		return errors.New(`key "tls.cert" is missing: tls.key needs its certificate`)
	case c.TLS.Cert != "", c.ACME.Enabled():
		return nil
	}
	for _, l := range []struct{ name, address string }{
		{"submission", c.Listen.Submission},
		{"submissions", c.Listen.Submissions},
		{"imap", c.Listen.IMAP},
		{"imaps", c.Listen.IMAPS},
		{"pop3", c.Listen.POP3},
		{"pop3s", c.Listen.POP3S},
		{"https", c.Listen.HTTPS},
	} {
		if l.address != "" { // RFC 8314 §3: no passwords in the clear
			return fmt.Errorf("key \"tls.cert\" is missing: listen.%s takes passwords, which travel under TLS alone (set tls.cert and tls.key, or [acme])", l.name)
		}
	}
	return nil
}

func (c *Config) checkDNS() error {
	for _, server := range c.DNS.Servers {
		host, _, err := splitHostPort(server, 1)
		if err == nil {
			_, err = netip.ParseAddr(host) // a name would need a resolver first
		}
		if err != nil {
			return fmt.Errorf("key \"dns.servers\": %q is not IP:PORT, as \"127.0.0.1:53\"", server)
		}
	}
	return nil
}

// checkDomains demands that tables are by domains in the form that Parse folds
// them to.
func (c *Config) checkDomains() error {
	for _, f := range keysOf(c) {
		table, ok := f.value.Interface().(map[mime.Domain]string)
		if !ok {
			continue
		}
		for _, domain := range slices.Sorted(maps.Keys(table)) {
			name, err := mime.ParseDomain(string(domain))
			if err != nil || name != domain {
				return fmt.Errorf("key %q: %q is not a domain in lower case, as \"b.example\"", f.path, domain)
			}
		}
	}
	return nil
}

func (c *Config) checkPolicies() error {
	for _, text := range c.Trust.EVPolicies {
		_, err := x509.ParseOID(text)
		if err != nil {
			return fmt.Errorf("key \"trust.ev_policies\": %q is not an object identifier, as \"2.23.140.1.1\"", text)
		}
	}
	return nil
}

func (c *Config) checkRoutes() error {
	for _, domain := range slices.Sorted(maps.Keys(c.Relay.Routes)) {
		target := c.Relay.Routes[domain]
		host, _, err := splitHostPort(target, 1)
		if err != nil || !isHost(host) {
			return fmt.Errorf("key \"relay.routes\": %q for %s is not HOST:PORT, as \"127.0.0.1:2525\"", target, domain)
		}
	}
	return nil
}

func (c *Config) checkLimits() error {
	l := c.Limits
	if l.ConnectionsPerIP > l.Connections {
		return fmt.Errorf("key \"limits.connections_per_ip\" is %d, but must be at most limits.connections, which is %d", l.ConnectionsPerIP, l.Connections)
	}
	if l.CryptoMemory < l.MessageBytes { // the largest message would wait for ever
		return fmt.Errorf("key \"limits.crypto_memory\" is %d, but must be at least limits.message_bytes, which is %d", l.CryptoMemory, l.MessageBytes)
	}
	if l.QueueBytes/4 < l.MessageBytes { // from one network a quarter is taken
		return fmt.Errorf("key \"limits.queue_bytes\" is %d, but must be at least four times limits.message_bytes, which is %d", l.QueueBytes, l.MessageBytes)
	}
	if l.DiskReserve != 0 && l.DiskReserve/4 < l.MessageBytes { // what is under way could not go on
		return fmt.Errorf("key \"limits.disk_reserve\" is %d, but must be at least four times limits.message_bytes, which is %d, or 0", l.DiskReserve, l.MessageBytes)
	}
	if c.Notify.DispatchedWithin < c.Notify.ProcessedWithin {
		return fmt.Errorf("key \"notify.dispatched_within\" is %s, but must be at least notify.processed_within, which is %s", durationText(c.Notify.DispatchedWithin), durationText(c.Notify.ProcessedWithin))
	}
	return nil
}

// splitHostPort splits HOST:PORT with a port from lowest to 65535 in digits.
func splitHostPort(s string, lowest int) (string, int, error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || int(port) < lowest || strconv.Itoa(int(port)) != text {
		return "", 0, fmt.Errorf("%q is not a port", text)
	}
	return host, int(port), nil
}

// isHost reports whether s is an IP address or a host name of one or more
// labels.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if strings.Trim(s, "0123456789.") == "" { // a bad IPv4 address, not a name
		return false
	}
	_, err := mime.ParseDomain(s)
	if err != nil {
		_, err = mime.ParseDomain(s + ".example") // one label, as "localhost"
	}
	return err == nil
}

// durationText writes d as it is written in the file: "72h", not "72h0m0s".
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (c *Config) checkAccounts() error {
	switch c.Accounts.Subaddress {
	case "", "+", "-":
		return nil
	}
	return fmt.Errorf("key \"accounts.subaddress\" is %q, but must be \"+\" or \"-\", or not be there", c.Accounts.Subaddress)
}
