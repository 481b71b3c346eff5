package pickup

import (
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Bounds on LIST, whose matching takes time by length of pattern and name.
const (
	maxPatterns      = 16
	maxPatternLength = 512
)

// List names mailboxes (RFC 9051 §6.3.9), and is LSUB too.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, o *imap.ListOptions) error {
	user, err := s.whom()
	if err != nil {
		return err
	}
	if len(patterns) == 0 {
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
	}
	if len(patterns) > maxPatterns {
		return no(imap.ResponseCodeLimit, "Too many patterns")
	}
	for i := range patterns {
		if len(ref)+len(patterns[i]) > maxPatternLength {
			return no(imap.ResponseCodeLimit, "A pattern is too long")
		}
		patterns[i] = ref + patterns[i]
	}
	boxes, err := user.Mailboxes(s.ctx)
	if err != nil {
		return s.reply("list", err)
	}
	for i, info := range boxes {
		data := listed(boxes, i, patterns, o)
		if data == nil {
			continue
		}
		if o.ReturnStatus != nil {
			data.Status, err = s.statusOf(user, info, o.ReturnStatus)
			if err != nil {
				return err
			}
		}
		err = w.WriteList(data)
		if err != nil {
			return err
		}
	}
	return nil
}

// listed says how LIST shows a mailbox, nil if it does not.
func listed(boxes []MailboxInfo, i int, patterns []string, o *imap.ListOptions) *imap.ListData {
	info := boxes[i]
	if o.SelectSpecialUse || !matchesAny(patterns, info.Name) {
		return nil // no mailbox has a special use
	}
	children, subscribedBelow := below(boxes, info.Name)
	data := &imap.ListData{Delim: delimiter, Mailbox: info.Name}
	if o.SelectSubscribed && !info.Subscribed {
		if !o.SelectRecursiveMatch || !subscribedBelow {
			return nil
		}
	}
	if o.SelectRecursiveMatch && subscribedBelow {
		data.ChildInfo = &imap.ListDataChildInfo{Subscribed: true}
	}
	if info.Subscribed && (o.SelectSubscribed || o.ReturnSubscribed) {
		data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
	}
	if children {
		data.Attrs = append(data.Attrs, imap.MailboxAttrHasChildren)
	} else {
		data.Attrs = append(data.Attrs, imap.MailboxAttrHasNoChildren)
	}
	return data
}

func below(boxes []MailboxInfo, name string) (any, subscribed bool) {
	prefix := name + string(delimiter)
	for i := range boxes {
		if strings.HasPrefix(boxes[i].Name, prefix) {
			any = true
			subscribed = subscribed || boxes[i].Subscribed
		}
	}
	return any, subscribed
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
		if name == inbox && matches(strings.ToUpper(p), name) {
			return true // RFC 9051 §5.1
		}
	}
	return false
}

// matches reports whether a pattern with * and % matches a name (RFC 9051
// §6.3.9): % stops at a separator. It takes time by the product of the
// lengths, however many wildcards there are.
func matches(pattern, name string) bool {
	reach := make([]bool, len(name)+1) // after the pattern so far, name[:i] is matched
	reach[0] = true
	for k := 0; k < len(pattern); k++ {
		switch c := pattern[k]; c {
		case '*', '%':
			for i := 0; i < len(name); i++ {
				if reach[i] && (c == '*' || name[i] != delimiter) {
					reach[i+1] = true
				}
			}
		default:
			for i := len(name) - 1; i >= 0; i-- {
				reach[i+1] = reach[i] && name[i] == c
			}
			reach[0] = false
		}
	}
	return reach[len(name)]
}
