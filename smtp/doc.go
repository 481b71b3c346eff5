// Package smtp carries messages over SMTP (RFC 5321): a submission server for
// the accounts (RFC 6409), a backbone server for other STAs, a relay client that
// delivers to them, and a small submission client.
//
// The servers judge the session and the form of the message: commands, limits,
// time, line ends. What may be sent, received and stored is decided by a
// backend, which internal/gateway supplies. A message is answered 250 only
// after the backend says that it is durable.
//
// What the peer reads is a reason's public sentence and our id of the message,
// never the text of an error.
package smtp
