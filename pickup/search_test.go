package pickup_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

// Text is found as people read it: encoded words, transfer encodings and character sets
// undone, letters without regard to case, wherever it is in a message.
func TestSearchFindsWhatPeopleRead(t *testing.T) {
	h := implicit(t)
	b64 := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("langer Text. ", 4000) + "GRÜSSE aus Köln"))
	h.deliver([]byte("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?q?_aus_K=F6ln?=\r\nFrom: =?utf-8?b?SsO2cmc=?= <j@b.example>\r\n\r\nplain"))
	h.deliver([]byte("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe aus K\xf6ln"))
	h.deliver([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64 +
		"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inner_=C3=84rzte?=\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>caf=\r\n=C3=A9</p>\r\n--b\r\nContent-Type: application/pdf\r\n\r\nKöln\r\n--b--\r\n"))
	k := h.talk()
	for _, tc := range []struct{ criteria, want string }{
		{`SUBJECT "grüße aus köln"`, " 1"},
		{`CHARSET UTF-8 SUBJECT {11+}` + "\r\nGRÜßE AUS", " 1"},
		{`SUBJECT "=?utf-8?q?Gr"`, " 1"}, // as it stands there
		{"FROM JÖRG", " 1"},
		{"TEXT köln", " 1 2 3"},
		{"BODY köln", " 2 3"},
		{"BODY KÖLN", " 2 3"},
		{"BODY café", " 3"},
		{"BODY ärzte", ""},
		{"TEXT ärzte", " 3"},
		{"NOT BODY köln", " 1"},
		{`TEXT ""`, " 1 2 3"},
		{`SUBJECT ""`, " 1"},
		{"HEADER content-type iso-8859-1", " 2"},
	} {
		k.want("SEARCH "+tc.criteria, "* SEARCH"+tc.want)
	}
	k.expect("NO [BADCHARSET (US-ASCII UTF-8)]", "SEARCH CHARSET KOI8-R ALL")
}

// Sizes, dates and flags hold each for itself, whatever stands beside them.
func TestSearchCriteriaDoNotMixUp(t *testing.T) {
	h := implicit(t)
	for _, size := range []int{100, 200, 300} {
		h.deliver([]byte("Date: Mon, 02 Jan 2006 15:04:05 +0000\r\n\r\n" + strings.Repeat("x", size-41)))
	}
	k := h.talk()
	for criteria, want := range map[string]string{
		"SMALLER 200 SINCE 1-Jan-2020":                   " 1",
		"SINCE 1-Jan-2020 SMALLER 200":                   " 1",
		"LARGER 200 SINCE 1-Jan-2020":                    " 3",
		"LARGER 100 SMALLER 300 SENTON 2-Jan-2006":       " 2",
		"SMALLER 300 LARGER 100 SMALLER 250":             " 2",
		"SMALLER 0":                                      "",
		"SMALLER 1":                                      "",
		"LARGER 0":                                       " 1 2 3",
		"NOT SMALLER 200":                                " 2 3",
		"NOT (SMALLER 200 SINCE 1-Jan-2020)":             " 2 3",
		"OR (SMALLER 200 SINCE 1-Jan-2020) LARGER 200":   " 1 3",
		"BEFORE 1-Jan-2020 SMALLER 300":                  "",
		"SENTSINCE 2-Jan-2006 SENTBEFORE \"3-Jan-2006\"": " 1 2 3",
		"SENTSINCE 1-Jan-2006 SENTBEFORE 2-Jan-2006":     "",
		"NOT 1:2 LARGER 5":                               " 3",
		"UID 2:* 1:2":                                    " 2",
		"OR UNSEEN SEEN":                                 " 1 2 3",
		"(ALL (SMALLER 250))":                            " 1 2",
	} {
		k.want("SEARCH "+criteria, "* SEARCH"+want)
	}
}
