// Package door is what the servers of mailboxes have in common at their doors:
// how many connections come in, how they come under TLS, and how long those wait
// who do everything wrong.
package door
