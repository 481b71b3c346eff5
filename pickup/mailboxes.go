package pickup

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

const (
	delimiter     = '/'
	inbox         = "INBOX"
	maxNameLength = 255 // octets
	maxNameLevels = 16
)

// whom returns the user of the session, who still may be.
func (s *session) whom() (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == nil {
		return nil, bad("Not logged in")
	}
	err := s.check()
	if err != nil {
		return nil, err
	}
	return s.user, nil
}

// canonical writes INBOX in upper case, as a name and as the first level of one
// (RFC 9051 §5.1).
func canonical(name string) string {
	first, rest, deep := strings.Cut(name, string(delimiter))
	switch {
	case !strings.EqualFold(first, inbox):
		return name
	case deep:
		return inbox + string(delimiter) + rest
	}
	return inbox
}

// Select opens a mailbox (RFC 9051 §6.3.2, §6.3.3).
func (s *session) Select(name string, o *imap.SelectOptions) (*imap.SelectData, error) {
	user, err := s.whom()
	if err != nil {
		return nil, err
	}
	box, err := user.Open(s.ctx, name)
	if err != nil {
		return nil, s.reply("select", err)
	}
	v, err := openView(s.ctx, box, o.ReadOnly)
	if err != nil {
		return nil, s.reply("select", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.parsed, s.sent = v, parsedBody{}, s.sentOf(box)
	s.front.before("* OK [UIDVALIDITY ", fmt.Sprintf("* OK [%s %d] Highest\r\n", highestModSeq, v.modSeq)) // RFC 7162 §3.1.2.1
	data := &imap.SelectData{
		Flags:             v.flags(),
		NumMessages:       uint32(len(v.entries)),
		FirstUnseenSeqNum: v.firstUnseen(),
		UIDNext:           imap.UID(v.info.UIDNext),
		UIDValidity:       v.info.UIDValidity,
		List:              &imap.ListData{Delim: delimiter, Mailbox: v.info.Name},
	}
	if !v.readOnly {
		data.PermanentFlags = append(v.flags(), imap.FlagWildcard)
	}
	return data, nil
}

func (v *view) firstUnseen() uint32 {
	for i := range v.entries {
		if !hasFlag(v.entries[i].Flags, string(imap.FlagSeen)) {
			return uint32(i + 1)
		}
	}
	return 0
}

// Unselect closes the selected mailbox.
func (s *session) Unselect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.parsed = nil, parsedBody{}
	return nil
}

// Create makes a mailbox (RFC 9051 §6.3.4), for a special use perhaps (RFC 6154 §3).
func (s *session) Create(name string, o *imap.CreateOptions) error {
	user, err := s.whom()
	if err != nil {
		return err
	}
	name, err = checkName(name)
	if err != nil {
		return err
	}
	boxes, err := user.Mailboxes(s.ctx)
	if err != nil {
		return s.reply("create", err)
	}
	err = s.checkCount(boxes, missing(boxes, name))
	if err != nil {
		return err
	}
	use, err := checkUse(boxes, o.SpecialUse)
	if err != nil {
		return err
	}
	if use != "" {
		return s.reply("create", user.CreateFor(s.ctx, name, use))
	}
	return s.reply("create", user.Create(s.ctx, name))
}

// checkCount refuses to make more mailboxes than there may be.
func (s *session) checkCount(boxes []MailboxInfo, more int) error {
	if len(boxes)+more > s.server.options.Mailboxes {
		return s.reply("create", fmt.Errorf("%w: %d mailboxes", ErrLimit, len(boxes)))
	}
	return nil
}

// missing counts the mailboxes that a name needs, itself and those above it, which are
// not there.
func missing(boxes []MailboxInfo, name string) int {
	n := strings.Count(name, string(delimiter)) + 1
	for _, b := range boxes {
		if name == b.Name || strings.HasPrefix(name, b.Name+string(delimiter)) {
			n--
		}
	}
	return n
}

// checkName refuses names that clients could not show or address, and drops a
// final separator (RFC 9051 §5.1, §6.3.4).
func checkName(name string) (string, error) {
	name = canonical(strings.TrimSuffix(name, string(delimiter)))
	if len(name) > maxNameLength || strings.Count(name, string(delimiter)) >= maxNameLevels {
		return "", no(imap.ResponseCodeLimit, "The name is too long")
	}
	if !utf8.ValidString(name) || strings.ContainsAny(name, "%*") || strings.ContainsFunc(name, unprintable) {
		return "", no(imap.ResponseCodeCannot, "The name has characters that are not allowed")
	}
	for _, level := range strings.Split(name, string(delimiter)) {
		if strings.TrimSpace(level) == "" {
			return "", no(imap.ResponseCodeCannot, "The name has an empty level")
		}
	}
	return name, nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// Delete removes a mailbox (RFC 9051 §6.3.5).
func (s *session) Delete(name string) error {
	user, err := s.whom()
	if err != nil {
		return err
	}
	name = canonical(name)
	err = user.Delete(s.ctx, name)
	if err != nil {
		return s.reply("delete", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view != nil && s.view.info.Name == name {
		s.view = nil // its own doing, so the session may go on
	}
	return nil
}

// Rename renames a mailbox (RFC 9051 §6.3.6). INBOX stays, and so does its view.
func (s *session) Rename(from, to string, _ *imap.RenameOptions) error {
	user, err := s.whom()
	if err != nil {
		return err
	}
	from = canonical(from)
	to, err = checkName(to)
	if err != nil {
		return err
	}
	boxes, err := user.Mailboxes(s.ctx)
	if err != nil {
		return s.reply("rename", err)
	}
	more := missing(boxes, to)
	if from != inbox {
		more-- // that one is there
	}
	err = s.checkCount(boxes, more)
	if err != nil {
		return err
	}
	err = user.Rename(s.ctx, from, to)
	if err != nil || from == inbox {
		return s.reply("rename", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil {
		return nil
	}
	rest, below := strings.CutPrefix(s.view.info.Name, from)
	if below && (rest == "" || rest[0] == delimiter) {
		s.view.info.Name = to + rest
	}
	return nil
}

// Subscribe and Unsubscribe set the subscribed mark (RFC 9051 §6.3.7, §6.3.8).
func (s *session) Subscribe(name string) error { return s.subscribe(name, true) }

// Unsubscribe clears the subscribed mark.
func (s *session) Unsubscribe(name string) error { return s.subscribe(name, false) }

func (s *session) subscribe(name string, on bool) error {
	user, err := s.whom()
	if err != nil {
		return err
	}
	return s.reply("subscribe", user.Subscribe(s.ctx, name, on))
}

// Status counts a mailbox (RFC 9051 §6.3.11).
func (s *session) Status(name string, o *imap.StatusOptions) (*imap.StatusData, error) {
	user, err := s.whom()
	if err != nil {
		return nil, err
	}
	boxes, err := user.Mailboxes(s.ctx)
	if err != nil {
		return nil, s.reply("status", err)
	}
	for _, info := range boxes {
		if info.Name == canonical(name) {
			return s.statusOf(user, info, o)
		}
	}
	return nil, s.reply("status", ErrNoMailbox)
}

// statusOf fills in every item that may be asked for; only \Deleted is not
// kept with the mailbox and needs its messages.
func (s *session) statusOf(user User, info MailboxInfo, o *imap.StatusOptions) (*imap.StatusData, error) {
	s.tellHighest(info.ModSeq)
	limit, recent := s.AppendLimit(), uint32(0)
	data := &imap.StatusData{
		Mailbox:     info.Name,
		NumMessages: &info.Messages,
		NumRecent:   &recent,
		UIDNext:     imap.UID(info.UIDNext),
		UIDValidity: info.UIDValidity,
		NumUnseen:   &info.Unseen,
		Size:        &info.Bytes,
		AppendLimit: &limit,
	}
	if !o.NumDeleted && !o.DeletedStorage {
		return data, nil
	}
	var count uint32
	var storage int64
	box, err := user.Open(s.ctx, info.Name)
	if err != nil {
		return nil, s.reply("status", err)
	}
	_, messages, err := box.Snapshot(s.ctx)
	if err != nil {
		return nil, s.reply("status", err)
	}
	for _, m := range messages {
		if hasFlag(m.Flags, string(imap.FlagDeleted)) {
			count++
			storage += m.Size
		}
	}
	data.NumDeleted, data.DeletedStorage = &count, &storage
	return data, nil
}
