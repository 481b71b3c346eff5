package gateway

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// EP-19, EP-20, SF-7: what is attached crosses two gateways octet by octet, with whatever
// name and type it has, or has not.
func TestEP19_NamesAndTypesOfAttachments(t *testing.T) {
	const cda = "Content-Disposition: attachment; filename=\"ccda.xml\"\nContent-Transfer-Encoding: base64\n\nPENsaW5pY2FsRG9jdW1lbnQvPg==\n"
	parts := map[string]string{
		"C-CDA":                         "Content-Type: text/xml; name=\"ccda.xml\"\n" + cda,
		"C-CDA as application/xml":      "Content-Type: application/xml\n" + cda,
		"C-CDA with a type of its own":  "Content-Type: application/hl7-sda+xml; charset=\"utf-8\"; x=y\n" + cda,
		"XDM":                           "Content-Type: application/zip\nContent-Disposition: attachment; filename=xdm.zip\nContent-Transfer-Encoding: base64\n\nUEsDBAoAAAAAAA==\n",
		"XDM as octets":                 "Content-Type: application/octet-stream; name=IHE_XDM.ZIP\nContent-Transfer-Encoding: base64\n\nUEsDBAoAAAAAAA==\n",
		"PDF inline":                    "Content-Type: application/pdf\nContent-Disposition: inline; filename=\"a b.pdf\"; size=3\nContent-Transfer-Encoding: base64\n\nJVBE\n",
		"RFC 2231 charset":              "Content-Type: text/plain\nContent-Disposition: attachment; filename*=utf-8'de'Gr%C3%BC%C3%9Fe.txt\n\nx\n",
		"RFC 2231 parts":                "Content-Type: text/plain; name*0=\"a very \"; name*1=\"long.txt\"\nContent-Disposition: attachment;\n filename*0*=utf-8''Gr%C3%BC;\n filename*1*=%C3%9Fe%20und;\n filename*2=\" mehr.txt\"\n\nx\n",
		"both forms":                    "Content-Type: text/plain\nContent-Disposition: attachment; filename=\"Grusse.txt\"; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt\n\nx\n",
		"encoded word":                  "Content-Type: text/plain; name=\"=?utf-8?q?Gr=C3=BC=C3=9Fe=2Etxt?=\"\n\nx\n",
		"quotes and folds":              "CONTENT-TYPE:\n\ttext/plain;\n  name = \"a\\\"b;c.txt\"\nContent-disposition : ATTACHMENT\n\nx\n",
		"no type":                       "Content-Disposition: attachment; filename=\"unknown.bin\"\nContent-Transfer-Encoding: base64\n\nAAEC\n",
		"no type and no name":           "\nx\n",
		"a type that is none":           "Content-Type: nonsense\nContent-Disposition: attachment; filename=x\n\nx\n",
		"an empty name":                 "Content-Type: text/plain; name=\"\"\nContent-Disposition: attachment; filename=\n\nx\n",
		"a message within":              "Content-Type: message/rfc822\n\nAuthentication-Results: mx.b.example; smime=pass\nSubject: inside\n\nx\n",
		"an Authentication-Results":     "Authentication-Results: mx.b.example; smime=pass\nContent-Type: text/plain\n\nx\n",
		"line ends, dots and From":      "Content-Type: text/plain\n\n.\n..\nFrom here\n\n\n",
		"white space at the ends":       "Content-Type: text/plain\n\nend \t \n  \n",
		"quoted-printable as it stands": "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=\n=C3=9Fe=20\n",
	}
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		t.Run(name, func(t *testing.T) {
			head := message("alice@a.example", "bob@b.example", "Content-Type: multipart/mixed; boundary=\"b\"")
			head, _, _ = strings.Cut(head, "\n\n")
			head = strings.Replace(head, "<m1", "<"+strings.Map(letters, strings.ToLower(name)), 1)
			text := head + "\n\npreamble\n--b\nContent-Type: text/plain\n\nSee below.\n--b\n" + parts[name] + "--b--\nepilogue\n"
			a.submit(text, "alice@a.example", "bob@b.example")
			w.runAll()
			equal(t, "delivered", asSigned(t, latest(b.inbox("bob@b.example"))), string(crlf(text)))
		})
	}
}

// A name in octets of UTF-8, which the header of a part may not have (RFC 2045 §1) and
// clients send, comes through as the same name: RFC 2231 writes it in ASCII.
func TestEP19_NamesInUTF8(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	head := message("alice@a.example", "bob@b.example", "Content-Type: multipart/mixed; boundary=\"b\"")
	head, _, _ = strings.Cut(head, "\n\n")
	part := "Content-Type: application/pdf; name=\"Grüße.pdf\"\nContent-Disposition: attachment; filename=\"Grüße.pdf\"\nContent-Transfer-Encoding: base64\n\nJVBE\n"
	text := head + "\n\n--b\n" + part + "--b--\n"
	a.submit(text, "alice@a.example", "bob@b.example")
	w.runAll()
	got := asSigned(t, latest(b.inbox("bob@b.example")))
	want := strings.NewReplacer("name=\"Grüße.pdf\"\nContent-D", "name*=utf-8''Gr%C3%BC%C3%9Fe.pdf\nContent-D",
		"filename=\"Grüße.pdf\"", "filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf").Replace(text)
	equal(t, "delivered", got, string(crlf(want)))
}
