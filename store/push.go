package store

import (
	"slices"

	"postern/mime"
)

// MaxPushNames is how many addresses one push may answer for.
const MaxPushNames = 1000

// A PushName is an address under which a message reached the account that it is pushed
// to, in one transmission of it.
type PushName struct {
	Track   TrackID      `json:"track"`
	Address mime.Address `json:"address"`
	// Answers and Notice are those of Push, for this address.
	Answers bool    `json:"answers,omitempty"`
	Notice  TrackID `json:"notice,omitempty"`
}

// Names are the addresses that a PushJob answers for: that of its Track and Recipients,
// and those that came while it waited.
func (j Job) Names() []PushName {
	all := make([]PushName, 0, 1+len(j.Push.Also))
	if len(j.Recipients) > 0 {
		all = append(all, PushName{j.Track, j.Recipients[0], j.Push.Answers, j.Push.Notice})
	}
	return append(all, j.Push.Also...)
}

// Tracks are the transmissions that a job is a step of, each once: of a PushJob those that
// came while it waited as well.
func (j Job) Tracks() []TrackID {
	all := []TrackID{j.Track}
	for _, n := range j.Push.Also {
		if !slices.Contains(all, n.Track) {
			all = append(all, n.Track)
		}
	}
	return all
}

// Naming is the PushJob as it answers for these addresses, of which there is one at
// least.
func (j Job) Naming(all ...PushName) Job {
	first := all[0]
	j.Track, j.Recipients = first.Track, []mime.Address{first.Address}
	j.Push.Answers, j.Push.Notice, j.Push.Also = first.Answers, first.Notice, all[1:]
	return j
}
