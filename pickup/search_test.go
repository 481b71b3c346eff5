package pickup_test

import (
	"encoding/base64"
	"strconv"
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

// Texts are found in whatever character set their message says.
func TestSearchCharacterSets(t *testing.T) {
	h := implicit(t)
	cases := []struct{ charset, transfer, text, want string }{
		{"ISO-2022-JP", "7bit", "\x1b$B8!::7k2L$r$*Aw$j$7$^$9\x1b(B", "結果を"},
		{"GB18030", "base64", "x+u8+7i9vP7W0LXEvOzR6bGouOY=", "检验"},
		{"gb2312", "8bit", "\xc7\xeb\xbc\xfb\xb8\xbd\xbc\xfe\xd6\xd0\xb5\xc4\xbc\xec\xd1\xe9\xb1\xa8\xb8\xe6", "检验"},
		{"Big5", "quoted-printable", "=BD=D0=A8=A3=AA=FE=A5=F3=A4=A4=AA=BA=C0=CB=C5=E7=B3=F8=A7i", "檢驗"},
		{"EUC-KR", "base64", "sMu75yCw4bD6uKYgurizwLTPtNk=", "결과"},
		{"KOI8-R", "8bit", "\xf2\xc5\xda\xd5\xcc\xd8\xd4\xc1\xd4\xd9 \xe1\xce\xc1\xcc\xc9\xda\xcf\xd7", "РЕЗУЛЬТАТЫ анализов"},
		{"windows-1251", "quoted-printable", "=D0=E5=E7=F3=EB=FC=F2=E0=F2=FB =C0=ED=E0=EB=E8=E7=EE=E2", "РЕЗУЛЬТАТЫ анализов"},
		{"windows-1252", "8bit", "\x93K\xf6ln\x94 \x96 5 \x80", "köln” – 5 €"},
		{"ISO-8859-15", "8bit", "\xbcd\xe8me 5 \xa4", "œDÈME 5 €"},
		{"windows-1253", "base64", "wfDv9OXr3fPs4fTh", "ΑΠΟΤΕΛΈΣ"},
		{"ISO-8859-2", "8bit", "\xae\xe1danka \xe8. 5", "žádanka Č"},
		{"UTF-16", "base64", "//5HAHIA/ADfAGUAIABhAHUAcwAgAEsA9gBsAG4A", "GRÜßE"},
		{"UTF-16LE", "base64", "RwByAPwA3wBlACAAYQB1AHMAIABLAPYAbABuAA==", "GRÜßE"},
		{"x-nobody-knows", "7bit", "as it stands", "AS IT"},
	}
	for _, c := range cases {
		h.deliver([]byte("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=\"" + c.charset + "\"\r\nContent-Transfer-Encoding: " + c.transfer + "\r\n\r\n" + c.text + "\r\n"))
	}
	// What lies across the pieces that are looked through, which begin in the middle of letters.
	filler := strings.Repeat("\xc9\xc9\xca", scanned/3)
	for i := range 4 {
		h.deliver([]byte("Content-Type: text/plain; charset=big5\r\nContent-Transfer-Encoding: binary\r\n\r\n" + strings.Repeat("x", i) + filler + "\xc0\xcb\xc5\xe7"))
	}
	k := h.talk()
	for i, c := range cases {
		alike := " " + strconv.Itoa(i+1)
		for j, other := range cases {
			if j != i && other.want == c.want {
				alike = " " + strconv.Itoa(min(i, j)+1) + " " + strconv.Itoa(max(i, j)+1)
			}
		}
		if c.charset == "Big5" {
			alike += " 15 16 17 18"
		}
		k.want("SEARCH BODY \""+c.want+"\"", "* SEARCH"+alike)
	}
}

// scanned is more than is looked through at a time.
const scanned = 99 << 10

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

// RFC 9051 §6.4.4: what is saved and not returned is not answered.
func TestSearchThatOnlySaves(t *testing.T) {
	h := implicit(t)
	for _, flag := range []string{"\\Seen", "\\Flagged", "\\Seen"} {
		h.deliver([]byte(plainMail), flag)
	}
	k := h.talk()
	k.want("SEARCH RETURN (SAVE) SEEN")
	k.want("FETCH $ FLAGS", `* 1 FETCH (UID 1 FLAGS (\Seen))`, `* 3 FETCH (UID 3 FLAGS (\Seen))`)
	k.want("UID SEARCH return (save) MODSEQ 1 FLAGGED")
	k.want("SEARCH $", "* SEARCH 2")
	k.want("SEARCH RETURN (SAVE) DELETED")
	k.want("SEARCH $", "* SEARCH")
	k.write("a SEARCH RETURN (SAVE ALL) SEEN\r\n")
	if got := k.until("a"); len(got) != 2 || got[0] != `* ESEARCH (TAG "a") ALL 1,3` {
		t.Errorf("saved and returned: %q", got)
	}
	k.write("b SEARCH RETURN () SEEN\r\n")
	if got := k.until("b"); len(got) != 2 || got[0] != `* ESEARCH (TAG "b") ALL 1,3` {
		t.Errorf("returned: %q", got)
	}
}
