package evidence

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postern/trust"
)

// A slowShelf takes its time for the first write.
type slowShelf struct {
	*shelf
	first chan struct{} // has one token
	after time.Duration
}

func (s *slowShelf) Save(ctx context.Context, d Stored) error {
	select {
	case <-s.first:
		time.Sleep(s.after)
	default:
	}
	return s.shelf.Save(ctx, d)
}

// AS-72: a list that is written slowly does not replace one that came after it.
func TestAS72_NewestListIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(2*time.Second))})
		cache := &slowShelf{shelf: newShelf(), first: make(chan struct{}, 1), after: 20 * time.Second}
		cache.first <- struct{}{}
		k := &Keeper{Fetcher: w, Cache: cache}
		defer k.Close()
		settled(t, k, leaf, auth.Cert, now)
		time.Sleep(3 * time.Second) // while the first list is being written, it ends
		newer := time.Now()
		w.put(crlURL, page{body: auth.crl(newer, newer.Add(aDay), leaf)})
		if r, _ := settled(t, k, leaf, auth.Cert, newer); r.Status != trust.IsRevoked {
			t.Errorf("%+v", r)
		}
		k.flights.Wait()
		for _, s := range cache.kept {
			if !s.Fetched.Equal(newer) {
				t.Errorf("kept is the list fetched at %v, not at %v", s.Fetched, newer)
			}
		}
		equalInt(t, "kept", len(cache.kept), 1)
	})
}

// After a restart strangers' documents do not crowd out those of revocation.
func TestIndexKeepsEachKindByItself(t *testing.T) {
	now := time.Now()
	cache := newShelf()
	put := func(k key, unused time.Duration) {
		cache.kept[k.String()] = Stored{Key: k.String(), Used: now.Add(-unused)}
	}
	list := key{crls, "http://c.example/", "aa"}
	put(list, 2*aDay)
	for i := range 2*maxEntries + 1 {
		put(key{kind: issuers, url: fmt.Sprintf("http://a.example/%d", i)}, aDay)
	}
	k := &Keeper{Cache: cache}
	k.begin()
	defer k.Close()
	equalInt(t, "issuers", len(k.strange.byKey), maxEntries)
	if e := k.known.byKey[list]; e == nil || !e.stored {
		t.Errorf("the list is forgotten: %+v", e)
	}
}
