// Package config reads Postern's configuration: one TOML file.
//
// The struct Config is the only place where a key is defined. Its tags carry
// the key's name, meaning, default and range, and from them come the reading,
// the checking, the description that "postern config describe" prints and the
// commented file that "postern init" writes, so that these cannot differ.
//
// Every error is one line that names the file, the key and what to do.
package config

import (
	"time"

	"postern/mime"
)

// A Config is the whole configuration. Default returns one with every default
// set; Load and Parse return one that has passed Check.
type Config struct {
	Hostname mime.Domain `toml:"hostname" example:"mail.b.example" doc:"The fully qualified name of this server: in SMTP greetings, in Message-IDs and in the MX records of its domains. Required."`
	Dir      string      `toml:"dir" default:"data" doc:"The folder of the store and of the master key."`
	Listen   Listen      `toml:"listen" doc:"Where to listen, each as ADDRESS:PORT. No address before the colon means every address of this machine; port 0 lets the system choose. An absent key is an absent listener."`
	TLS      TLS         `toml:"tls" doc:"The certificate of the listeners. Both keys or none. Passwords travel under TLS alone, so, without [acme], submission, submissions, imap, imaps, pop3, pop3s and https need it; the backbone offers STARTTLS when it is there."`
	ACME     ACME        `toml:"acme" doc:"A certificate of the listeners that an authority issues and renews by itself (RFC 8555). It is shown as long as it is good; the files of [tls], if there are any, before the first one came and after the last one ended."`
	DNS      DNS         `toml:"dns" doc:"Where names and certificates of others are looked up."`
	Relay    Relay       `toml:"relay" doc:"How sealed messages leave for other domains."`
	Network  Network     `toml:"network" doc:"What the fetching of certificates, revocation and bundles may reach."`
	Publish  Publish     `toml:"publish" doc:"What Postern says of our domains in DNS, when listen.dns is set, and in \"postern publish zone\". Domains and certificates come from the store."`
	Presets  Presets     `toml:"presets" doc:"Addresses of known trust bundles. None is fetched or believed before \"postern bundle add --preset NAME\" says so."`
	Trust    Trust       `toml:"trust" doc:"Whom we believe. Anchors are in the store: see \"postern anchor\"."`
	Seal     Seal        `toml:"seal" doc:"How messages are encrypted for others. Signatures are SHA-256 always."`
	Submit   Submit      `toml:"submission" doc:"How mail of our users is taken."`
	Accounts Accounts    `toml:"accounts" doc:"The addresses of our accounts, and how they log in. Accounts, aliases and groups are in the store: see \"postern account\", \"postern alias\" and \"postern group\"."`
	Notify   Notify      `toml:"notify" doc:"What becomes of a message that was sent and is not acknowledged."`
	Keep     Keep        `toml:"keep" doc:"How long what is no longer needed for delivery stays."`
	Backup   Backup      `toml:"backup" doc:"Copies of the store that are made while it is in use."`
	Limits   Limits      `toml:"limits" doc:"What one peer, one message and one moment may cost."`
	Log      Log         `toml:"log" doc:"The log on standard error. It never holds subjects, bodies or passwords."`
}

// Listen holds the listeners' addresses as HOST:PORT; "" is no listener.
type Listen struct {
	Submission  string `toml:"submission" example:":587" doc:"Mail from our users, STARTTLS before AUTH (RFC 6409)."`
	Submissions string `toml:"submissions" example:":465" doc:"Mail from our users, TLS from the first byte (RFC 8314)."`
	Backbone    string `toml:"backbone" example:":25" doc:"Sealed mail from other gateways."`
	IMAP        string `toml:"imap" example:":143" doc:"Mailboxes, STARTTLS before LOGIN."`
	IMAPS       string `toml:"imaps" example:":993" doc:"Mailboxes, TLS from the first byte (RFC 8314)."`
	POP3        string `toml:"pop3" example:":110" doc:"The INBOX of each account over POP3, STLS before a login (RFC 1939, RFC 2595)."`
	POP3S       string `toml:"pop3s" example:":995" doc:"The INBOX of each account over POP3, TLS from the first byte (RFC 8314)."`
	HTTPS       string `toml:"https" example:":8443" doc:"Messages in and out as JSON over HTTP, with tokens of accounts, TLS from the first byte."`
	DNS         string `toml:"dns" example:":53" doc:"Our certificates, mail servers and directories as an authoritative name server of our domains, over UDP and TCP (RFC 4398)."`
	LDAP        string `toml:"ldap" example:":389" doc:"Our certificates as a read-only LDAP directory that asks for no password."`
	ACME        string `toml:"acme" example:":80" doc:"Where the authority of [acme] finds out whether the names are ours: it connects to port 80 for http-01 and to port 443 for tls-alpn-01, which listen.https answers as well. Nobody else is answered there."`
	HTTP        string `toml:"http" example:"127.0.0.1:9090" doc:"Metrics for Prometheus at /metrics. It asks for no password: leave it on loopback or behind a firewall."`
}

