package discovery

import "github.com/miekg/dns"

// wireName returns the lower-case wire form of name, or "" if it has none. Names
// are compared by it and without regard to case (RFC 4343 §3): in text, one name
// can be escaped in several ways.
func wireName(name string) string {
	var buf [256]byte
	n, err := dns.PackDomainName(dns.Fqdn(name), buf[:], 0, nil, false)
	if err != nil {
		return ""
	}
	for i, c := range buf[:n] {
		if 'A' <= c && c <= 'Z' {
			buf[i] = c + 'a' - 'A' // length octets are at most 63, below 'A'
		}
	}
	return string(buf[:n])
}

func sameName(a, b string) bool {
	ka, kb := wireName(a), wireName(b)
	return ka != "" && ka == kb
}

// inZone reports whether name is zone or below it.
func inZone(name, zone string) bool {
	n, z := wireName(name), wireName(zone)
	for n != "" && z != "" {
		if n == z {
			return true
		}
		n = n[min(1+int(n[0]), len(n)):] // without its first label; after the root nothing is left
	}
	return false
}

// parentName returns the name above name, with the final dot.
func parentName(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}
