package pickup

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// specialUses are what a mailbox can be for (RFC 6154 §2), with the names that clients
// give to one, in lower case. \All and \Flagged would be views of others, and are not
// there.
var specialUses = []struct {
	use   imap.MailboxAttr
	names []string
}{
	{imap.MailboxAttrArchive, []string{"archive", "archives"}},
	{imap.MailboxAttrDrafts, []string{"drafts"}},
	{imap.MailboxAttrJunk, []string{"junk", "junk e-mail", "spam"}},
	{imap.MailboxAttrSent, []string{"sent", "sent items", "sent messages"}},
	{imap.MailboxAttrTrash, []string{"trash", "deleted items", "deleted messages"}},
}

// codeUseAttr refuses a special use (RFC 6154 §3).
const codeUseAttr imap.ResponseCode = "USEATTR"

// usesOf says what mailboxes are for, by name: what they were created for, or what their
// name says where no mailbox was created for it.
func usesOf(boxes []MailboxInfo) map[string]imap.MailboxAttr {
	uses := make(map[string]imap.MailboxAttr)
	for _, special := range specialUses {
		name := ""
		for _, b := range boxes {
			if b.Use == string(special.use) {
				name = b.Name
				break
			}
			if name == "" && b.Use == "" && slices.Contains(special.names, strings.ToLower(b.Name)) {
				name = b.Name
			}
		}
		if name != "" {
			uses[name] = special.use
		}
	}
	return uses
}

// checkUse returns the one use that a mailbox is to be created for, "" for none.
func checkUse(boxes []MailboxInfo, attrs []imap.MailboxAttr) (string, error) {
	if len(attrs) == 0 {
		return "", nil
	}
	for _, special := range specialUses {
		if len(attrs) != 1 || !strings.EqualFold(string(attrs[0]), string(special.use)) {
			continue
		}
		if slices.ContainsFunc(boxes, func(b MailboxInfo) bool { return b.Use == string(special.use) }) {
			return "", no(codeUseAttr, "There is a mailbox for that use")
		}
		return string(special.use), nil
	}
	return "", no(codeUseAttr, "A mailbox is for one of Archive, Drafts, Junk, Sent and Trash")
}
