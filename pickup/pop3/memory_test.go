package pop3_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"postern/internal/login"
	"postern/pickup"
	"postern/pickup/pop3"
)

// A memory is a backend of one account with messages in memory.
type memory struct {
	mu       sync.Mutex
	messages map[uint32]string
	taken    bool
	read     [][]uint32 // of each Read
	took     []uint32
	// What goes wrong.
	readErr, bodyErr error
	removeAtMost     int // of one Remove; 0 is no limit
	removeErr        error
	check            error
}

func newMemory(all ...string) *memory {
	m := &memory{messages: map[uint32]string{}}
	for i, text := range all {
		m.messages[uint32(i+1)] = text
	}
	return m
}

func (m *memory) Login(_ context.Context, a login.Attempt) (pop3.User, error) {
	if a.Secret != testPassword {
		return nil, pickup.ErrAuthFailed
	}
	return m, nil
}

func (m *memory) Offers(context.Context) login.Offer { return login.Offer{} }

func (m *memory) Verifiers(context.Context, login.Attempt) (login.Verifiers, error) {
	return login.Verifiers{}, login.ErrMechanism
}

func (m *memory) Check(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.check
}

func (m *memory) Retention(context.Context) (time.Duration, error) { return 0, nil }

func (m *memory) Take(context.Context) (pop3.Maildrop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken {
		return nil, pop3.ErrInUse
	}
	m.taken = true
	return m, nil
}

func (m *memory) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = false
}

func (m *memory) uids() []uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.messages))
}

func (m *memory) Snapshot(context.Context) (pickup.MailboxInfo, []pickup.Message, error) {
	var all []pickup.Message
	for _, uid := range m.uids() {
		all = append(all, pickup.Message{UID: uid, Size: int64(len(m.messages[uid])), Body: uint64(uid)})
	}
	return pickup.MailboxInfo{UIDValidity: 7}, all, nil
}

func (m *memory) Read(_ context.Context, uids []uint32, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.readErr == nil {
		m.read = append(m.read, uids)
	}
	return m.readErr
}

func (m *memory) Took(_ context.Context, uids []uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took = append(m.took, uids...)
	return nil
}

func (m *memory) tookAll() []uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.took)
}

func (m *memory) Body(_ context.Context, of pickup.Message) (pickup.Body, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, there := m.messages[of.UID]
	if !there {
		return nil, pickup.ErrNoMessage
	}
	return memoryBody{bytes.NewReader([]byte(text)), m.bodyErr}, nil
}

// A memoryBody breaks off in its middle if it is to.
type memoryBody struct {
	*bytes.Reader
	err error
}

func (b memoryBody) ReadAt(p []byte, off int64) (int, error) {
	half := b.Size() / 2
	if b.err == nil {
		return b.Reader.ReadAt(p, off)
	}
	if off >= half {
		return 0, b.err
	}
	n, err := b.Reader.ReadAt(p[:min(int64(len(p)), half-off)], off)
	if err == nil && n < len(p) {
		err = b.err
	}
	return n, err
}

func (m *memory) Remove(_ context.Context, uids []uint32) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, uid := range uids {
		if m.removeErr != nil && i == m.removeAtMost {
			return i, m.removeErr
		}
		delete(m.messages, uid)
	}
	return len(uids), nil
}
