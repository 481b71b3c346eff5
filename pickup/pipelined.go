package pickup

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// note has the backend note that messages are about to be read, together with those that
// the commands behind this one ask for, which are here already: a client that takes
// message by message and waits for nothing (mbsync does) costs one commit for many.
func (s *session) note(v *view, positions []int) error {
	fresh := slices.DeleteFunc(slices.Clone(positions), func(i int) bool { return v.entries[i].gone || v.entries[i].noted })
	if len(fresh) == 0 {
		return nil
	}
	fresh = s.withPipelined(v, fresh)
	uids := make([]uint32, len(fresh))
	for k, i := range fresh {
		uids[k] = v.entries[i].UID
	}
	_, err := v.box.Read(s.ctx, uids, nil)
	if err != nil {
		return err
	}
	for _, i := range fresh {
		v.entries[i].noted = true
	}
	return nil
}

// withPipelined adds the messages of further commands, up to the first that is something
// else: it may change what there is.
func (s *session) withPipelined(v *view, positions []int) []int {
	var octets int64
	for _, i := range positions {
		octets += v.entries[i].Size
	}
	for rest := s.front.ahead(); len(positions) < blockMessages; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		set, ok := fetchOfOne(line)
		if !whole || !ok {
			break
		}
		rest = after
		for _, i := range v.resolve(set) {
			octets += v.entries[i].Size
			if octets > blockBytes {
				return positions
			}
			if !v.entries[i].gone && !v.entries[i].noted && !slices.Contains(positions, i) {
				positions = append(positions, i)
			}
		}
	}
	return positions
}

// ahead is what came of the client behind the command that is being answered. It is good
// until the next is read.
func (f *front) ahead() []byte {
	all, _ := f.r.Peek(f.r.Buffered()) // all of it is there
	return all
}

// fetchOfOne reads a command that asks for the whole of one message, leaving its flags as
// they are.
func fetchOfOne(line []byte) (imap.NumSet, bool) {
	c, rest, ok := splitCommand(line)
	if !ok || c.name != "FETCH" && c.name != "UID FETCH" {
		return nil, false
	}
	number, items, _ := strings.Cut(strings.TrimRight(string(rest), "\r"), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 || !asksForAll(items) {
		return nil, false
	}
	if c.name == "FETCH" {
		return imap.SeqSetNum(uint32(n)), true
	}
	return imap.UIDSetNum(imap.UID(n)), true
}

func asksForAll(items string) bool {
	if inner, ok := strings.CutPrefix(items, "("); ok {
		items, ok = strings.CutSuffix(inner, ")")
		if !ok {
			return false
		}
	}
	all := false
	for _, item := range strings.Split(strings.ToUpper(items), " ") {
		switch item {
		case "BODY.PEEK[]":
			all = true
		case "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE":
		default:
			return false
		}
	}
	return all
}
