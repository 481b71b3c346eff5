package gateway

import "crypto/tls"

// askingClients is a configuration of listeners that asks clients for a certificate
// while an account uses one: mail programs that are asked for nothing ask their users
// for nothing. Whose it is, and that it is good, the login finds out: it is pinned, so
// that no authority is asked, and whoever has none may log in by other means.
func (c *Core) askingClients(base *tls.Config) *tls.Config {
	if base == nil {
		return nil
	}
	asking := base.Clone()
	asking.ClientAuth = tls.RequestClientCert
	config := base.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if base.GetConfigForClient != nil {
			answer, err := base.GetConfigForClient(hello)
			if answer != nil || err != nil {
				return answer, err // to an authority, which shows no certificate
			}
		}
		dir, err := c.Directory(hello.Context())
		if err != nil || !dir.certificates {
			return nil, nil
		}
		return asking, nil
	}
	return config
}
