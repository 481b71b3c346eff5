package interop

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// request is what an EHR adds to ask for notice of final delivery (DN-1, DN-2).
const request = "Disposition-Notification-To: <alice@a.example>\r\n" + optionsField + "X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true\r\n"

const optionsField = "Disposition-Notification-Options: "

var letters atomic.Int64

// letterID is a Message-ID of the far side.
func letterID() string { return fmt.Sprintf("<far.%d@b.example>", letters.Add(1)) }

// mdnOf is a notification to the letter of RFC 8098, by hand.
func mdnOf(a arrival, disposition string, fields ...string) letter {
	id := letterID()
	text := "From: <" + a.to + ">\r\nTo: <" + a.from + ">\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n" +
		"In-Reply-To: " + a.id + "\r\nSubject: " + disposition + "\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=disposition-notification; boundary=\"far\"\r\n\r\n" +
		"--far\r\nContent-Type: text/plain\r\n\r\nYour message was " + disposition + ".\r\n\r\n" +
		"--far\r\nContent-Type: message/disposition-notification\r\n\r\n" +
		"Reporting-UA: far.example; by hand\r\nFinal-Recipient: rfc822;" + a.to + "\r\nOriginal-Message-ID: " + a.id + "\r\n" +
		"Disposition: automatic-action/MDN-sent-automatically; " + disposition + "\r\n"
	for _, f := range fields {
		text += f + "\r\n"
	}
	return letter{from: a.to, to: a.from, id: id, text: text + "\r\n--far--\r\n"}
}

// failure is a delivery status notification to the letter of RFC 3464, with the
// field by which Direct finds the original (DN-12).
func failure(a arrival) letter {
	id := letterID()
	text := "From: <postmaster@b.example>\r\nTo: <" + a.from + ">\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n" +
		"Subject: Undeliverable\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=\"far\"\r\n\r\n" +
		"--far\r\nContent-Type: text/plain\r\n\r\nNot delivered.\r\n\r\n" +
		"--far\r\nContent-Type: message/delivery-status\r\n\r\n" +
		"Reporting-MTA: dns; far.example\r\nX-Original-Message-ID: " + a.id + "\r\n\r\n" +
		"Final-Recipient: rfc822; " + a.to + "\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--far--\r\n"
	return letter{from: "postmaster@b.example", to: a.from, id: id, text: text}
}

// extension is the field that tells of final delivery (DN-5).
const extension = "X-DIRECT-FINAL-DESTINATION-DELIVERY:"

func processedMDN(a arrival) letter  { return mdnOf(a, "processed") }
func dispatchedMDN(a arrival) letter { return mdnOf(a, "dispatched", extension) }
func failedMDN(a arrival) letter     { return mdnOf(a, "failed") }

// answer makes a script of letters.
func answer(all ...func(arrival) letter) script {
	return script{answers: func(a arrival) []letter {
		var out []letter
		for _, make := range all {
			out = append(out, make(a))
		}
		return out
	}}
}

// late keeps a letter back.
func late(make func(arrival) letter) func(arrival) letter {
	return func(a arrival) letter {
		l := make(a)
		l.late = true
		return l
	}
}

// spoilt writes a letter as peers do that read no RFC: each pair is what is
// replaced, and by what.
func spoilt(make func(arrival) letter, pairs ...string) func(arrival) letter {
	return func(a arrival) letter {
		l := make(a)
		for i := 0; i < len(pairs); i += 2 {
			with := strings.NewReplacer("{id}", a.id, "{to}", a.to).Replace
			old := with(pairs[i])
			if !strings.Contains(l.text, old) {
				panic("the letter has no " + old)
			}
			l.text = strings.Replace(l.text, old, with(pairs[i+1]), 1)
		}
		return l
	}
}

// sent changes how a letter is sent.
func sent(make func(arrival) letter, change func(*letter)) func(arrival) letter {
	return func(a arrival) letter {
		l := make(a)
		change(&l)
		return l
	}
}
