package cms

// Defaults of Limits, and the bounds that no caller has a reason to move.
const (
	defaultDepth = 32
	defaultNodes = 200_000
	defaultHeld  = 1 << 20

	maxChunks       = 4 << 20 // pieces of one content; OpenSSL sends 4096, BouncyCastle 1000 octets in each
	maxContent      = 1 << 60 // octets to encrypt; lengths above could not be counted with what is around them
	maxSigners      = 16
	maxUKM          = 1024     // octets of user keying material; senders make some 64 of them
	maxAgreed       = 4096     // keys wrapped by key agreement, of all recipients
	maxCertificate  = 64 << 10 // octets of one; larger ones are counted as bad
	maxCertificates = 64       // of one SignedData; a certs-only collection has no bound but its size
	maxSameName     = 4        // certificates tried for one signer
	minRSABits      = 1024     // of a key that verifies; what is trusted is for package trust to say
	minSendingBits  = 2048     // of a key that we sign with or encrypt to (AS-34)
	maxRSABits      = 8192     // the cost of one verification grows with the square
)

// Limits bound what a reader takes from hostile input. Zero fields mean the
// defaults.
type Limits struct {
	Depth int   // nested elements; 32
	Nodes int   // elements outside of the content; 200,000
	Held  int64 // octets held in memory, content apart; 1 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	if l.Nodes <= 0 {
		l.Nodes = defaultNodes
	}
	if l.Held <= 0 {
		l.Held = defaultHeld
	}
	return l
}
