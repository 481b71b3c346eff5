package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"postern/internal/audit"
)

// leftRows are the rows that a transaction changed since its last record: what they
// are now, in the order in which they were first changed.
type leftRows struct {
	order []rowID
	rows  map[rowID]*audit.Sum
}

type rowID struct{ bucket, key string }

func (l *leftRows) is(bucket string, key []byte, sum audit.Sum) { l.set(bucket, key, &sum) }

func (l *leftRows) gone(bucket string, key []byte) { l.set(bucket, key, nil) }

func (l *leftRows) set(bucket string, key []byte, sum *audit.Sum) {
	id := rowID{bucket, string(key)}
	if _, known := l.rows[id]; !known {
		if l.rows == nil {
			l.rows = make(map[rowID]*audit.Sum)
		}
		l.order = append(l.order, id)
	}
	l.rows[id] = sum
}

// forget has the trail hear nothing of rows.
func (l *leftRows) forget(rows map[rowID]bool) {
	if len(rows) == 0 {
		return
	}
	l.order = slices.DeleteFunc(l.order, func(id rowID) bool { return rows[id] })
	maps.DeleteFunc(l.rows, func(id rowID, _ *audit.Sum) bool { return rows[id] })
}

// take returns as many rows as a record may have.
func (l *leftRows) take() []audit.Row {
	var rows []audit.Row
	n := min(len(l.order), audit.MaxRows)
	for _, id := range l.order[:n] {
		rows = append(rows, audit.Row{Name: rowName(id), Is: l.rows[id]})
		delete(l.rows, id)
	}
	l.order = l.order[n:]
	return rows
}

// A rowKind is a bucket whose rows the trail vouches for.
type rowKind struct {
	bucket, name string
	write        func(key string) string
	read         func(text string) (key []byte, ok bool)
}

func rowKinds() []rowKind {
	return []rowKind{
		{bucketDomains, "domain", rowText, readRowText},
		{bucketAccounts, "account", rowText, readRowText},
		{bucketAliases, "alias", rowText, readRowText},
		{bucketFormer, "former", rowText, readRowText},
		{bucketKeys, "key", rowHex, readRowHex},
		{bucketKeyRequests, "key-request", rowHex, readRowHex},
		{bucketAnchors, "anchor", rowAnchor, readRowAnchor},
		{bucketBundles, "bundle", rowText, readRowText},
		{bucketBundleAnchors, "bundle-anchors", rowText, readRowText},
		{bucketHooks, "hook", rowHook, readRowHook},
		{bucketAccess, "access", rowHook, readRowHook},
		{bucketEdges, "edge", rowText, readRowText},
		{bucketMailboxes, "mailbox", rowNumber, readRowNumber},
		{bucketMessages, "message", rowMessage, readRowMessage},
		{bucketJobs, "job", rowNumber, readRowNumber},
		{bucketTracks, "track", rowText, readRowText},
	}
}

// rowName names a row for people. A key of no ordinary form, as damage leaves, is
// written in hexadecimal.
func rowName(id rowID) string {
	kinds := rowKinds()
	k := kinds[slices.IndexFunc(kinds, func(k rowKind) bool { return k.bucket == id.bucket })]
	text := k.write(id.key)
	back, ok := k.read(text)
	if !ok || string(back) != id.key || !utf8.ValidString(text) || len(text) > audit.MaxText {
		text = "0x" + hex.EncodeToString([]byte(id.key))
	}
	return k.name + " " + text
}

// rowOf is the row of a name.
func rowOf(name string) (id rowID, ok bool) {
	kind, text, _ := strings.Cut(name, " ")
	kinds := rowKinds()
	i := slices.IndexFunc(kinds, func(k rowKind) bool { return k.name == kind })
	if i < 0 {
		return rowID{}, false
	}
	key, ok := kinds[i].read(text)
	if digits, plain := strings.CutPrefix(text, "0x"); plain {
		var err error
		key, err = hex.DecodeString(digits)
		ok = err == nil
	}
	return rowID{kinds[i].bucket, string(key)}, ok
}

func rowText(key string) string { return key }

func readRowText(text string) ([]byte, bool) { return []byte(text), !strings.HasPrefix(text, "0x") }

func rowHex(key string) string { return hex.EncodeToString([]byte(key)) }

func readRowHex(text string) ([]byte, bool) {
	key, err := hex.DecodeString(text)
	return key, err == nil
}

