package config_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/config"
	"postern/mime"
)

func TestPublishIsRead(t *testing.T) {
	p := fullConfig().Publish
	p.Mail = append(p.Mail, " 0  MX2.b.example. ")
	mail, err := p.MailServers()
	if diff := cmp.Diff([]config.MailServer{{Preference: 10, Host: "mail.b.example"}, {Host: "mx2.b.example"}}, mail); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	directories, err := p.DirectoryServers()
	if diff := cmp.Diff([]config.DirectoryServer{{Host: "ldap.b.example", Port: 389}}, directories); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	servers, err := p.Servers()
	if diff := cmp.Diff([]mime.Domain{"ns1.b.example"}, servers); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	hosts, err := p.Addresses()
	want := map[mime.Domain][]netip.Addr{"mail.b.example": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}}
	if diff := cmp.Diff(want, hosts, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// CD-10: records that name servers hold host names, never addresses.
func TestCD10_PublishedServersAreHostNames(t *testing.T) {
	for name, text := range map[string]string{
		"name server":       `name_servers = ["192.0.2.1"]`,
		"name server, v6":   `name_servers = ["2001:db8::1"]`,
		"one label":         `name_servers = ["ns1"]`,
		"mail server":       `mail = ["10 192.0.2.1"]`,
		"no preference":     `mail = ["mail.b.example"]`,
		"large preference":  `mail = ["65536 mail.b.example"]`,
		"directory":         `directories = ["192.0.2.1:389"]`,
		"no port":           `directories = ["ldap.b.example"]`,
		"port 0":            `directories = ["ldap.b.example:0"]`,
		"host without one":  `hosts = { "mail.b.example" = " " }`,
		"host by a name":    `hosts = { "mail.b.example" = "other.b.example" }`,
		"host with a zone":  `hosts = { "mail.b.example" = "fe80::1%eth0" }`,
		"ttl of a day more": `ttl = "25h"`,
		"rate of none":      `rate = 0`,
	} {
		_, err := config.Parse([]byte("hostname = \"mx.b.example\"\n[publish]\n"+text+"\n"), "postern.toml")
		if err == nil || !strings.Contains(err.Error(), "publish.") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBB19_TB21_PresetsHaveARole(t *testing.T) {
	got := map[string]string{}
	for _, p := range config.Default().Presets.List() {
		got[p.Name] = p.Direction
		if !strings.HasPrefix(p.URL, "https://") || p.Doc == "" {
			t.Errorf("%+v", p)
		}
	}
	want := map[string]string{"bb-patient": "out", "bb-provider": "in", "bb-patient-test": "out", "bb-provider-test": "in", "nate-bb4c": "out"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, err := config.Parse([]byte("hostname = \"mx.b.example\"\n[presets]\nbb_patient = \"http://a.example/\"\n"), "postern.toml")
	if err == nil || !strings.Contains(err.Error(), "presets.bb_patient") {
		t.Error(err)
	}
}
