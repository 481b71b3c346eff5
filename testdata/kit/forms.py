"""The forms that MIME allows, and those that agents and relays make of it."""

from kit import by_profile, vector
from message import INNER, LARGE, OUTER, b64, crlf, detached, encrypt, inner, opaque, outer, sealed, sign, signed, wrap

ENVELOPED = 'application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'


def outside():
    der = encrypt(signed())
    text = b64(der)

    def form(id, shows, rows, **how):
        vector(f"form-{id}", outer(der, **how), shows, rows, maker="crafted")

    form("binary", "the CMS in binary", ["AS-50", "CP-4"], encoding="binary")
    form("quoted-printable", "the CMS in quoted-printable", ["CP-4"], encoding="quoted-printable", body=qp(der))
    form("x-pkcs7", "x-pkcs7-mime", ["CP-4"], media="application/x-pkcs7-mime; smime-type=enveloped-data; name=smime.p7m")
    form("octet-stream", "octet-stream with the name of a file", ["CP-4"], media="application/octet-stream")
    form("octet-stream-name", "octet-stream with the parameter name alone", ["CP-4"], media='application/octet-stream; name="SMIME.P7M"',
         disposition=None)
    form("no-smime-type", "no smime-type", ["CP-4"], media="application/pkcs7-mime")
    form("case", "another case, order and quoting of parameters", ["CP-4"],
         media='Application/PKCS7-Mime; NAME=smime.p7m; SMIME-Type="Enveloped-Data"')
    form("folded", "a folded field", ["CP-4"], media="application/pkcs7-mime;\n smime-type=enveloped-data;\n\tname=\"smime.p7m\"")
    form("no-disposition", "no Content-Disposition and no name", ["CP-4"], media="application/pkcs7-mime; smime-type=enveloped-data", disposition=None)
    form("base64-upper", "the transfer encoding in capitals", ["CP-4"], encoding="BASE64", body=text)
    form("base64-one-line", "base64 in one line", ["CP-5"], body=b64(der, 1 << 30))
    form("base64-64", "base64 in lines of 64", ["CP-5"], body=b64(der, 64))
    form("base64-blanks", "base64 with blank lines and spaces", ["CP-5"], body=b"\r\n" + text.replace(b"\r\n", b" \r\n", 3) + b"\r\n\r\n")
    form("base64-no-end", "base64 without a line break at its end", ["CP-5"], body=text.removesuffix(b"\r\n"))
    form("lf", "line feeds alone for line ends", ["CP-2"], body=text.replace(b"\r\n", b"\n"), ends=b"\n")
    vector("form-base64-broken", outer(der, body=text[:100] + b"*" + text[101:]), "base64 with a letter that is none", ["AS-44"], maker="crafted",
           reason="malformed")
    vector("form-other-smime-type", outer(der, media=ENVELOPED.replace("enveloped-data", "certs-only")), "another smime-type", ["AS-63"], maker="crafted",
           reason="not-encrypted")


def qp(data):
    """Quoted-printable of octets, every one of them quoted."""
    text = "".join(f"={b:02X}" for b in data)
    return "".join(text[i : i + 72] + "=\r\n" for i in range(0, len(text), 72)).encode()


