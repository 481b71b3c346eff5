package interop

import (
	"strings"

	"postern/store"
)

// oddCases are notifications in forms that nobody should write, as the ETT
// sends them under the names that stand here, and as peers are known to. Each is
// a good answer (DN-12, CP-14 to CP-16).
func oddCases() []mtCase {
	const final, disposition = "Final-Recipient: rfc822;{to}", "Disposition: automatic-action/MDN-sent-automatically; processed"
	odd := func(name, local string, make func(arrival) letter) mtCase {
		return mtCase{name: name, local: local, far: answer(make), edge: []string{"processed"}, state: store.TrackProcessed}
	}
	change := func(pairs ...string) func(arrival) letter { return spoilt(processedMDN, pairs...) }
	return []mtCase{
		odd("white space in the report", "white_space_mdn", change(final, "Final-Recipient:   rfc822 ;  {to}  ",
			"Original-Message-ID: {id}", "Original-Message-ID: \t {id}  ")),
		odd("folded lines in the report", "extra_line_break_mdn", change(final, "Final-Recipient: rfc822;\r\n {to}",
			"Original-Message-ID: {id}", "Original-Message-ID:\r\n {id}", disposition, "Disposition: automatic-action/MDN-sent-automatically;\r\n\tprocessed")),
		odd("empty lines before the report", "extra_empty_lines", change("Reporting-UA:", "\r\n\r\nReporting-UA:")),
		odd("white space in the disposition", "extra_space_disposition", change(disposition, "Disposition:  automatic-action / MDN-sent-automatically ;   processed ")),
		odd("no space in the disposition", "no_space", change(disposition, "Disposition:automatic-action/MDN-sent-automatically;processed")),
		odd("nothing but what must be", "missing_disposition", change("In-Reply-To: {id}\r\n", "", "Reporting-UA: far.example; by hand\r\n", "")),
		odd("null sender", "null_sender", sent(processedMDN, func(l *letter) { l.from = "" })),
		odd("Sender is not From", "different_sender", sent(change("From: <{to}>", "Sender: <postmaster@b.example>\r\nFrom: <{to}>"),
			func(l *letter) { l.from = "postmaster@b.example" })),
		odd("from the postmaster", "postmaster", sent(change("From: <{to}>", "From: <postmaster@b.example>"),
			func(l *letter) { l.from = "postmaster@b.example" })),
		odd("Message-ID outside is not that inside", "different_msgid", sent(processedMDN, func(l *letter) { l.id = "<outer" + l.id[1:] })),
		odd("white space in the header", "white_space_822", change("To: <alice@a.example>", "To: \t  <alice@a.example>  ",
			"multipart/report; report-type=disposition-notification; boundary=\"far\"", "  multipart/report ;\r\n\treport-type = disposition-notification ;  boundary=\"far\"  ")),
		odd("other case in the header", "different_cases_822", func(a arrival) letter {
			l := processedMDN(a)
			l.text = strings.NewReplacer("From:", "FROM:", "To:", "to:", "Date:", "DATE:", "MIME-Version:", "Mime-version:", "Content-Type: multipart/report; report-type=disposition-notification",
				"CONTENT-TYPE: Multipart/Report; REPORT-TYPE=Disposition-Notification", "message/disposition-notification", "MESSAGE/DISPOSITION-NOTIFICATION").Replace(l.text)
			return l
		}),
		odd("other case in the report", "different_cases_mdn", change("Final-Recipient: rfc822;{to}", "FINAL-RECIPIENT: RFC822;Different_Cases_MDN@B.Example",
			"Original-Message-ID:", "original-message-id:", disposition, "DISPOSITION: Automatic-Action/mdn-sent-AUTOMATICALLY; Processed")),
		odd("CP-14 report in the header of its part", "in_the_header", change("disposition-notification\r\n\r\n", "disposition-notification\r\n")),
		odd("CP-15 a name without @", "nameless", sent(processedMDN, func(l *letter) {
			at := strings.Index(l.id, "@")
			l.text = strings.Replace(l.text, "Message-ID: "+l.id, "Message-ID: "+l.id[:at]+">", 1)
		})),
		odd("CP-16 no final recipient", "no_final", change(final+"\r\n", "")),
		odd("CP-16 recipient without its type", "no_type", change(final, "Final-Recipient: {to}")),
		odd("CP-16 recipient in brackets", "in_brackets", change(final, "Final-Recipient: rfc822; <{to}>")),
		odd("DN-12 original by X-Original-Message-ID", "x_original", change("Original-Message-ID:", "X-Original-Message-ID:", "In-Reply-To: {id}\r\n", "")),
		odd("DN-12 original by In-Reply-To", "in_reply_to", change("Original-Message-ID: {id}\r\n", "")),
		odd("DN-12 original by References", "by_references", change("Original-Message-ID: {id}\r\n", "", "In-Reply-To:", "References:")),
		odd("DN-12 original without brackets", "no_brackets", change("Original-Message-ID: {id}", "Original-Message-ID: no_brackets@a.example", "In-Reply-To: {id}\r\n", "References: {id}\r\n")),
	}
}
