package config

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"postern/mime"
)

// A MailServer is one entry of publish.mail.
type MailServer struct {
	Preference uint16
	Host       mime.Domain
}

// A DirectoryServer is one entry of publish.directories.
type DirectoryServer struct {
	Host mime.Domain
	Port uint16
}

// MailServers reads publish.mail.
func (p Publish) MailServers() ([]MailServer, error) {
	var all []MailServer
	for _, text := range p.Mail {
		words := strings.Fields(text)
		if len(words) != 2 {
			return nil, fmt.Errorf("key \"publish.mail\": %q is not PREFERENCE HOST, as \"10 mail.b.example\"", text)
		}
		n, err := strconv.ParseUint(words[0], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("key \"publish.mail\": %q is not a preference from 0 to 65535", words[0])
		}
		host, err := hostName("publish.mail", words[1])
		if err != nil {
			return nil, err
		}
		all = append(all, MailServer{uint16(n), host})
	}
	return all, nil
}

// DirectoryServers reads publish.directories.
func (p Publish) DirectoryServers() ([]DirectoryServer, error) {
	var all []DirectoryServer
	for _, text := range p.Directories {
		name, port, err := splitHostPort(text, 1)
		if err != nil {
			return nil, fmt.Errorf("key \"publish.directories\": %q is not HOST:PORT, as \"ldap.b.example:389\"", text)
		}
		host, err := hostName("publish.directories", name)
		if err != nil {
			return nil, err
		}
		all = append(all, DirectoryServer{host, uint16(port)})
	}
	return all, nil
}

// Servers reads publish.name_servers.
func (p Publish) Servers() ([]mime.Domain, error) {
	var all []mime.Domain
	for _, text := range p.NameServers {
		host, err := hostName("publish.name_servers", text)
		if err != nil {
			return nil, err
		}
		all = append(all, host)
	}
	return all, nil
}

// Addresses reads publish.hosts.
func (p Publish) Addresses() (map[mime.Domain][]netip.Addr, error) {
	all := make(map[mime.Domain][]netip.Addr, len(p.Hosts))
	for _, host := range slices.Sorted(maps.Keys(p.Hosts)) {
		for _, text := range strings.Fields(p.Hosts[host]) {
			a, err := netip.ParseAddr(text)
			if err != nil || a.Zone() != "" {
				return nil, fmt.Errorf("key \"publish.hosts\": %q for %s is not an IP address", text, host)
			}
			all[host] = append(all[host], a.Unmap())
		}
		if len(all[host]) == 0 {
			return nil, fmt.Errorf("key \"publish.hosts\": %s has no address", host)
		}
	}
	return all, nil
}

// hostName reads a host name. An address is none, though DNS would carry it:
// records that name servers cannot hold one (CD-10).
func hostName(key, text string) (mime.Domain, error) {
	_, notAddress := netip.ParseAddr(text)
	host, err := mime.ParseDomain(text)
	if err != nil || notAddress == nil {
		return "", fmt.Errorf("key %q: %q is not a host's full name, as \"mail.b.example\"", key, text)
	}
	return host, nil
}

func (c *Config) checkPublish() error {
	_, err := c.Publish.MailServers()
	if err != nil {
		return err
	}
	_, err = c.Publish.DirectoryServers()
	if err != nil {
		return err
	}
	_, err = c.Publish.Servers()
	if err != nil {
		return err
	}
	_, err = c.Publish.Addresses()
	return err
}

// A Preset is the address of a known trust bundle.
type Preset struct {
	Name      string // as "bb-patient"
	URL       string
	Direction string // in or out, as its role wants
	Doc       string
}

// List returns the presets in the order of the file.
func (p Presets) List() []Preset {
	var all []Preset
	for _, f := range fieldsOf("presets.", reflect.ValueOf(&p).Elem()) {
		all = append(all, Preset{strings.ReplaceAll(f.name, "_", "-"), f.value.String(), f.tag.Get("direction"), f.tag.Get("doc")})
	}
	return all
}

func (c *Config) checkPresets() error {
	for _, p := range c.Presets.List() {
		if !strings.HasPrefix(p.URL, "https://") {
			return fmt.Errorf("key \"presets.%s\": %q is not an https URL", strings.ReplaceAll(p.Name, "-", "_"), p.URL)
		}
	}
	return nil
}
