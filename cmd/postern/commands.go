package main

// commands lists every command. A longer name comes before a shorter one that
// begins it.
func commands() []command {
	return []command{
		{"init", "--domain D --hostname H [--dir DIR]", "make a configuration, a store and a master key", runInit},
		{"serve", "", "run everything the configuration names", runServe},
		{"demo", "[--dir DIR]", "send a record across gateways on this machine, three in all, and show every step", runDemo},
		{"config check", "", "check the configuration", runConfigCheck},
		{"config describe", "", "print every key with its meaning and default", runConfigDescribe},
		{"domain add", "DOMAIN", "make a domain ours", runDomainAdd},
		{"domain list", "", "list our domains", runDomainList},
		{"domain remove", "DOMAIN", "end a domain that has no accounts", runDomainRemove},
		{"account add", "ADDRESS [--password-file FILE]", "make an account", runAccountAdd},
		{"account list", "", "list the accounts", runAccountList},
		{"account passwd", "ADDRESS [--password-file FILE]", "change a password", runAccountPasswd},
		{"account disable", "ADDRESS", "shut an account out", runAccountDisable},
		{"account enable", "ADDRESS", "let an account in again", runAccountEnable},
		{"account remove", "ADDRESS", "remove an account with its mailboxes", runAccountRemove},
		{"cert import", "FILE [--password-file FILE] [--for ADDRESS|DOMAIN]", "import certificates with their keys, PKCS #12 or PEM, or the answer to a request", runCertImport},
		{"cert list", "[--owner ADDRESS|DOMAIN]", "list our certificates", runCertList},
		{"cert show", "SHA256 [--pem]", "show a certificate of ours, and the DNS record that publishes it", runCertShow},
		{"cert export", "SHA256 FILE [--password-file FILE] [--legacy] | SHA256 FILE --cert-only [--p7b]", "write a certificate and its key to a PKCS #12 file", runCertExport},
		{"cert retire", "SHA256 [--undo]", "take a certificate out of use; its key still decrypts", runCertRetire},
		{"cert csr", "ADDRESS|DOMAIN [--key KIND] [--use USE] [--out FILE] | --list | --forget ID", "make a key here and a request for its certificate", runCertCSR},
		{"cert issue", "ADDRESS|DOMAIN [--key KIND] [--use USE] [--anchor FILE]", "issue a certificate from the local test CA", runCertIssue},
		{"anchor add", "FILE [--domain D] [--direction in|out|both] [--ev]", "trust the certificates in a file; --ev: as roots of extended-validation signers", runAnchorAdd},
		{"anchor list", "", "list the trust anchors", runAnchorList},
		{"anchor show", "SHA256", "show an anchor", runAnchorShow},
		{"anchor remove", "SHA256 [--domain D] [--ev]", "stop trusting an anchor", runAnchorRemove},
		{"lookup", "ADDRESS [--from DOMAIN] [--at TIME] [--fresh]", "show how a recipient's certificates are found and judged", runLookup},
		{"seal", "--from A --to B … [--cert FILE] [--at TIME] < message", "sign and encrypt a message without sending it", runSeal},
		{"open", "--to B … [--mail-from A] [--at TIME] < message", "decrypt and judge a message without delivering it", runOpen},
		{"queue list", "", "list the messages under way", runQueueList},
		{"track", "MESSAGE-ID", "tell the life of a message", runTrack},
		{"store check", "", "read the whole store and report what is wrong", runStoreCheck},
		{"store backup", "FILE", "write a copy of the store while it is in use", runStoreBackup},
		{"version", "", "print the version", runVersion},
	}
}
