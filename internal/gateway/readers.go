package gateway

import (
	"postern/mime"
	"postern/store"
)

// readable finds out who may read what a notification says of messages of ours that its
// addressee sent, or is told of, and returns those that it is heard for: where one is of
// who has the address still, those of somebody before him stay out of it, whose copies are
// not his. What nobody may read any more moves the tracks all the same.
func (p *part) readable(tx store.Tx, addressee mime.Address, sent []store.Track) ([]store.Track, error) {
	type who struct {
		era store.Era
		by  mime.Address
	}
	found := make(map[who]target) // of very many messages most are the same
	var his []store.Track
	for _, t := range sent {
		w := who{min(t.Era, p.job.Era), handedInBy(t)}
		readers, known := found[w]
		if !known {
			var err error
			readers, err = readersIn(p.book(tx), addressee, w.by, w.era)
			if err != nil {
				return nil, err
			}
			found[w] = readers
		}
		owner, owned := readers.owner()
		if readers.exists() && (!owned || wasThere(owner, t)) {
			his = append(his, t)
			p.readers[addressee.Key()] = readers
		}
	}
	if len(his) > 0 || len(sent) == 0 {
		return his, nil
	}
	p.readers[addressee.Key()] = target{}
	return sent, nil
}

// readersIn are who reads what comes to an address about a message: whoever had it when
// that was sent or, where nobody had, who handed it in.
func readersIn(b addressBook, addressee, by mime.Address, e store.Era) (target, error) {
	t, err := findIn(b, addressee, e)
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