// TLS names the PEM files of the listeners' certificate.
type TLS struct {
	Cert string `toml:"cert" example:"tls/cert.pem" doc:"PEM file of the certificate, followed by its chain."`
	Key  string `toml:"key" example:"tls/key.pem" doc:"PEM file of the private key."`
}

// ACME says who issues the certificate of the listeners.
type ACME struct {
	Directory      string   `toml:"directory" example:"https://acme-v02.api.letsencrypt.org/directory" doc:"URL of the authority's directory. Without it nothing is issued. network.ca may hold the root of an authority of one's own."`
	Names          []string `toml:"names" example:"[\"mail.b.example\", \"imap.b.example\"]" doc:"The names in the certificate. Without them: hostname."`
	Contact        []string `toml:"contact" example:"[\"postmaster@b.example\"]" doc:"Addresses that the authority may write to."`
	AgreeTerms     bool     `toml:"agree_terms" example:"true" doc:"Whether the authority's terms of service are agreed to. Nothing is issued without."`
	Challenge      string   `toml:"challenge" default:"http-01" oneof:"http-01 tls-alpn-01" doc:"How the authority learns that the names are ours: by a request at port 80, or by a handshake at port 443."`
	BindingKeyID   string   `toml:"eab_key_id" example:"kid-1" doc:"Key identifier of the external account binding, for authorities that ask for one (RFC 8555 section 7.3.4)."`
	BindingKeyFile string   `toml:"eab_key_file" example:"acme-eab.key" doc:"File with the key of the external account binding, in base64url as the authority gives it."`
}

// DNS says whom to ask.
type DNS struct {
	Servers []string `toml:"servers" example:"[\"127.0.0.1:53\"]" doc:"Resolvers as IP:PORT, tried in turn. Without them: the system's resolvers."`
	Port    int      `toml:"port" default:"53" range:"1..65535" doc:"The port of the name servers of other domains. They are asked themselves for CERT records where no resolver gives an answer, since some refuse the question."`
}

// Relay says how messages leave.
type Relay struct {
	Routes         map[mime.Domain]string `toml:"routes" example:"{ \"b.example\" = \"127.0.0.1:2525\" }" doc:"Domains whose mail goes to HOST:PORT instead of to their MX; several may stand under [relay.routes], one a line."`
	Port           int                    `toml:"port" default:"25" range:"1..65535" doc:"The port of MX hosts."`
	RetryFor       time.Duration          `toml:"retry_for" default:"72h" range:"1m..720h" doc:"How long delivery is tried before the sender gets a failure notice."`
	PerDestination int                    `toml:"per_destination" default:"8" range:"1..100" doc:"Deliveries at once to one destination; to all of one zone four times as many, and to everybody sixteen times as many, or 128 if that is more."`
}

// Network bounds where fetches may go.
type Network struct {
	AllowPrivate bool   `toml:"allow_private" default:"false" doc:"Whether fetches of certificates, revocation lists, OCSP and bundles, LDAP, and mail to a domain's MX may reach loopback and private addresses. Strangers' certificates and zones name these addresses: leave it false except for tests and closed networks."`
	CA           string `toml:"ca" example:"tls/ca.pem" doc:"PEM file of more authorities that HTTPS servers may be certified by when something is fetched from them, beside those of the system."`
}

