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
	uses, tree := usesOf(boxes), treeOf(boxes)
	for _, info := range boxes {
		data := listed(info, uses[info.Name], tree[info.Name], patterns, o)
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
func listed(info MailboxInfo, use imap.MailboxAttr, below children, patterns []string, o *imap.ListOptions) *imap.ListData {
	if o.SelectSpecialUse && use == "" || !matchesAny(patterns, info.Name) {
		return nil
	}
	data := &imap.ListData{Delim: delimiter, Mailbox: info.Name}
	if o.SelectSubscribed && !info.Subscribed {
		if !o.SelectRecursiveMatch || !below.subscribed {
			return nil
		}
	}
	if o.SelectRecursiveMatch && below.subscribed {
		data.ChildInfo = &imap.ListDataChildInfo{Subscribed: true}
	}
	if info.Subscribed && (o.SelectSubscribed || o.ReturnSubscribed) {
		data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
	}
	if below.any {
		data.Attrs = append(data.Attrs, imap.MailboxAttrHasChildren)
	} else {
		data.Attrs = append(data.Attrs, imap.MailboxAttrHasNoChildren)
	}
	if use != "" { // also unasked (RFC 6154 §2)
		data.Attrs = append(data.Attrs, use)
	}
	return data
}

// What is below a mailbox.
type children struct{ any, subscribed bool }

// treeOf finds what is below each mailbox, with one look at each.
func treeOf(boxes []MailboxInfo) map[string]children {
	tree := make(map[string]children)
	for _, b := range boxes {
		for name := b.Name; ; {
			i := strings.LastIndexByte(name, delimiter)
			if i < 0 {
				break
			}
			name = name[:i]
			c := tree[name]
			tree[name] = children{true, c.subscribed || b.Subscribed}
		}
	}
	return tree
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
