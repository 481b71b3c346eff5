package interop

// A lure is a place that strangers would have us go to, and nobody may.
type lure struct{ name, host string }

// lures are hosts for URLs, with the port of a server on loopback; inside and
// alias.target.example are names of loopback.
func lures(port string) []lure {
	return []lure{
		{"loopback", "127.0.0.1" + port},
		{"loopback in another spelling", "127.1.2.3" + port},
		{"loopback IPv6", "[::1]" + port},
		{"loopback as mapped IPv6", "[::ffff:127.0.0.1]" + port},
		{"private", "10.0.0.1"},
		{"metadata", "169.254.169.254"},
		{"name of loopback", "inside.target.example" + port},
		{"alias of loopback", "alias.target.example" + port},
	}
}