// Publish says what our domains publish beside their certificates.
type Publish struct {
	NameServers []string               `toml:"name_servers" example:"[\"ns1.b.example\", \"ns2.b.example\"]" doc:"Host names of the name servers of our domains, this one and those that copy it. Without them: hostname."`
	Mail        []string               `toml:"mail" example:"[\"10 mail.b.example\"]" doc:"Mail servers of our domains, each as PREFERENCE HOST. Without them: hostname."`
	Directories []string               `toml:"directories" example:"[\"ldap.b.example:389\"]" doc:"LDAP servers of our domains, each as HOST:PORT, in order of priority. Without them: hostname with the port of listen.ldap, if that is set."`
	Hosts       map[mime.Domain]string `toml:"hosts" example:"{ \"mail.b.example\" = \"192.0.2.1 2001:db8::1\" }" doc:"Addresses of hosts in our domains, with spaces between them; several hosts may stand under [publish.hosts], one a line. A name server, mail server or directory whose name is in a domain of ours needs one."`
	TTL         time.Duration          `toml:"ttl" default:"1h" range:"1s..24h" doc:"How long others may keep what we publish. A new certificate is found this much later at most."`
	Rate        int                    `toml:"rate" default:"50" range:"1..1000000" doc:"Answers a second over UDP to one network of clients (IPv4 /24, IPv6 /56). Of more, every second is truncated, so that a client comes by TCP; the others, and all beyond ten times as many, get no answer, for their address may be forged."`
}

// Presets holds the addresses of known trust bundles, each with the direction in
// which it is believed if nothing else is asked for.
type Presets struct {
	BBPatient      string `toml:"bb_patient" direction:"out" default:"https://secure.bluebuttontrust.org/p7b.ashx?id=d7a59811-ad48-e211-8bc3-78e3b5114607" doc:"Blue Button+ Patients: the apps of patients. Senders believe it (out)."`
	BBProvider     string `toml:"bb_provider" direction:"in" default:"https://secure.bluebuttontrust.org/p7b.ashx?id=ba942b18-ad48-e211-8bc3-78e3b5114607" doc:"Blue Button+ Providers: those who hold records. Apps that receive believe it (in)."`
	BBPatientTest  string `toml:"bb_patient_test" direction:"out" default:"https://secure.bluebuttontrust.org/p7b.ashx?id=4d9daaf9-384a-e211-8bc3-78e3b5114607" doc:"The twin of bb_patient for tests. No patient's record belongs under it."`
	BBProviderTest string `toml:"bb_provider_test" direction:"in" default:"https://secure.bluebuttontrust.org/p7b.ashx?id=cb300117-3a4a-e211-8bc3-78e3b5114607" doc:"The twin of bb_provider for tests. No patient's record belongs under it."`
	NATE           string `toml:"nate_bb4c" direction:"out" default:"https://bundles.nate-trust.org/NateService/admin/download?type=.p7b&bundleName=NATE%20Blue%20Button%20For%20Consumers%20(NBB4C)" doc:"NATE Blue Button for Consumers: apps of consumers, successor of bb_patient. Senders believe it (out)."`
}

// Trust says by which rules certificates are judged.
type Trust struct {
	Profile         string                 `toml:"profile" default:"1.3" oneof:"1.2 1.3" doc:"The version of the Applicability Statement for Secure Health Transport whose rules hold. Version 1.2 takes unwrapped messages and does not compare MAIL FROM and RCPT TO with the signed message, so that whoever received a message can seal it anew, signature and all, and send it to someone it was not meant for."`
	AcceptUnwrapped bool                   `toml:"accept_unwrapped" default:"false" doc:"Whether profile 1.3 takes messages whose sender signed the content without wrapping the whole message; profile 1.2 always does. Nothing vouches for the header of such a message but that the signer may speak for its From: whoever received it once can send it again with another Subject, Date, recipient and colleague's name. Leave it false unless a partner cannot wrap."`
	Revocation      string                 `toml:"revocation" default:"soft" oneof:"soft hard" doc:"What to do with a certificate whose revocation state cannot be learnt, because it names no CRL and no OCSP responder or none of these answers: soft believes it, hard refuses it. A revoked certificate is refused by both."`
	Wait            time.Duration          `toml:"wait" default:"5s" range:"100ms..1m" doc:"How long a message waits for one server of revocation lists, OCSP answers or missing intermediate certificates; several that are slow one after another add up. While postern serves, a server that does not answer costs this once, and its answer is still taken when it comes later; a command that runs without it, such as postern open, remembers nothing of that and waits anew."`
	Signers         string                 `toml:"signers" default:"community" oneof:"community ev either" doc:"Whose signatures are believed: those that lead to an anchor of the domain (community), those by an extended-validation certificate (ev, which leads to a root that was loaded with \"postern anchor add --ev\" and has a policy of trust.ev_policies), or either."`
	SignersOf       map[mime.Domain]string `toml:"signers_of" each:"community ev either" example:"{ \"patients.b.example\" = \"either\" }" doc:"trust.signers for single domains of ours; several may stand under [trust.signers_of], one a line."`
	EVPolicies      []string               `toml:"ev_policies" example:"[\"2.23.140.1.1\"]" doc:"Object identifiers of the certificate policies that make a certificate one of extended validation. Without them: 2.23.140.1.1, the policy of the CA/Browser Forum."`
}

