package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/config"
	"postern/internal/testnet/effort"
	"postern/mime"
)

const full = `
hostname = "MX.b.example."
dir = "/var/lib/postern"
[listen]
submission = "127.0.0.1:587"
submissions = "[::1]:465"
backbone = ":25"
imap = "localhost:143"
imaps = "0.0.0.0:993"
dns = "127.0.0.1:53"
ldap = ":389"
acme = ":443"
http = "127.0.0.1:9090"
[tls]
cert = "tls/cert.pem"
key = "/etc/key.pem"
[acme]
directory = "https://ca.example/dir"
names = ["mail.b.example", "imap.b.example"]
contact = ["postmaster@b.example"]
agree_terms = true
challenge = "tls-alpn-01"
eab_key_id = "kid-1"
eab_key_file = "eab.key"
[dns]
servers = ["127.0.0.1:5353", "[::1]:53"]
port = 5353
[relay]
routes = { "A.example" = "127.0.0.1:2525", "c.example" = "mx.c.example:25" }
port = 2526
retry_for = "24h"
per_destination = 3
[network]
allow_private = true
ca = "tls/ca.pem"
[publish]
name_servers = ["ns1.b.example"]
mail = ["10 mail.b.example"]
directories = ["ldap.b.example:389"]
hosts = { "Mail.b.example" = "192.0.2.1 2001:db8::1" }
ttl = "10m"
rate = 7
[presets]
bb_patient = "https://a.example/p"
bb_provider = "https://a.example/q"
bb_patient_test = "https://a.example/pt"
bb_provider_test = "https://a.example/qt"
nate_bb4c = "https://a.example/n"
[trust]
profile = "1.2"
accept_unwrapped = true
revocation = "hard"
wait = "2s"
signers = "ev"
signers_of = { "B.example" = "either" }
ev_policies = ["2.23.140.1.1", "1.2.3"]

[seal]
cipher = "aes-128-cbc"
cipher_to = { "c.example" = "aes-256-gcm" }
key_transport = "rsa-v1.5"
key_transport_to = { "c.example" = "profile" }
[limits]
message_bytes = 1048576
recipients = 10
connections = 20
connections_per_ip = 5
command_idle = "90s"
data_time = "1h30m"
crypto_memory = 2097152
mailbox_bytes = 1048577
disk_reserve = 4194306
queue_bytes = 4194307
account_messages = 11
account_recipients = 12
peer_messages = 13
peer_connections = 14
[notify]
processed_within = "5m"
dispatched_within = "6m"
delayed_after = "7m"
hide_processed = true
[keep]
tracks = "25h"
audit = "26h"
duplicates = "27h"
refused = "28h"
refused_bytes = 29
[backup]
dir = "backups"
every = "30m"
keep = 31
[log]
level = "debug"
format = "json"
`

