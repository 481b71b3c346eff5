package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// message is a complete message of nearly size octets: a header, and lines of
// base64 of nothing in particular.
func message(size int) []byte {
	const perLine = 57 // octets, 76 characters
	var m bytes.Buffer
	m.Grow(size)
	fmt.Fprintf(&m, "From: %s\r\nTo: %s\r\nDate: Mon, 01 Jun 2026 12:00:00 +0000\r\n"+
		"Message-ID: <bench@a.example>\r\nSubject: bench\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		senderAddress, recipientAddress(0))
	noise := make([]byte, perLine)
	for m.Len() == 0 || m.Len()+78 <= size {
		_, _ = rand.Read(noise) // never fails
		m.WriteString(base64.StdEncoding.EncodeToString(noise))
		m.WriteString("\r\n")
	}
	return m.Bytes()
}
