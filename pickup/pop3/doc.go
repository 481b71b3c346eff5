// Package pop3 gives users the mail of their INBOX by POP3 (RFC 1939), with the
// capabilities of RFC 2449 and RFC 3206, STLS (RFC 2595), AUTH (RFC 5034) and
// implicit TLS (RFC 8314), over any [Backend].
//
// A session sees INBOX as it was at login, alone among the sessions of POP3 (RFC
// 1939 §3). Messages are numbered then, and a number means the same message until
// the session ends. DELE marks; only QUIT removes. A session that ends in any other
// way removes nothing.
//
// Messages go out in pieces: none is held whole.
package pop3
