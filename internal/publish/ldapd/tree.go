package ldapd

import (
	"context"
	"fmt"
	"sync"

	"postern/internal/publish"
)

// A tree is the directory of one Set, ready to be searched. It never changes.
type tree struct {
	contexts []string // DNs of the suffixes
	byDN     map[dnKey]*node
	byMail   map[string][]*node // by the folded value
}

// A node is an entry with its name.
type node struct {
	publish.Entry
	key dnKey
}

func newTree(s *publish.Set) (*tree, error) {
	entries := s.Entries()
	t := &tree{byDN: make(map[dnKey]*node, len(entries)), byMail: make(map[string][]*node, len(entries))}
	for _, e := range entries {
		key, err := parseDN(e.DN)
		if err != nil {
			return nil, fmt.Errorf("placing an entry of %s: %w", e.Domain, err)
		}
		n := &node{e, key}
		t.byDN[key] = n
		mails := valuesOf(&n.Entry, attrMail)
		if len(mails) == 0 {
			t.contexts = append(t.contexts, e.DN)
		}
		for _, m := range mails {
			t.byMail[fold(string(m))] = append(t.byMail[fold(string(m))], n)
		}
	}
	return t, nil
}

// A forest keeps the tree of the Set that was last asked for.
type forest struct {
	source publish.Source

	mu   sync.Mutex
	set  *publish.Set
	tree *tree
}

// now returns the tree of what is published now.
func (f *forest) now(ctx context.Context) (*tree, error) {
	set, err := f.source(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking what is published: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == set && f.tree != nil {
		return f.tree, nil
	}
	t, err := newTree(set)
	if err != nil {
		return nil, err
	}
	f.set, f.tree = set, t
	return t, nil
}
