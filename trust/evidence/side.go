package evidence

// A side is all that is remembered for one of two: for strangers, who name the
// URLs of issuers before anything is known of them, and for revocation, whose
// URLs come from authorities that lead to an anchor. Each has documents, hosts,
// lanes and a share of the cache of its own. So what a stranger names changes
// nothing of what is done for revocation: a revocation that nobody looks up is a
// revoked signer believed.
type side struct {
	table
	hosts hosts
}

func (k *Keeper) side(of kind) *side {
	if of == issuers {
		return &k.strange
	}
	return &k.known
}

// host returns what an entry's side knows of its host.
func (k *Keeper) host(e *entry) *host { return k.side(e.key.kind).hosts.at(e.host, k.now()) }