func rowNumber(key string) string {
	if len(key) != 8 {
		return ""
	}
	return strconv.FormatUint(binary.BigEndian.Uint64([]byte(key)), 10)
}

func readRowNumber(text string) ([]byte, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return u64(n), err == nil
}

// rowMessage is mailbox and UID: 12/7.
func rowMessage(key string) string {
	if len(key) != 12 {
		return ""
	}
	return rowNumber(key[:8]) + "/" + strconv.FormatUint(uint64(binary.BigEndian.Uint32([]byte(key[8:]))), 10)
}

func readRowMessage(text string) ([]byte, bool) {
	box, uid, _ := strings.Cut(text, "/")
	key, ok := readRowNumber(box)
	n, err := strconv.ParseUint(uid, 10, 32)
	return binary.BigEndian.AppendUint32(key, uint32(n)), ok && err == nil
}

// rowAnchor is source, domain and fingerprint; a domain of "*" is every one.
func rowAnchor(key string) string {
	source, rest, _ := strings.Cut(key, "\x00")
	domain, fingerprint, _ := strings.Cut(rest, "\x00")
	if domain == "" {
		domain = "*"
	}
	return source + " " + domain + " " + rowHex(fingerprint)
}

func readRowAnchor(text string) ([]byte, bool) {
	words := strings.Split(text, " ")
	if len(words) != 3 {
		return nil, false
	}
	if words[1] == "*" {
		words[1] = ""
	}
	fingerprint, ok := readRowHex(words[2])
	return append(joined(words[0], words[1], ""), fingerprint...), ok
}

// rowHook is address and id, of a hook or an access.
func rowHook(key string) string {
	account, id, _ := strings.Cut(key, "\x00")
	return account + " " + id
}

func readRowHook(text string) ([]byte, bool) {
	at := strings.LastIndexByte(text, ' ')
	if at < 0 {
		return nil, false
	}
	return joined(text[:at], text[at+1:]), true
}

// metaStock is the key of bucketMeta of a stock.
const metaStock = "auditstock"

// A stock says since when the trail has the rows of the store: what is older need
// not be in it. Of the directory all are.
type stock struct {
	Jobs      uint64  `json:"jobs"` // last numbers at that time
	Bodies    uint64  `json:"bodies"`
	Mailboxes uint64  `json:"mailboxes"`
	Track     TrackID `json:"track"`
}

// takeStock has the trail vouch for the directory when a store is first written to
// by a version whose records have rows.
func (t *tx) takeStock() error {
	if t.exists(bucketMeta, []byte(metaStock)) {
		return nil
	}
	s := stock{t.in(bucketJobs).Sequence(), t.in(bucketBodies).Sequence(), t.in(bucketMailboxes).Sequence(), ""}
	last, _ := t.in(bucketTracks).Cursor().Last()
	s.Track = TrackID(last)
	for _, k := range rowKinds() {
		if !isDirectory(k.bucket) {
			continue
		}
		err := t.each(k.bucket, nil, nil, func(key, _ []byte) (bool, error) {
			sum, err := t.rowSum(k.bucket, key)
			if err == nil && sum != nil {
				t.left.is(k.bucket, key, *sum)
			}
			return true, err
		})
		if err != nil {
			return fmt.Errorf("taking stock for the audit trail: %w", err)
		}
	}
	return t.putRecord(bucketMeta, []byte(metaStock), s)
}

func isDirectory(bucket string) bool {
	switch bucket {
	case bucketTracks, bucketJobs, bucketMessages, bucketMailboxes:
		return false
	}
	return true
}

// older reports whether a row may be there without the trail knowing of it.
func (s stock) older(bucket string, key, value []byte) bool {
	switch bucket {
	case bucketTracks:
		return string(key) <= string(s.Track)
	case bucketJobs:
		return len(key) == 8 && keyNumber(key, nil) <= s.Jobs
	case bucketMailboxes:
		return len(key) == 8 && keyNumber(key, nil) <= s.Mailboxes
	case bucketMessages:
		m, err := decodeMessage(value)
		return err == nil && uint64(m.Body) <= s.Bodies
	}
	return false
}

// carryRows has a record that is about to be written vouch for what those that are
// to go do.
func (t *tx) carryRows(numbers [][]byte) error {
	for _, n := range numbers {
		entry, err := audit.ParseEntry(t.get(bucketAudit, n))
		if err != nil {
			return err
		}
		for _, row := range entry.Rows {
			id, ok := rowOf(row.Name)
			if !ok || row.Is == nil {
				continue
			}
			sum, err := t.rowSum(id.bucket, []byte(id.key))
			if err == nil && sum != nil && *sum == *row.Is {
				t.left.is(id.bucket, []byte(id.key), *sum)
			}
		}
	}
	return nil
}