// Seal says how messages are encrypted.
type Seal struct {
	Cipher         string                 `toml:"cipher" default:"aes-256-cbc" oneof:"aes-256-cbc aes-128-cbc aes-256-gcm aes-128-gcm" doc:"The cipher of the content. GCM makes an AuthEnvelopedData, which agents of before 2019 cannot read."`
	CipherTo       map[mime.Domain]string `toml:"cipher_to" each:"aes-256-cbc aes-128-cbc aes-256-gcm aes-128-gcm" example:"{ \"b.example\" = \"aes-256-gcm\" }" doc:"seal.cipher for single domains of recipients."`
	KeyTransport   string                 `toml:"key_transport" default:"profile" oneof:"profile rsa-v1.5 rsa-oaep-sha256" doc:"How the content's key is wrapped for RSA certificates. The profile's: rsa-v1.5 under 1.2, rsa-oaep-sha256 under 1.3. For EC certificates it is ECDH always."`
	KeyTransportTo map[mime.Domain]string `toml:"key_transport_to" each:"profile rsa-v1.5 rsa-oaep-sha256" example:"{ \"b.example\" = \"rsa-v1.5\" }" doc:"seal.key_transport for single domains of recipients."`
}

// Notify says how long a sent message may stay unacknowledged.
type Notify struct {
	ProcessedWithin  time.Duration `toml:"processed_within" default:"1h" range:"1s..720h" doc:"How long after a message was handed to the other side its processed notification may take. Then its sender is told that it failed."`
	DispatchedWithin time.Duration `toml:"dispatched_within" default:"1h" range:"1s..720h" doc:"How long after it was handed over the notification of final delivery may take, of a message whose sender asked for one. Then its sender is told that it failed. At least notify.processed_within."`
	DelayedAfter     time.Duration `toml:"delayed_after" default:"4h" range:"0s..720h" doc:"After what time the sender of a message that still waits to be handed over is told that it is late. 0s, and what is longer than relay.retry_for, tells him of failures alone."`
	HideProcessed    bool          `toml:"hide_processed" default:"false" doc:"Whether processed notifications are kept from the sender's mailbox. They count all the same."`
}

// Accounts says what our addresses are, and how they log in.
type Accounts struct {
	Subaddress string `toml:"subaddress" example:"+" doc:"What may stand between the name of an account, an alias or a group and a detail of the sender's choice: with \"+\", bob+labs@ reaches bob@ where nobody has that very address (RFC 5233). \"+\" or \"-\"; with \"-\" every account whose name begins another's gets what is mistyped behind it. Without it there are no details."`

	ChannelBinding bool `toml:"channel_binding" default:"false" doc:"Whether SCRAM-SHA-256-PLUS is offered beside SCRAM-SHA-256: it binds a login to its TLS connection, so that nobody between can use it. Clients built on GNU SASL, such as mutt of Debian, take it as the strongest that they see, cannot bind, and for SMTP and POP3 log in by nothing else: leave it false unless you know your clients."`
}

// Submit says how mail of our users is taken.
type Submit struct {
	RefuseUnreachable bool `toml:"refuse_unreachable" default:"false" doc:"Whether a recipient is refused at once, with the reason, if nothing can be encrypted for him: he has no certificate, or none that the sender's domain trusts. What is not known within five seconds is taken. Without it, and then, the sender gets a failure notice."`
}

