// Package ldapd serves what a site publishes as a read-only LDAP directory.
package ldapd

import _ "github.com/go-asn1-ber/asn1-ber"