// rowSum is the hash of a row as it stands; nil if it is not there.
func (t *tx) rowSum(bucket string, key []byte) (*audit.Sum, error) {
	value := t.get(bucket, key)
	if bucket == bucketBundleAnchors {
		value = t.alone(bucket, key)
	}
	if value == nil {
		return nil, nil
	}
	sum, err := sumOf(bucket, value)
	return &sum, err
}

// sumOf is the hash of a stored row: of all of it where each change is a deed, and
// otherwise of that of which it is one.
func sumOf(bucket string, value []byte) (audit.Sum, error) {
	switch bucket {
	case bucketTracks:
		return sumRecord(bucket, value, trackSum)
	case bucketJobs:
		return sumRecord(bucket, value, jobSum)
	case bucketMessages:
		return sumRecord(bucket, value, messageSum)
	case bucketMailboxes:
		return sumRecord(bucket, value, mailboxSum)
	}
	return audit.SumOf(value), nil
}

func sumRecord[T any](bucket string, value []byte, sum func(T) audit.Sum) (audit.Sum, error) {
	record, err := decodeRecord[T](bucket, value)
	return sum(record), err
}

// A summer hashes fields, each with its length.
type summer struct{ bytes.Buffer }

func (s *summer) field(text string) {
	if !utf8.ValidString(text) {
		text = string([]rune(text)) // as JSON stores it
	}
	s.Write(u32(uint32(len(text))))
	s.WriteString(text)
}

func (s *summer) number(n uint64) { s.Write(u64(n)) }

func (s *summer) flag(on bool) { s.field(strconv.FormatBool(on)) }

func (s *summer) sum() audit.Sum { return audit.SumOf(s.Bytes()) }

func trackSum(k Track) audit.Sum {
	var s summer
	for _, text := range []string{string(k.ID), k.MessageID, k.Sender.String(), k.Author.String(), k.Digest} {
		s.field(text)
	}
	s.flag(k.Outbound)
	s.flag(k.Automatic)
	s.number(uint64(k.Size))
	s.number(uint64(k.Received.UnixNano()))
	s.number(uint64(len(k.AnswersTo)))
	for _, a := range k.AnswersTo {
		s.field(a.String())
	}
	for _, r := range k.Recipients {
		for _, text := range []string{r.Address.String(), string(r.State), r.Reason, string(r.Told)} {
			s.field(text)
		}
	}
	if !k.Account.IsZero() { // of earlier versions none has it
		s.field(k.Account.String())
	}
	if k.Era != 0 { // nor this
		s.number(uint64(k.Era))
	}
	return s.sum()
}

func jobSum(j Job) audit.Sum {
	var s summer
	for _, text := range []string{string(j.Kind), string(j.Track), j.Sender.String(), string(j.Destination)} {
		s.field(text)
	}
	s.flag(j.Automatic)
	s.flag(j.Held)
	s.number(uint64(j.ID))
	s.number(uint64(j.Body))
	s.number(uint64(len(j.Recipients)))
	for _, a := range slices.Concat(j.Recipients, j.Blind) {
		s.field(a.String())
	}
	if j.Hook != "" {
		for _, text := range []string{j.Hook, j.Event.ID, string(j.Event.Type), string(j.Event.Message), j.Event.Recipient.String(), j.Event.Reason} {
			s.field(text)
		}
	}
	if !j.Push.Account.IsZero() {
		s.field(j.Push.Account.String())
		s.flag(j.Push.Answers)
		s.field(string(j.Push.Ended))
		for _, n := range j.Push.Also {
			s.field(string(n.Track))
			s.field(n.Address.String())
			s.flag(n.Answers)
		}
	}
	if j.Era != 0 { // of earlier versions none has it
		s.number(uint64(j.Era))
	}
	return s.sum()
}

func messageSum(m Message) audit.Sum {
	var s summer
	s.field(string(m.Track))
	s.number(uint64(m.UID))
	s.number(uint64(m.Body))
	s.number(uint64(m.Size))
	s.number(uint64(m.Received.UnixNano()))
	return s.sum()
}

func mailboxSum(m Mailbox) audit.Sum {
	var s summer
	s.number(uint64(m.ID))
	s.field(m.Account.Key())
	return s.sum()
}
