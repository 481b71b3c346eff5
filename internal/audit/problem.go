package audit

import (
	"fmt"
	"time"
)

// A Fault is what was done to a trail.
type Fault string

// Faults.
const (
	WasChanged        Fault = "changed"
	WasRemoved        Fault = "removed"
	WasInserted       Fault = "inserted"
	WasSwapped        Fault = "swapped"
	WasTruncated      Fault = "truncated" // or set back to an earlier state
	WasRewritten      Fault = "rewritten" // the chain was made anew from a record on
	WasRestored       Fault = "restored"  // a copy took the place of the store, and nothing else is wrong
	BaseForged        Fault = "base-forged"
	HeadForged        Fault = "end-forged"
	HeadSetBack       Fault = "end-set-back" // it is of another time than the rest
	WitnessForged     Fault = "witness-forged"
	CheckpointForged  Fault = "checkpoint-forged"
	CheckpointMissing Fault = "checkpoint-missing"
	OutsideForged     Fault = "outside-forged"
)

// A Difference is a row of the store that is not what the trail says.
type Difference struct {
	Row string `json:"row"`
	// How it differs: WasChanged, WasRemoved or WasInserted.
	Kind Fault `json:"kind"`
	// Record is the last one that says what the row is; 0 if none does.
	Record uint64 `json:"record,omitempty"`
}

// Error says in a sentence what differs.
func (d Difference) Error() string {
	switch d.Kind {
	case WasRemoved:
		return fmt.Sprintf("%s is not there, and by record %d it should be", d.Row, d.Record)
	case WasInserted:
		return fmt.Sprintf("%s is there, and by the records it should not be", d.Row)
	}
	return fmt.Sprintf("%s is not what record %d says", d.Row, d.Record)
}

// A Problem is the first place at which a trail is wrong.
type Problem struct {
	Kind Fault  `json:"kind"`
	From uint64 `json:"from"` // number of the first record that is concerned
	To   uint64 `json:"to"`   // number of the last, or of the other one
	// At is when the copy was put in place, of WasRestored.
	At time.Time `json:"at,omitzero"`
}

func problem(kind Fault, from, to uint64) *Problem { return &Problem{Kind: kind, From: from, To: to} }

// Error says in a sentence what is wrong and where.
func (p *Problem) Error() string {
	switch p.Kind {
	case WasSwapped:
		return fmt.Sprintf("record %d stands in the place of record %d", p.To, p.From)
	case WasTruncated:
		return fmt.Sprintf("the trail is cut off: %s missing at its end", p.records("is", "are"))
	case WasRewritten:
		return fmt.Sprintf("record %d is not what was vouched for: it was changed, or the chain was made anew from record %d on", p.To, p.From)
	case WasRestored:
		return fmt.Sprintf("a copy was restored at %s, as record %d says: of the trail that was left then, checkpoints kept elsewhere speak of records up to %d, which are not in this one; its own records are whole", p.At.Format(time.RFC3339), p.From, p.To)
	case BaseForged:
		return "the signed base, which stands in for the records that were pruned, is not ours"
	case HeadForged:
		return fmt.Sprintf("the end of the trail is not authentic: whether anything followed record %d cannot be told", p.To)
	case HeadSetBack:
		return fmt.Sprintf("the end of the trail is of another time than the rest of the store: records after %d were taken away, or the file was changed by other means than Postern", p.To)
	case WitnessForged:
		return "the end of the trail that is kept beside the store is not authentic"
	case CheckpointForged:
		return fmt.Sprintf("the checkpoint at record %d is not ours", p.From)
	case CheckpointMissing:
		return fmt.Sprintf("the checkpoint at record %d is missing", p.From)
	case OutsideForged:
		return fmt.Sprintf("the checkpoint kept elsewhere for record %d is not signed by the key of this trail", p.From)
	case WasInserted:
		return fmt.Sprintf("%s inserted", p.records("was", "were"))
	}
	return fmt.Sprintf("%s %s", p.records("was", "were"), p.Kind)
}

func (p *Problem) records(one, many string) string {
	if p.From == p.To {
		return fmt.Sprintf("record %d %s", p.From, one)
	}
	return fmt.Sprintf("records %d to %d %s", p.From, p.To, many)
}
