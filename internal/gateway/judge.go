package gateway

import (
	"postern/store"
)

// A word is what a notification says of a recipient, as far as it matters for what
// its reader is told.
type word int

const (
	wordNothing    word = iota // moves nothing, such as a delayed DSN
	wordDisplayed              // shown to its reader (CP-17)
	wordProcessed              // the far side's agent has it, and no more (AS-94)
	wordPassed                 // as much, by a DSN: relayed or expanded
	wordHandedOver             // delivered, as a DSN or a plain dispatched says
	wordDispatched             // delivered, by a dispatched with its extension (DN-5)
	wordFailed                 // will not arrive
)

// A ruling is what a word means where a recipient stands.
type ruling struct {
	state store.TrackState // "" leaves it as it is
	told  store.Answer     // the final answer; "" is none
	shown bool             // to the sender, in his mailbox
	why   string           // it is not shown
}

// rule decides what becomes of a word about a recipient of t. There is one final
// answer for each recipient, and what comes after it counts for nothing (DN-21).
// Final is that it was delivered or failed. Processed is not: the message may fail
// after it (DN-8), and its sender must learn of that, whatever he asked for.
func rule(t store.Track, r store.TrackRecipient, w word, hideProcessed bool) ruling {
	reached := r.State == store.TrackProcessed || r.State == store.TrackDispatched
	switch {
	case t.Automatic:
		return ofNotification(w)
	case w == wordNothing, w == wordDisplayed && (t.Timely || reached || r.Told != ""):
		return ruling{shown: true}
	case r.Told == store.ToldSilent:
		return ruling{why: "an operator dropped the message silently before"}
	case r.Told == store.ToldUnasked:
		return ruling{why: "it failed before, of which the sender wanted no notice"}
	case r.Told != "":
		return ruling{why: "the sender was told " + string(r.Told) + " before"}
	case w == wordFailed:
		return ruling{state: store.TrackFailed, told: store.ToldFailure, shown: true}
	case w == wordDispatched, w == wordHandedOver && !t.Timely: // DN-13
		return ofDelivery(t, reached && !hideProcessed)
	case w == wordProcessed && reached:
		return ruling{why: repeated}
	case w == wordProcessed && hideProcessed: // DN-27
		return ruling{state: store.TrackProcessed, why: hiddenByConfig}
	}
	return ruling{state: store.TrackProcessed, shown: true}
}

// quietly is a ruling on a message of which the sender was told before that it was
// delivered, when he handed it in the time before.
func (r ruling) quietly(w word) ruling {
	switch {
	case w == wordNothing || w == wordDisplayed:
		return r
	case w == wordFailed:
		return ruling{why: "the sender was told success of the same message before"}
	}
	r.shown, r.why = false, repeated
	return r
}

// agrees reports whether a word is no news and not contrary to what is known of a
// recipient either.
func agrees(r store.TrackRecipient, w word) bool {
	switch w {
	case wordProcessed, wordPassed, wordHandedOver, wordDispatched:
		return r.Told == store.ToldSuccess || r.Told == "" && r.State == store.TrackProcessed
	case wordFailed:
		return r.Told == store.ToldFailure
	}
	return false
}

// hiddenByConfig is why a notification is not shown that says something new.
const hiddenByConfig = "notify.hide_processed keeps it back"

const repeated = "it says what was said before"

// ofDelivery rules on what says that a message was delivered. Who did not ask for
// that gets one positive notification, the first (DN-20).
func ofDelivery(t store.Track, again bool) ruling {
	r := ruling{state: store.TrackDispatched, told: store.ToldSuccess, shown: t.Timely || !again}
	if !r.shown {
		r.why = repeated
	}
	return r
}

// ofNotification rules on what others say of a notification of ours, which its
// supposed sender has never seen.
func ofNotification(w word) ruling {
	r := ruling{why: "it is about a notification"}
	switch w {
	case wordFailed:
		r.state = store.TrackFailed
	case wordProcessed, wordPassed, wordHandedOver, wordDispatched:
		r.state = store.TrackProcessed
	}
	return r
}
