package gateway

import (
	"slices"
	"strings"

	"postern/mime"
	"postern/store"
)

// A readership is who may read what a notification says of some messages of ours, and
// those messages. What nobody may read any more moves their tracks all the same.
type readership struct {
	target
	tracks []*followed
	places map[string][]place // of them, by Address.Key
}

// readerships divides the messages of ours that its addressee sent, or is told of, by who
// may read what a notification says of them, in the order in which they were sent. Where
// one was sent by somebody who had the address before, nobody may.
func (p *part) readerships(tx store.Tx, addressee mime.Address, sent []*followed) ([]*readership, error) {
	type who struct {
		era store.Era
		by  mime.Address
	}
	found := make(map[who]target) // of very many messages most are the same
	known := make(map[string]*readership)
	var all []*readership
	for _, t := range sent {
		w := who{min(t.Era, p.job.Era), handedInBy(t.Track)}
		readers, asked := found[w]
		if !asked {
			var err error
			readers, err = readersIn(p.book(tx), addressee, w.by, w.era)
			if err != nil {
				return nil, err
			}
			found[w] = readers
		}
		owner, owned := readers.owner()
		if owned && !wasThere(owner, t.Track) {
			readers = target{}
		}
		key := readers.key()
		if known[key] == nil {
			known[key] = &readership{target: readers}
			all = append(all, known[key])
		}
		known[key].tracks = append(known[key].tracks, t)
	}
	for _, r := range all {
		r.places = placesOf(r.tracks)
	}
	return all, nil
}

// key is the same for the same readers.
func (t target) key() string {
	var all strings.Builder
	for _, m := range t.members {
		all.WriteString(m.Address.Key() + "\x00")
	}
	return all.String()
}

// spokenOf finds out of whose messages a report speaks: who sent one to all the recipients
// that it names and anybody sent to. Of several it is who waits the most for an answer, and
// of those who are there before those who are gone. Nobody did if it speaks of the
// recipients of several: it is about exactly one message (RFC 3464 §2, RFC 8098 §3), and
// none of them is to learn whom another wrote to.
func spokenOf(all []*readership, entries []reportEntry) *readership {
	if len(all) == 1 {
		return all[0]
	}
	likely := slices.Clone(all)
	var named []reportEntry
	for _, e := range entries {
		if !slices.ContainsFunc(all, func(r *readership) bool { return r.names(e) }) {
			continue
		}
		named = append(named, e)
		likely = slices.DeleteFunc(likely, func(r *readership) bool { return !r.names(e) })
	}
	there := slices.DeleteFunc(slices.Clone(likely), func(r *readership) bool { return !r.exists() })
	if len(there) > 0 {
		likely = there
	}
	switch {
	case len(likely) == 0:
		return nil
	case len(named) == 0:
		return likely[len(likely)-1] // who sent last
	}
	return slices.MinFunc(likely, func(a, b *readership) int { return a.patience(named[0]) - b.patience(named[0]) })
}

// names reports whether one of the messages went to the recipient of an entry.
func (r *readership) names(e reportEntry) bool { return len(r.placesFor(e)) > 0 }

// placesFor are the recipients that an entry may be about.
func (r *readership) placesFor(e reportEntry) []place {
	for _, a := range []mime.Address{e.recipient, e.original} {
		all := r.places[a.Key()]
		if !a.IsZero() && len(all) > 0 {
			return all
		}
	}
	return nil
}

// patience is that of who waits the most for what an entry says.
func (r *readership) patience(e reportEntry) int {
	all := r.placesFor(e)
	return slices.MinFunc(all, morePatient).patience()
}

// readersIn are who reads what comes to an address about a message: whoever had it when
// that was sent or, where nobody had, who handed it in.
func readersIn(b addressBook, addressee, by mime.Address, e store.Era) (target, error) {
	t, err := findIn(b, addressee, e)
	if err == nil {
		err = t.damage
	}
	if err != nil || t.exists() {
		return t, err
	}
	return readersAt(b, by, e)
}

// readersAt is the account of an address in an era, as a target.
func readersAt(b addressBook, account mime.Address, e store.Era) (target, error) {
	a, held, err := holderIn(b, account, e)
	if err != nil || !held {
		return target{}, err
	}
	return target{members: []store.Account{a}}, nil
}