func fullConfig() *config.Config {
	return &config.Config{
		Hostname: "mx.b.example",
		Dir:      "/var/lib/postern",
		Listen: config.Listen{
			Submission: "127.0.0.1:587", Submissions: "[::1]:465", Backbone: ":25",
			IMAP: "localhost:143", IMAPS: "0.0.0.0:993",
			DNS: "127.0.0.1:53", LDAP: ":389", ACME: ":443", HTTP: "127.0.0.1:9090",
		},
		TLS: config.TLS{Cert: "/etc/postern/tls/cert.pem", Key: "/etc/key.pem"},
		ACME: config.ACME{
			Directory: "https://ca.example/dir", Names: []string{"mail.b.example", "imap.b.example"}, Contact: []string{"postmaster@b.example"},
			AgreeTerms: true, Challenge: "tls-alpn-01", BindingKeyID: "kid-1", BindingKeyFile: "/etc/postern/eab.key",
		},
		DNS:     config.DNS{Servers: []string{"127.0.0.1:5353", "[::1]:53"}, Port: 5353},
		Network: config.Network{AllowPrivate: true, CA: "/etc/postern/tls/ca.pem"},
		Publish: config.Publish{
			NameServers: []string{"ns1.b.example"}, Mail: []string{"10 mail.b.example"}, Directories: []string{"ldap.b.example:389"},
			Hosts: map[mime.Domain]string{"mail.b.example": "192.0.2.1 2001:db8::1"}, TTL: 10 * time.Minute, Rate: 7,
		},
		Presets: config.Presets{
			BBPatient: "https://a.example/p", BBProvider: "https://a.example/q", BBPatientTest: "https://a.example/pt",
			BBProviderTest: "https://a.example/qt", NATE: "https://a.example/n",
		},
		Relay: config.Relay{
			Routes: map[mime.Domain]string{"a.example": "127.0.0.1:2525", "c.example": "mx.c.example:25"},
			Port:   2526, RetryFor: 24 * time.Hour, PerDestination: 3,
		},
		Trust: config.Trust{
			Profile: "1.2", AcceptUnwrapped: true, Revocation: "hard", Wait: 2 * time.Second, Signers: "ev",
			SignersOf: map[mime.Domain]string{"b.example": "either"}, EVPolicies: []string{"2.23.140.1.1", "1.2.3"},
		},
		Seal: config.Seal{
			Cipher: "aes-128-cbc", CipherTo: map[mime.Domain]string{"c.example": "aes-256-gcm"},
			KeyTransport: "rsa-v1.5", KeyTransportTo: map[mime.Domain]string{"c.example": "profile"},
		},
		Limits: config.Limits{
			MessageBytes: 1 << 20, Recipients: 10, Connections: 20, ConnectionsPerIP: 5,
			CommandIdle: 90 * time.Second, DataTime: 90 * time.Minute, CryptoMemory: 2 << 20,
			MailboxBytes: 1<<20 + 1, DiskReserve: 4<<20 + 2, QueueBytes: 4<<20 + 3,
			AccountMessages: 11, AccountRecipients: 12, PeerMessages: 13, PeerConnections: 14,
		},
		Notify: config.Notify{ProcessedWithin: 5 * time.Minute, DispatchedWithin: 6 * time.Minute, DelayedAfter: 7 * time.Minute, HideProcessed: true},
		Keep:   config.Keep{Tracks: 25 * time.Hour, Audit: 26 * time.Hour, Duplicates: 27 * time.Hour, Refused: 28 * time.Hour, RefusedBytes: 29},
		Backup: config.Backup{Dir: "/etc/postern/backups", Every: 30 * time.Minute, Keep: 31},
		Log:    config.Log{Level: "debug", Format: "json"},
	}
}

