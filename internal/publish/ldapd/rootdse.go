package ldapd

import "postern/internal/publish"

// Attributes of the root DSE (RFC 4512 §5.1, RFC 3045).
const (
	attrContexts   = "namingContexts"
	attrVersion    = "supportedLDAPVersion"
	attrExtensions = "supportedExtension"
	attrFeatures   = "supportedFeatures"
	attrVendor     = "vendorName"
)

// What the root DSE says that this server can do.
const (
	oidStartTLS      = "1.3.6.1.4.1.1466.20037"  // RFC 4511 §4.14
	oidWhoAmI        = "1.3.6.1.4.1.4203.1.11.3" // RFC 4532
	oidAllOperations = "1.3.6.1.4.1.4203.1.5.1"  // RFC 3673: "+"
	oidTrueFalse     = "1.3.6.1.4.1.4203.1.5.3"  // RFC 4526: (&) and (|)
)

// rootDSE makes the entry about the server itself, with a naming context for
// each hosted domain (CD-27).
func rootDSE(t *tree, startTLS bool) *node {
	extensions := []string{oidWhoAmI}
	if startTLS {
		extensions = append(extensions, oidStartTLS)
	}
	all := []publish.Attribute{
		attribute(attrObjectClass, "top"),
		attribute(attrVersion, "3"),
		attribute(attrExtensions, extensions...),
		attribute(attrFeatures, oidAllOperations, oidTrueFalse),
		attribute(attrVendor, "Postern"),
	}
	if len(t.contexts) > 0 {
		all = append(all, attribute(attrContexts, t.contexts...))
	}
	return &node{Entry: publish.Entry{Attributes: all}}
}

func attribute(name string, values ...string) publish.Attribute {
	a := publish.Attribute{Name: name}
	for _, v := range values {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}