def signature_part():
    content = wrap()
    signature = sign(content)

    def form(id, shows, rows, **how):
        vector(f"part-{id}", sealed(detached(content, signature, **how)), shows, rows, maker="crafted")

    for name, value in (("old", "micalg=sha256"), ("quoted", 'micalg="SHA-256"'), ("unknown", "micalg=unknown"), ("wrong", "micalg=sha-512"), ("none", ""),
                        ("md5", "micalg=md5"), ("list", 'micalg="sha-512,sha-256"')):
        form(f"micalg-{name}", f"micalg: {value or 'none'}", ["AS-47"], micalg=value)
    form("x-pkcs7", "x-pkcs7-signature", ["CP-4"], protocol='protocol="application/x-pkcs7-signature"',
         part='application/x-pkcs7-signature; name="smime.p7s"')
    form("x-pkcs7-protocol", "the two spellings mixed", ["CP-4"], protocol='protocol="application/x-pkcs7-signature"')
    form("no-protocol", "no protocol parameter", ["AS-45", "CP-4"], protocol="")
    form("octet-stream", "the signature as octet-stream", ["CP-4"], part='application/octet-stream; name="smime.p7s"')
    form("case", "another case and order of parameters", ["CP-4"], media="Multipart/SIGNED",
         params='BOUNDARY="=_kit_0001"; MicAlg=SHA-256; Protocol="APPLICATION/PKCS7-SIGNATURE"', part="Application/PKCS7-Signature")
    form("folded", "folded parameters", ["CP-4"],
         params='protocol="application/pkcs7-signature";\r\n\tmicalg=sha-256;\r\n boundary="=_kit_0001"')
    form("boundary-plain", "a boundary that needs no quotes", ["CP-4"], params="micalg=sha-256; boundary=plain; protocol=\"application/pkcs7-signature\"",
         boundary="plain")
    form("boundary-odd", "a boundary of odd letters", ["CP-4"], boundary="'()+_,-./:=? b")
    form("boundary-padded", "spaces after the boundary", ["CP-3"], first=b"--%s  \t\r\n")
    form("no-preamble", "no preamble", ["CP-3"], preamble=b"")
    form("preamble", "a preamble of several lines", ["CP-3"], preamble=b"one\r\n\r\n--=_kit\r\n-- =_kit_0001\r\n\r\n")
    form("epilogue", "an epilogue", ["CP-3"], epilogue=b"\r\nAn epilogue\r\n--=_kit_0001\r\nthat goes on.\r\n")
    form("blank-lines", "more blank lines before the last boundary", ["CP-3"], before_close=b"\r\n\r\n\r\n")
    form("base64-one-line", "the signature in one line", ["AS-48", "CP-5"], encoded=b64(signature, 1 << 30))
    form("binary", "the signature in binary", ["AS-48"], encoding="binary")
    form("quoted-printable", "the signature in quoted-printable", ["AS-48"], encoding="quoted-printable", encoded=qp(signature))
    entity = detached(content, signature)
    vector("part-no-end", sealed(entity.removesuffix(b"--=_kit_0001--\r\n")), "the last boundary is missing", ["CP-3"], maker="crafted")
    vector("part-no-end-break", sealed(entity.removesuffix(b"\r\n")), "the line break after the last boundary is missing", ["CP-3"], maker="crafted")
    vector("part-pgp", sealed(detached(content, signature, protocol='protocol="application/pgp-signature"', part="application/pgp-signature")),
           "the protocol of OpenPGP", ["AS-45"], maker="crafted", reason="not-signed")
    vector("part-micalg-sha1", sealed(detached(content, signature, micalg="micalg=sha1")), "micalg says SHA-1, the signature SHA-256", ["AS-47"],
           maker="crafted")


