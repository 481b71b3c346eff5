package password

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
)

// DefaultMemory is the Memory in bytes of a Hasher that names none, and has eight
// processors or more: eight hashes with today's parameters. With fewer processors it is
// one hash for each: more at once would end no sooner, and the one whose turn it is
// would wait for all of them.
const DefaultMemory = 8 * hashMemory << 10

// burner is a hash of nothing known, with today's parameters. It is verified
// where there is no hash to verify.
const burner = "$argon2id$v=19$m=19456,t=2,p=1$" +
	"Xo1bJqk3m0c0nE0q5W9T2Q$p5m0qz8vBvGkqj0YxW9c4mHqv1o2nKpQe7sT3uRzA6M"

// operator is who sets passwords: one of the known, and no account's address.
const operator = "operator"

// A Hasher hashes and verifies for many at once in bounded memory; those that
// find it full wait. The zero Hasher is ready for use.
type Hasher struct {
	// Memory is how many bytes argon2 may use at once, 0 for what DefaultMemory says.
	// A hash that needs more than all of it runs alone.
	Memory int64

	once  sync.Once
	limit int64 // Memory, or its default
	room  turns
}

// Hash is the function Hash with a salt from the system, when there is room.
func (h *Hasher) Hash(ctx context.Context, password []byte) (string, error) {
	err := Check(password)
	if err != nil {
		return "", err
	}
	release, err := h.acquire(ctx, Client{Account: operator}, hashMemory)
	if err != nil {
		return "", err
	}
	defer release()
	return Hash(password, rand.Reader)
}

// VerifyOrBurn reports whether password is the one behind the stored hash. It
// does the same work when there is no hash (stored is "", for an unknown or a
// disabled account) or when the hash is damaged, so that the time does not tell
// which accounts exist. The error is that of ctx when it ended before there was
// room, or wraps ErrHash; nobody is admitted with an error.
func (h *Hasher) VerifyOrBurn(ctx context.Context, who Client, stored string, password []byte) (bool, error) {
	if len(password) > MaxLength { // the same for every account
		return false, nil
	}
	hash, damage := parsePHC(stored)
	known := stored != "" && damage == nil
	if !known {
		var err error
		hash, err = parsePHC(burner)
		if err != nil {
			return false, err
		}
	}
	release, err := h.acquire(ctx, who, hash.memory)
	if err != nil {
		return false, err
	}
	defer release()
	matches := hash.matches(password)
	if stored != "" && damage != nil {
		return false, damage
	}
	return known && matches, nil
}

// acquire waits until there is room for so many KiB.
func (h *Hasher) acquire(ctx context.Context, who Client, kib uint32) (release func(), err error) {
	h.once.Do(func() {
		h.limit = h.Memory
		if h.limit <= 0 {
			h.limit = min(DefaultMemory, int64(runtime.GOMAXPROCS(0))*hashMemory<<10)
		}
		h.room.free = h.limit
	})
	weight := min(int64(kib)<<10, h.limit)
	err = h.room.acquire(ctx, who, weight)
	if err != nil {
		return nil, fmt.Errorf("waiting to hash a password: %w", err)
	}
	return func() { h.room.release(weight) }, nil
}