func TestParseReadsEveryKey(t *testing.T) {
	got, err := config.Parse([]byte(full), "/etc/postern/postern.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullConfig(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	want := &config.Config{
		Dir:     "data",
		ACME:    config.ACME{Challenge: "http-01"},
		DNS:     config.DNS{Port: 53},
		Publish: config.Publish{TTL: time.Hour, Rate: 50},
		Presets: config.Presets{
			BBPatient:      "https://secure.bluebuttontrust.org/p7b.ashx?id=d7a59811-ad48-e211-8bc3-78e3b5114607",
			BBProvider:     "https://secure.bluebuttontrust.org/p7b.ashx?id=ba942b18-ad48-e211-8bc3-78e3b5114607",
			BBPatientTest:  "https://secure.bluebuttontrust.org/p7b.ashx?id=4d9daaf9-384a-e211-8bc3-78e3b5114607",
			BBProviderTest: "https://secure.bluebuttontrust.org/p7b.ashx?id=cb300117-3a4a-e211-8bc3-78e3b5114607",
			NATE:           "https://bundles.nate-trust.org/NateService/admin/download?type=.p7b&bundleName=NATE%20Blue%20Button%20For%20Consumers%20(NBB4C)",
		},
		Relay: config.Relay{Port: 25, RetryFor: 72 * time.Hour, PerDestination: 8},
		Trust: config.Trust{Profile: "1.3", Revocation: "soft", Wait: 5 * time.Second, Signers: "community"},
		Seal:  config.Seal{Cipher: "aes-256-cbc", KeyTransport: "profile"},
		Limits: config.Limits{
			MessageBytes: 36 << 20, Recipients: 100, Connections: 500, ConnectionsPerIP: 50,
			CommandIdle: 5 * time.Minute, DataTime: 30 * time.Minute, CryptoMemory: 256 << 20,
			MailboxBytes: 10 << 30, DiskReserve: 256 << 20, QueueBytes: 32 << 30,
			AccountMessages: 36000, AccountRecipients: 360000, PeerMessages: 1200, PeerConnections: 600,
		},
		Notify: config.Notify{ProcessedWithin: time.Hour, DispatchedWithin: time.Hour, DelayedAfter: 4 * time.Hour},
		Keep: config.Keep{
			Tracks: 90 * 24 * time.Hour, Audit: 6 * 365 * 24 * time.Hour, Duplicates: 7 * 24 * time.Hour,
			Refused: 7 * 24 * time.Hour, RefusedBytes: 1 << 30,
		},
		Backup: config.Backup{Every: 24 * time.Hour, Keep: 7},
		Log:    config.Log{Level: "info", Format: "text"},
	}
	if diff := cmp.Diff(want, config.Default()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSampleReadsBack(t *testing.T) {
	named := config.Default()
	named.Hostname = "mail.b.example"
	odd := config.Default()
	odd.Hostname = "mail.b.example"
	odd.Dir = "/tmp/a \"b\"\\c\n\x7f#é"
	odd.Network.AllowPrivate = true
	odd.Limits.CommandIdle = 61 * time.Second
	for name, c := range map[string]*config.Config{"defaults": named, "every key": fullConfig(), "odd text": odd} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			err := config.Sample(&b, c)
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Parse(b.Bytes(), "postern.toml")
			if err != nil {
				t.Fatalf("%v in\n%s", err, b.String())
			}
			if diff := cmp.Diff(c, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What the description shows as defaults are the defaults, and its examples
// are values that the checks take.
func TestDescriptionIsTrue(t *testing.T) {
	var b bytes.Buffer
	err := config.Describe(&b)
	if err != nil {
		t.Fatal(err)
	}
	active := regexp.MustCompile(`(?m)^#([a-z_]+ = )`).ReplaceAllString(b.String(), "$1")
	got, err := config.Parse([]byte(active), "postern.toml")
	if err != nil {
		t.Fatalf("%v in\n%s", err, active)
	}
	got.Hostname, got.Listen, got.TLS, got.DNS.Servers, got.Relay.Routes = "", config.Listen{}, config.TLS{}, nil, nil
	got.ACME, got.Accounts = config.ACME{Challenge: "http-01"}, config.Accounts{}
	got.Network.CA, got.Publish.NameServers, got.Publish.Mail, got.Publish.Directories, got.Publish.Hosts = "", nil, nil, nil, nil
	got.Backup.Dir = ""
	got.Trust.SignersOf, got.Trust.EVPolicies, got.Seal.CipherTo, got.Seal.KeyTransportTo = nil, nil, nil, nil
	if diff := cmp.Diff(config.Default(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for i, line := range strings.Split(b.String(), "\n") {
		words := strings.Fields(strings.TrimLeft(line, "# "))
		if len(line) > 80 && len(words) > 1 && !strings.Contains(line, "://") { // an address cannot be broken
			t.Errorf("line %d is %d octets long", i+1, len(line))
		}
	}
}

func TestErrorsAreOneLineWithAHint(t *testing.T) {
	const host = "hostname = \"mx.b.example\"\n"
	const acme = "[acme]\n"
	const agreed = acme + "directory = \"https://ca.example/d\"\nagree_terms = true\n"
	for _, tt := range []struct{ name, text, want string }{
		{"misspelt table", host + "[lisen]\n", `key "lisen" is not known (did you mean "listen"?)`},
		{"misspelt key", host + "[listen]\nimapz = \":993\"", `key "listen.imapz" is not known (did you mean "listen.imap"?)`},
		{"wrong table", host + "imaps = \":993\"", `key "imaps" is not known (did you mean "listen.imaps"?)`},
		{"another case", host + "[relay]\nPort = 26", `key "relay.Port" is not known (did you mean "relay.port"?)`},
		{"unlike any", host + "quux = 1", `key "quux" is not known ("postern config describe" lists all keys)`},
		{"long line", host + strings.Repeat("a", 600) + " = 1", `line 2: longer than 512 bytes`},
		{"very long key", host + strings.Repeat("a", 500) + " = 1", `is not known ("postern config describe" lists all keys)`},
		{"no table", host + "listen = 5", `key "listen" is a table: write [listen] on a line of its own`},
		{"many tables", host + "[[listen]]\nimap = \":1\"", `key "listen" is a table`},
		{"routes no table", host + "[relay]\nroutes = 5", `key "relay.routes" must be a table with its domains in quotes`},
		{"route not quoted", host + "[relay]\nroutes = { b.example = \"h:1\" }", `key "relay.routes" must be a table with its domains in quotes`},
		{"syntax", host + "dir = ", `line 2: `},
		{"twice", host + host, `line 2: `},
		{"text for number", host + "[relay]\nport = \"25\"", `key "relay.port" must be a whole number`},
		{"number for text", "hostname = 5", `key "hostname" must be a text in quotes`},
		{"number for truth", host + "[network]\nallow_private = 1", `key "network.allow_private" must be true or false`},
		{"fraction", host + "[relay]\nport = 2.5", `must be a whole number`},
		{"duration without unit", host + "[limits]\ncommand_idle = \"5\"", `key "limits.command_idle" must be a duration in quotes, as "90s"`},
		{"duration as number", host + "[limits]\ncommand_idle = 5", `must be a duration in quotes`},
		{"list of numbers", host + "[dns]\nservers = [5]", `key "dns.servers" must be a list of texts`},
		{"no hostname", "", `key "hostname" is missing: give this server's fully qualified name`},
		{"bare hostname", `hostname = "localhost"`, `key "hostname": "localhost" is not a fully qualified name`},
		{"empty dir", host + `dir = ""`, `key "dir" is empty`},
		{"NUL in path", host + `dir = "a\u0000"`, `key "dir" is not a path`},
		{"zero duration", host + "[relay]\nretry_for = \"0s\"", `key "relay.retry_for" must be from 1m to 720h`},
		{"negative duration", host + "[limits]\ndata_time = \"-5m\"", `key "limits.data_time" must be from 1s to 24h`},
		{"huge size", host + "[limits]\nmessage_bytes = 9223372036854775807", `key "limits.message_bytes" must be from 65536 to 1073741824`},
		{"zero recipients", host + "[limits]\nrecipients = 0", `key "limits.recipients" must be from 1 to 1000`},
		{"too much at once", host + "[relay]\nper_destination = 101", `key "relay.per_destination" must be from 1 to 100`},
		{"port above", host + "[relay]\nport = 65536", `key "relay.port" must be from 1 to 65535`},
		{"profile", host + "[trust]\nprofile = \"1.4\"", `key "trust.profile" is "1.4", but must be one of ["1.2" "1.3"]`},
		{"log level", host + "[log]\nlevel = \"INFO\"", `key "log.level" is "INFO", but must be one of`},
		{"another separator", host + "[accounts]\nsubaddress = \"=\"", `key "accounts.subaddress" is "=", but must be "+" or "-"`},
		{"per address above all", host + "[limits]\nconnections = 10", `key "limits.connections_per_ip" is 50, but must be at most limits.connections, which is 10`},
		{"queue for less than four messages", host + "[limits]\nmessage_bytes = 1048576\nqueue_bytes = 4194303", `key "limits.queue_bytes" is 4194303, but must be at least four times limits.message_bytes`},
		{"reserve for less than four messages", host + "[limits]\ndisk_reserve = 1048576", `key "limits.disk_reserve" is 1048576, but must be at least four times limits.message_bytes`},
		{"message above memory", host + "[limits]\ncrypto_memory = 65536", `key "limits.crypto_memory" is 65536, but must be at least limits.message_bytes`},
		{"listener without port", host + "[listen]\nbackbone = \"127.0.0.1\"", `key "listen.backbone": "127.0.0.1" is not ADDRESS:PORT`},
		{"listener with service name", host + "[listen]\nbackbone = \":smtp\"", `is not ADDRESS:PORT`},
		{"listener with bad address", host + "[listen]\nbackbone = \"127.0.0.300:25\"", `is not ADDRESS:PORT`},
		{"listeners collide", host + "[listen]\nbackbone = \":25\"\nsubmission = \"127.0.0.1:25\"", `keys "listen.submission" and "listen.backbone" listen on one address`},
		{"no TLS", host + "[listen]\nsubmission = \":587\"", `key "tls.cert" is missing: listen.submission takes passwords`},
		{"no TLS for POP3", host + "[listen]\npop3 = \":110\"", `key "tls.cert" is missing: listen.pop3 takes passwords`},
		{"no TLS for POP3S", host + "[listen]\npop3s = \":995\"", `key "tls.cert" is missing: listen.pop3s takes passwords`},
		{"no TLS for IMAP", host + "[listen]\nimap = \":143\"", `listen.imap takes passwords`},
		{"acme without TLS", host + acme + "directory = \"http://ca.example/d\"", `key "acme.directory": "http://ca.example/d" is not an https URL`},
		{"acme without a host", host + acme + "directory = \"https:///d\"", `key "acme.directory": "https:///d" is not an https URL`},
		{"terms not agreed to", host + acme + "directory = \"https://ca.example/d\"", `key "acme.agree_terms" is false: read the terms`},
		{"acme for no name", host + agreed + "names = [\"Mail\"]", `key "acme.names": "Mail" is not a fully qualified name`},
		{"acme for an address", host + agreed + "names = [\"*.b.example\"]", `key "acme.names": "*.b.example" is not a fully qualified name`},
		{"contact of nobody", host + agreed + "contact = [\"mailto:a@b.example?c\"]", `key "acme.contact": "mailto:a@b.example?c" is not an address`},
		{"half a binding", host + agreed + "eab_key_id = \"k\"", `keys "acme.eab_key_id" and "acme.eab_key_file" belong together`},
		{"nowhere to ask", host + agreed, `key "listen.acme" is missing: the authority asks there`},
		{"http edge for http-01", host + agreed + "[listen]\nhttps = \":443\"", `key "listen.acme" is missing`},
		{"nobody to ask", host + "[listen]\nacme = \":80\"", `key "acme.directory" is missing: listen.acme is for an authority`},
		{"unknown challenge", host + agreed + "challenge = \"dns-01\"", `key "acme.challenge" is "dns-01", but must be one of`},
		{"no key", host + "[tls]\ncert = \"c.pem\"", `key "tls.key" is missing`},
		{"no certificate", host + "[tls]\nkey = \"k.pem\"", `key "tls.cert" is missing`},
		{"resolver by name", host + "[dns]\nservers = [\"dns.example:53\"]", `key "dns.servers": "dns.example:53" is not IP:PORT`},
		{"resolver without port", host + "[dns]\nservers = [\"127.0.0.1\"]", `is not IP:PORT`},
		{"signers of no kind", host + "[trust]\nsigners_of = { \"b.example\" = \"all\" }", `key "trust.signers_of" is "all" for b.example, but must be one of`},
		{"signers of a domain twice", host + "[trust]\nsigners_of = { \"b.example\" = \"ev\", \"B.example\" = \"ev\" }", `key "trust.signers_of": the domain "b.example" is there twice`},
		{"no policy", host + "[trust]\nev_policies = [\"EV\"]", `key "trust.ev_policies": "EV" is not an object identifier`},
		{"triple DES", host + "[seal]\ncipher = \"3des\"", `key "seal.cipher" is "3des", but must be one of`},
		{"triple DES to one", host + "[seal]\ncipher_to = { \"b.example\" = \"3des\" }", `key "seal.cipher_to" is "3des" for b.example, but must be one of`},
		{"route for no domain", host + "[relay]\nroutes = { \"b\" = \"h:1\" }", `key "relay.routes": "b" is not a domain`},
		{"route to port 0", host + "[relay]\nroutes = { \"b.example\" = \"h:0\" }", `"h:0" for b.example is not HOST:PORT`},
		{"route to no host", host + "[relay]\nroutes = { \"b.example\" = \":25\" }", `":25" for b.example is not HOST:PORT`},
		{"route twice", host + "[relay]\nroutes = { \"b.example\" = \"h:1\", \"B.example\" = \"h:2\" }", `the domain "b.example" is there twice`},
		{"too large", host + strings.Repeat("#\n", config.MaxFile/2), `larger than 65536 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.text), "postern.toml")
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), "config: postern.toml: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant … %s …", err, tt.want)
			}
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestListenersThatDoNotCollide(t *testing.T) {
	for _, text := range []string{
		"backbone = \"127.0.0.1:25\"\nsubmission = \"127.0.0.2:25\"",
		"backbone = \"0.0.0.0:25\"\nsubmission = \"[::1]:25\"",
		"backbone = \"127.0.0.1:0\"\nsubmission = \"127.0.0.1:0\"",
	} {
		text = "hostname = \"mx.b.example\"\n[tls]\ncert = \"c\"\nkey = \"k\"\n[listen]\n" + text
		_, err := config.Parse([]byte(text), "postern.toml")
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

func TestCheckOfWhatCodeBuilt(t *testing.T) {
	c := config.Default()
	c.Hostname = "MX.b.example"
	if err := c.Check(); err == nil {
		t.Error("a hostname in upper case passed")
	}
	c.Hostname = "mx.b.example"
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	c.Relay.Routes = map[mime.Domain]string{"B.example": "h:1"}
	if err := c.Check(); err == nil {
		t.Error("a route in upper case passed")
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "postern.toml")
	_, err := config.Load(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "postern init") {
		t.Errorf("missing file: %v", err)
	}
	err = os.WriteFile(path, []byte(`hostname = "mx.b.example"`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(folder, "data"); c.Dir != want {
		t.Errorf("dir is %q, want %q", c.Dir, want)
	}
	_, err = config.Load(folder)
	if err == nil {
		t.Error("a folder was read")
	}
}

func TestHostileTextTakesLittleTime(t *testing.T) {
	dots := strings.Repeat("a.", config.MaxLine/2-4)
	var manyDots strings.Builder
	for i := range config.MaxFile / config.MaxLine {
		fmt.Fprintf(&manyDots, "%s%03d=1\n", dots, i)
	}
	for name, text := range map[string]string{
		"arrays":        "a = " + strings.Repeat("[\n", config.MaxFile/2-4),
		"inline tables": "a = " + strings.Repeat("[{a=\n", config.MaxBraces),
		"many tables":   "a = " + strings.Repeat("[{a=\n", config.MaxBraces+1),
		"dotted tables": "a=[\n" + strings.Repeat("{"+dots+"a=[\n", config.MaxBraces),
		"headers":       strings.Repeat("[a]\n", config.MaxFile/4),
		"array headers": strings.Repeat("[[a]]\n", config.MaxFile/6),
		"dots":          manyDots.String(),
		"keys":          strings.Repeat("a=1\n", config.MaxFile/4),
		"one string":    "a = \"\"\"\n" + strings.Repeat("\\\n", config.MaxFile/2-8),
	} {
		t.Run(name, func(t *testing.T) {
			spent := effort.Since()
			_, err := config.Parse([]byte(text), "postern.toml")
			if err == nil {
				t.Error("no error")
			}
			if took := spent(); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("hostname = \"mx.b.example\"\n[listen]\nimap = 5"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data, "/etc/postern/postern.toml")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		var b bytes.Buffer
		err = config.Sample(&b, c)
		if err != nil {
			return // a path that its escapes make too long for a line
		}
		again, err := config.Parse(b.Bytes(), "/etc/postern/postern.toml")
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("(-first +again)\n%s", diff)
		}
	})
}