def opaque_parts():
    der = sign(wrap(), options=["-nodetach"])
    vector("opaque-binary", sealed(opaque(der, encoding="binary")), "opaque, the CMS inside in binary", ["AS-46", "CP-4"], maker="crafted")
    entity = crlf("Content-Type: application/x-pkcs7-mime; name=\"smime.p7m\"; smime-type=Signed-Data\nContent-Transfer-Encoding: quoted-printable\n\n")
    vector("opaque-quoted-printable", sealed(entity + qp(der)), "opaque, in quoted-printable, x-pkcs7", ["AS-46", "CP-4"], maker="crafted")
    vector("opaque-no-smime-type", sealed(opaque(der, media="application/pkcs7-mime")), "opaque without smime-type", ["AS-46", "CP-4"], maker="crafted")
    vector("opaque-one-line", sealed(opaque(der).split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n" + b64(der, 1 << 30)), "opaque, base64 in one line", ["AS-46", "CP-5"],
           maker="crafted")


def ends():
    content = wrap()
    with_lf = content.replace(b"\r\n", b"\n")
    entity = detached(content, sign(content))
    vector("lf-inside", sealed(entity.replace(b"\r\n", b"\n")), "LF inside of the envelope, signed as CRLF", ["AS-50", "CP-2"], maker="crafted")
    vector("lf-signed", sealed(detached(with_lf, sign(with_lf))), "LF signed as it is", ["CP-2"], maker="crafted", inner=INNER.replace(b"\r\n", b"\n"))
    vector("lf-content", sealed(detached(with_lf, sign(content))), "the content alone with LF, signed as CRLF", ["CP-2"], maker="crafted")
    mixed = inner(body="one\n").replace(b"one\r\n", b"one\ntwo\r\nthree\n")
    vector("lf-mixed", sealed(detached(wrap(mixed), sign(wrap(mixed)))), "LF and CRLF in one message, signed as it is", ["CP-2"], maker="crafted", inner=mixed)
    large = wrap(LARGE)
    vector("lf-large", sealed(detached(large.replace(b"\r\n", b"\n"), sign(large))), "45 KiB with LF, signed as CRLF", ["CP-2"], maker="crafted", inner=LARGE)


def wrappers():
    def form(id, header, shows, rows, encode=lambda m: m, message=INNER):
        content = crlf(header + "\n\n") + encode(message)
        vector(f"wrap-{id}", sealed(signed(content=content)), shows, rows, maker="crafted", inner=message)

    rfc822 = "Content-Type: message/rfc822"
    form("quoted-printable", rfc822 + "\nContent-Transfer-Encoding: quoted-printable", "the wrapper in quoted-printable", ["CP-6"], qp)
    form("base64", rfc822 + "\nContent-Transfer-Encoding: base64", "the wrapper in base64", ["CP-6"], b64)
    form("8bit", rfc822 + "\nContent-Transfer-Encoding: 8bit", "the wrapper in 8bit", ["CP-6"])
    form("binary", rfc822 + "\nContent-Transfer-Encoding: binary", "the wrapper in binary", ["CP-6"])
    form("parameters", "MIME-Version: 1.0\nContent-Type: Message/RFC822; name=\"record.eml\"; charset=us-ascii\nContent-Disposition: inline",
         "the wrapper with parameters and other fields", ["CP-6"])
    utf8 = inner(fields=["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"], body="Größe: 1,80 m\n")
    form("utf8", rfc822 + "\nContent-Transfer-Encoding: 8bit", "eight-bit text, signed as it is", ["AS-50"], message=utf8)


def ambiguous():
    """Fields that stand twice, and that two readers would read differently."""
    twice = "Content-Type: text/plain\n"
    vector("twice-outside", outer(encrypt(signed()), fields=[*OUTER, "Content-Type: text/plain"]), "two Content-Types outside", ["AS-44"], maker="crafted",
           reason="not-encrypted")
    vector("twice-inside", sealed(crlf(twice) + signed()), "two Content-Types of the signed entity", ["AS-45"], maker="crafted", reason="undecryptable")
    content = crlf(twice) + wrap()
    vector("twice-wrapper", sealed(signed(content=content)), "two Content-Types of the wrapper, both signed", ["AS-42"], maker="crafted", reason="malformed")
    vector("twice-encoding", sealed(signed(content=crlf("Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n") + wrap())),
           "two transfer encodings of the wrapper, both signed", ["CP-6"], maker="crafted", reason="malformed")


def payloads():
    def payload(id, message, shows, rows):
        vector(f"body-{id}", sealed(signed(message)), shows, rows, inner=message, maker="crafted")

    def attached(media, name, data):
        part = f"--mixed\nContent-Type: text/plain\n\nSee the attachment.\n--mixed\nContent-Type: {media}; name=\"{name}\"\n" \
            f"Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"{name}\"\n\n{b64(data).decode()}--mixed--\n"
        return inner(fields=['Content-Type: multipart/mixed; boundary="mixed"'], body=part.replace("\r\n", "\n"))

    archive = b"PK\x05\x06" + bytes(18)
    payload("xdm", attached("application/zip", "XDM.ZIP", archive), "an XDM package", ["AS-40", "AS-41"])
    payload("xdm-octets", attached("application/octet-stream", "XDM.ZIP", archive), "an XDM package as octet-stream", ["AS-41"])
    payload("tnef", attached("application/ms-tnef", "winmail.dat", b"\x78\x9f\x3e\x22" + bytes(60)), "winmail.dat, which is opaque", ["AS-40", "CP-27"])
    payload("fhir", attached("application/fhir+json", "bundle.json", b'{"resourceType":"Bundle"}'), "FHIR", ["AS-40"])
    payload("empty", inner(body=""), "an empty body", ["AS-40"])
    payload("boundary", inner(body="--=_kit_000\n --=_kit_0001\n=_kit_0001\n--\n.\n..\nFrom here on\n"), "lines that look like delimiters", ["CP-3"])
    payload("long-line", inner(body="x" * 5000 + "\n"), "a line of 5000 octets", ["AS-51"])
    payload("no-last-break", inner(body="no line break at the end\n").removesuffix(b"\r\n"), "no line break at the end", ["CP-2", "CP-3"])
    payload("blank-lines", inner(body="\n\nblank lines around\n\n\n"), "blank lines around the text", ["CP-2", "CP-3"])
    payload("trailing-spaces", inner(body="spaces   \n\t\nat the ends \n"), "spaces at the ends of lines", ["CP-2"])


def layers():
    vector("layer-clear", INNER, "a message in clear", ["S10-18", "AS-63", "AS-76"], maker="crafted", reason="not-encrypted")
    head = crlf("\n".join(OUTER) + "\n")
    vector("layer-signed-alone", head + signed(), "signed and not encrypted", ["S10-18", "AS-63", "AS-76"], reason="not-encrypted")
    vector("layer-signed-alone-opaque", head + opaque(sign(wrap(), options=["-nodetach"])), "signed, opaque, and not encrypted", ["S10-18", "AS-76"],
           reason="not-encrypted")
    vector("layer-signed-unnamed", head + opaque(sign(wrap(), options=["-nodetach"]), media="application/pkcs7-mime"),
           "signed-data without smime-type", ["S10-18", "AS-76"], reason="not-encrypted")
    vector("layer-encrypted-alone", sealed(wrap()), "encrypted and not signed", ["S10-18", "AS-63"], reason="not-signed")
    part = crlf('Content-Type: multipart/mixed; boundary="around"\n\n--around\n') + signed() + crlf("\n--around\nContent-Type: text/plain\n\nunsigned\n--around--\n")
    vector("layer-signed-in-part", sealed(part), "the signature covers one part of a multipart", ["AS-63"], maker="crafted", reason="not-signed")
    twice = outer(encrypt(signed()), fields=[])
    vector("layer-encrypted-twice", sealed(twice), "encrypted twice", ["AS-59"], reason="not-signed")
    vector("layer-triple", sealed(signed(content=twice)), "signed, encrypted and signed again, in an envelope", ["AS-59"], reason="unsupported-algorithm")
    around = head + crlf('Content-Type: multipart/mixed; boundary="around"\n\n--around\n') + twice + crlf("\n--around--\n")
    vector("layer-encrypted-in-part", around, "the envelope is one part of a multipart", ["AS-76"], maker="crafted", reason="not-encrypted")
    again = signed(options=["-noattr"]).replace(b"=_kit_0001", b"=_kit_0002")
    by_profile("layer-signed-in-signed", sealed(signed(content=again)), "a signed entity inside of the signed one, unwrapped", ["AS-43", "AS-59"],
               "ok", "not-wrapped", inner=again.split(b"\r\n\r\n", 1)[1])


def make():
    outside()
    signature_part()
    opaque_parts()
    ends()
    wrappers()
    ambiguous()
    payloads()
    layers()