// Keep says how long things stay.
type Keep struct {
	Tracks       time.Duration `toml:"tracks" default:"2160h" range:"24h..87600h" doc:"How long the life of a message is kept, for \"postern track\", after it has ended."`
	Audit        time.Duration `toml:"audit" default:"52560h" range:"24h..262800h" doc:"How long the audit trail is kept. The default is six years, as 45 CFR 164.316 wants it."`
	Duplicates   time.Duration `toml:"duplicates" default:"168h" range:"1h..2160h" doc:"How long a message that was delivered is known when it comes again."`
	Refused      time.Duration `toml:"refused" default:"168h" range:"0s..2160h" doc:"How long the sealed original of a message that was not believed is kept for an operator; 0s keeps none."`
	RefusedBytes int64         `toml:"refused_bytes" default:"1073741824" range:"0..1099511627776" doc:"How many bytes of such originals are kept at most; the oldest go first. 0 keeps none."`
}

// Backup says where copies of the store go.
type Backup struct {
	Dir   string        `toml:"dir" example:"/var/backups/postern" doc:"The folder of the copies. Without it none are made. It belongs on another disk than the store, and the master key in neither."`
	Every time.Duration `toml:"every" default:"24h" range:"1m..720h" doc:"How often a copy is made."`
	Keep  int           `toml:"keep" default:"7" range:"1..1000" doc:"How many copies stay; the oldest go first."`
}

// Limits bounds what peers can ask for. Sizes are in bytes.
type Limits struct {
	MessageBytes      int64         `toml:"message_bytes" default:"37748736" range:"65536..1073741824" doc:"The largest message taken, in bytes. 36 MiB carries attachments of about 25 MiB."`
	Recipients        int           `toml:"recipients" default:"100" range:"1..1000" doc:"Recipients of one message."`
	Connections       int           `toml:"connections" default:"500" range:"1..100000" doc:"Connections at once, for each listener."`
	ConnectionsPerIP  int           `toml:"connections_per_ip" default:"50" range:"1..100000" doc:"Connections at once from one IPv4 address or IPv6 /64, for each listener. At most limits.connections."`
	CommandIdle       time.Duration `toml:"command_idle" default:"5m" range:"1s..1h" doc:"How long a peer may be silent between commands. RFC 5321 asks for 5 minutes."`
	DataTime          time.Duration `toml:"data_time" default:"30m" range:"1s..24h" doc:"How long the whole transfer of one message may take."`
	CryptoMemory      int64         `toml:"crypto_memory" default:"268435456" range:"65536..1099511627776" doc:"Bytes of messages that are sealed or opened at once; more wait. At least limits.message_bytes."`
	MailboxBytes      int64         `toml:"mailbox_bytes" default:"10737418240" range:"0..1125899906842624" doc:"How many bytes the mailboxes of one account may hold, where \"postern account quota\" says nothing else; 0 is no limit. Mail beyond it fails with a notice to its sender."`
	DiskReserve       int64         `toml:"disk_reserve" default:"268435456" range:"0..1099511627776" doc:"How many bytes must be free for new mail to be taken, on the store's disk and within its file together; with less it is refused for the time being (452). What was taken before goes on, and needs some: at least four times message_bytes, or 0 for no reserve."`
	QueueBytes        int64         `toml:"queue_bytes" default:"34359738368" range:"1048576..1099511627776" doc:"How many bytes of messages may be under way, at least four times message_bytes; beyond it new mail is refused for the time being (452). A quarter of it is for mail from one IPv4 /24 or IPv6 /56 that waits to be opened; beyond that its mail is refused for the time being (450)."`
	AccountMessages   int           `toml:"account_messages" default:"36000" range:"1..10000000" doc:"Messages an hour from one account."`
	AccountRecipients int           `toml:"account_recipients" default:"360000" range:"1..100000000" doc:"Recipients an hour of one account's messages."`
	PeerMessages      int           `toml:"peer_messages" default:"1200" range:"1..10000000" doc:"Messages a minute at the backbone from one IPv4 address or IPv6 /64. All of an IPv4 /24 or IPv6 /56 together may send 240 times as many a day."`
	PeerConnections   int           `toml:"peer_connections" default:"600" range:"1..10000000" doc:"Connections a minute from one IPv4 address or IPv6 /64, for each listener of mail and mailboxes."`
}

// Log says what is logged and in which form.
type Log struct {
	Level  string `toml:"level" default:"info" oneof:"debug info warn error" doc:"The least important level that is logged."`
	Format string `toml:"format" default:"text" oneof:"text json" doc:"One line of text, or one JSON object, for each event."`
}
