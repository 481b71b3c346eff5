package store

import (
	"crypto/sha256"
	"slices"

	"postern/mime"
)

// An owning is why a message of ours is somebody's own. They are apart: what others
// want him to have the notifications about is not in the way of what he sent, and
// nothing that he sent is in the way of the copies of one message.
type owning struct {
	role   string
	owner  mime.Address
	digest string // of a copy
}

const (
	roleSender   = "s"
	roleAnswered = "a"
	roleCopy     = "c"
)

// ownings are all ways by which a message of ours is found when a notification is
// about it, or another copy of it fails.
func (k Track) ownings() []owning {
	if !k.Outbound || k.MessageID == "" || k.neverSent() {
		return nil
	}
	all := []owning{{role: roleSender, owner: k.Sender}}
	if k.Digest != "" && !k.Automatic {
		all = append(all, owning{roleCopy, k.Sender, k.Digest})
	}
	for _, a := range k.AnswersTo {
		all = append(all, owning{role: roleAnswered, owner: a})
	}
	return slices.DeleteFunc(all, func(of owning) bool { return of.owner.IsZero() })
}

// neverSent reports whether the message was refused when it was handed in: no
// notification is about it, and what is handed in after it under its Message-ID is no copy.
func (k Track) neverSent() bool {
	sent := func(r TrackRecipient) bool { return r.State != TrackRefused }
	return len(k.Recipients) > 0 && !slices.ContainsFunc(k.Recipients, sent)
}

// owning is what is asked for of one owner, if it is.
func (q TrackQuery) owning() (of owning, asked bool) {
	switch {
	case !q.AnsweredTo.IsZero():
		return owning{role: roleAnswered, owner: q.AnsweredTo}, true
	case q.Digest != "":
		return owning{roleCopy, q.SentBy, q.Digest}, true
	}
	return owning{role: roleSender, owner: q.SentBy}, !q.SentBy.IsZero()
}

// sentIDKey finds a message of ours by its Message-ID and whose own it is.
func sentIDKey(messageID string, of owning, id TrackID) []byte {
	sum := sha256.Sum256(joined(of.role, mime.FoldMessageID(messageID), of.owner.Key(), of.digest))
	return append(sum[:], id...)
}
