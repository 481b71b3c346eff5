package ldapd

import "strings"

// Names of attributes as entries spell them.
const (
	attrObjectClass = "objectClass"
	attrCN          = "cn"
	attrSN          = "sn"
	attrMail        = "mail"
	attrDC          = "dc"
	attrCertificate = "userCertificate"
)

// attributeOf reads an attribute description (RFC 4512 §2.5), by name or number.
// The second value is false for attributes that this directory does not know,
// and for options other than ;binary of a certificate.
func attributeOf(description string) (string, bool) {
	description, options, _ := strings.Cut(fold(description), ";")
	name := canonical(description)
	switch options {
	case "":
		return name, name != ""
	case "binary": // RFC 4522
		return name, name == attrCertificate
	}
	return "", false
}

// canonical returns the name of an attribute for any of its names in lower case,
// and "" for those unknown.
func canonical(name string) string {
	switch name {
	case "objectclass", "2.5.4.0":
		return attrObjectClass
	case "cn", "commonname", "2.5.4.3":
		return attrCN
	case "sn", "surname", "2.5.4.4":
		return attrSN
	case "mail", "rfc822mailbox", "0.9.2342.19200300.100.1.3":
		return attrMail
	case "dc", "domaincomponent", "0.9.2342.19200300.100.1.25":
		return attrDC
	case "usercertificate", "2.5.4.36":
		return attrCertificate
	case "namingcontexts", "1.3.6.1.4.1.1466.101.120.5":
		return attrContexts
	case "supportedldapversion", "1.3.6.1.4.1.1466.101.120.15":
		return attrVersion
	case "supportedextension", "1.3.6.1.4.1.1466.101.120.7":
		return attrExtensions
	case "supportedfeatures", "1.3.6.1.4.1.4203.1.3.5":
		return attrFeatures
	case "vendorname", "1.3.6.1.1.4":
		return attrVendor
	}
	return ""
}

// text reports whether values of an attribute are compared as text, without
// regard to case. Certificates are not compared at all.
func text(attribute string) bool { return attribute != attrCertificate }

// substrings reports whether an attribute has a matching rule for them.
func substrings(attribute string) bool {
	switch attribute {
	case attrCN, attrSN, attrMail, attrDC:
		return true
	}
	return false
}

// fold prepares a value for comparison as caseIgnoreMatch does (RFC 4518 §2):
// lower case, no space at the ends, no two in a row. Values here are ASCII, so
// other letters are left alone and match nothing.
func fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for i := range len(s) {
		c := s[i]
		if c == ' ' {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteByte(lower(c))
	}
	return b.String()
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
