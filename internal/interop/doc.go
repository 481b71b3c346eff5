// Package interop is the outer ring of tests: the postern binary as it ships,
// against programs that others wrote (OpenSSL, gpgsm, BouncyCastle, BIND, slapd, swaks, isync,
// curl), and against crashes, full disks and hostile input. It holds tests alone.
package interop
