"""What an attacker, or a broken agent, makes of a good message."""

import os

from cms import CONTENT_TYPE, DATA, ENVELOPED, MESSAGE_DIGEST, SHA256, attribute, digest, sign_attributes, usual_attributes
from der import NULL, context, inside, integer, octets, oid, seq, set_of, tlv
from kit import vector
from message import AUTH, detached, encrypt, opaque, outer, sealed, sign, signed, wrap
from tools import cert, cert_der, openssl


def flip(data, at, bit=1):
    """The octets with one bit turned over."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def bad(id, data, shows, rows, reason="bad-signature", **how):
    vector(f"bad-{id}", data, shows, rows, reason=reason, maker="crafted", **how)


def contents():
    entity = signed()
    bad("content", sealed(entity.replace(b"record of", b"record 0f", 1)), "the text changed after signing", ["S10-17", "AS-37"])
    bad("from", sealed(entity.replace(b"From: alice@a.example", b"From: nurse@a.example", 1)), "From changed after signing", ["AS-37"],
        mail_from="nurse@a.example")
    bad("wrapper", sealed(entity.replace(b"message/rfc822", b"message/RFC822", 1)), "the wrapper's header changed after signing", ["CP-2"])
    bad("added-line", sealed(entity.replace(b"a vector.\r\n", b"a vector.\r\n\r\n", 1)), "a blank line added at the end", ["CP-3"])
    bad("added-field", sealed(entity.replace(b"Subject:", b"X-More: 1\r\nSubject:", 1)), "a field added after signing", ["AS-37"])
    content = wrap()
    bad("opaque-content", sealed(opaque(sign(content, options=["-nodetach"]).replace(b"record of", b"record 0f"))), "opaque, the text changed", ["AS-37"])
    signature = sign(content)
    bad("signature", sealed(detached(content, flip(signature, -1))), "a bit of the signature turned", ["AS-37"])
    three = entity.replace(b"\r\n--=_kit_0001--", b"\r\n--=_kit_0001\r\nContent-Type: text/plain\r\n\r\nmore\r\n--=_kit_0001--")
    bad("three-parts", sealed(three), "a third part after the signature", ["AS-45"], "undecryptable")
    one = entity[: entity.rindex(b"--=_kit_0001\r\n")] + b"--=_kit_0001--\r\n"
    bad("one-part", sealed(one), "the signature's part is missing", ["AS-45"], "undecryptable")
    bad("signature-trailing", sealed(detached(content, signature + b"\x00\x00")), "octets after the SignedData", ["AS-37"], "malformed")
    bad("signature-cut", sealed(detached(content, signature[:-40])), "the SignedData is cut", ["AS-37"], "malformed")
    bad("signature-garbage", sealed(detached(content, b"no signature at all")), "the signature is no CMS", ["AS-37"], "malformed")


def attributes():
    content = wrap()
    kind, sum = usual_attributes(content)

    def attrs(id, all, shows, reason="bad-signature", rows=("AS-49",), **how):
        v = sealed(detached(content, sign_attributes(all, **how)))
        vector(f"attr-{id}", v, shows, list(rows), reason=reason, maker="crafted")

    attrs("usual", [kind, sum], "contentType and messageDigest alone", "ok")
    attrs("wrong-digest", [kind, attribute(MESSAGE_DIGEST, octets(digest(content + b"x")))], "a digest of something else, well signed",
          rows=["S10-17", "AS-37", "AS-49"])
    attrs("short-digest", [kind, attribute(MESSAGE_DIGEST, octets(digest(content)[:16]))], "a digest that is cut")
    attrs("no-digest", [kind], "no messageDigest")
    attrs("no-type", [sum], "no contentType")
    attrs("other-type", [attribute(CONTENT_TYPE, oid(ENVELOPED)), sum], "contentType of another kind")
    attrs("two-digests", [kind, sum, attribute(MESSAGE_DIGEST, octets(digest(content + b"x")))], "two messageDigests")
    attrs("two-values", [kind, attribute(MESSAGE_DIGEST, octets(digest(content)), octets(digest(content + b"x")))], "a messageDigest of two values")
    attrs("two-types", [kind, kind, sum], "two contentTypes")
    attrs("unsorted", [sum, kind], "attributes out of order, signed as they are sent", "ok", sort=False)
    attrs("unsorted-signed-sorted", [sum, kind], "attributes out of order, signed in the order of DER", "ok", sort=False,
          over=tlv(0x31, *sorted([kind, sum])))
    attrs("unknown", [kind, sum, attribute("2.999.5", octets(b"?"))], "an unknown attribute", "ok")
    attrs("unsigned", [kind, sum], "an unsigned attribute", "ok", unsigned=context(1, attribute("2.999.5", octets(b"?"))))
    attrs("changed", [kind, sum], "attributes changed after signing", over=tlv(0x31, *sorted([kind, attribute(MESSAGE_DIGEST, octets(digest(b"")))])))
    attrs("as-content", [kind, sum], "a signature over the content beside attributes", over=content)
    attrs("digest-disagrees", [kind, sum], "digestAlgorithm and signatureAlgorithm disagree", rows=["AS-37"], digest_algorithm=SHA256, md="sha512",
          signature_algorithm=seq(oid("1.2.840.113549.1.1.13"), NULL))
    attrs("wrong-kind", [kind, sum], "the algorithm of ECDSA with a key of RSA", rows=["AS-37"], signature_algorithm=seq(oid("1.2.840.10045.4.3.2")))
    attrs("unknown-algorithm", [kind, sum], "an unknown signature algorithm", "unsupported-algorithm", rows=["AS-37"],
          signature_algorithm=seq(oid("2.999.6")))
    attrs("sha256-with-rsa", [kind, sum], "sha256WithRSAEncryption for rsaEncryption", "ok", rows=["AS-35"],
          signature_algorithm=seq(oid("1.2.840.113549.1.1.11"), NULL))
    attrs("no-null", [kind, sum], "parameters absent where others write NULL", "ok", rows=["AS-35"], signature_algorithm=seq(oid("1.2.840.113549.1.1.1")))
    pss = seq(oid("1.2.840.113549.1.1.10"), seq())
    attrs("pss-default", [kind, sum], "RSA-PSS with its default parameters, which are SHA-1", "unsupported-algorithm", rows=["AS-37"],
          signature_algorithm=pss)
    typed = [attribute(CONTENT_TYPE, oid(ENVELOPED)), sum]
    attrs("signed-type", typed, "SignedData over another type of content", "not-signed", content_type=ENVELOPED)
    # The attributes of a message that Alice signed, passed off as the content
    # of one without attributes (RFC 8933 tells of it).
    over = tlv(0x31, *sorted([kind, sum]))
    stolen = sign_attributes([], over=over)
    vector("attr-substituted", sealed(detached(over, stolen)), "signed attributes passed off as content", ["AS-49"], reason="bad-signature", maker="crafted")


def envelopes():
    der = encrypt(signed())
    bad("cut", outer(der[:-100]), "the CMS is cut", ["AS-44"], "malformed")
    bad("trailing", outer(der + b"\x00\x00"), "octets after the CMS", ["AS-44"], "malformed")
    bad("empty", outer(b""), "nothing in the body", ["AS-44"], "malformed")
    bad("garbage", outer(b"no CMS at all, but text"), "no CMS", ["AS-44"], "malformed")
    bad("last-block", outer(flip(der, -1)), "the last block of the ciphertext changed", ["AS-62"], "undecryptable")
    bad("first-block", outer(flip(der, len(der) - len(signed()) // 16 * 16 - 16)), "the first block of the ciphertext changed", ["AS-62"], "undecryptable")
    gcm = encrypt(signed(), cipher="aes-256-gcm")
    bad("gcm-tag", outer(flip(gcm, -1), media=AUTH), "the tag of GCM changed", ["AS-32"], "undecryptable")
    bad("gcm-ciphertext", outer(flip(gcm, -200), media=AUTH), "the ciphertext of GCM changed", ["AS-32"], "undecryptable")
    bad("gcm-cut", outer(gcm[:-10], media=AUTH), "the tag of GCM is cut", ["AS-32"], "malformed")


def structures():
    """CMS that costs a naive reader much."""
    bad("nesting", outer(b"\x30\x80" * 10_000), "ten thousand elements inside of each other", ["CP-1"], "malformed")
    deep = b"\x24\x80" * 500 + b"\x04\x01x" + b"\0\0" * 500
    content = seq(oid(ENVELOPED), context(0, seq(integer(0), set_of(), seq(oid(DATA), seq(oid(AES256), octets(bytes(16))), deep))))
    bad("nested-chunks", outer(content), "five hundred chunks inside of each other", ["CP-1"], "malformed")
    bad("size-of-terabytes", outer(b"\x30\x86\x10\0\0\0\0\0" + bytes(100)), "a length of 17 terabytes", ["CP-1"], "malformed")


AES256 = "2.16.840.1.101.3.4.1.42"


def enveloped(key, iv, ciphertext, wrapped=None, cipher=AES256, parameters=None):
    """An EnvelopedData to Bob that is made by hand."""
    tbs = inside(inside(cert_der("bob"))[0])
    if wrapped is None:
        wrapped = openssl("pkeyutl", "-encrypt", "-certin", "-inkey", cert("bob"), stdin=key)
    recipient = seq(integer(0), seq(tbs[3], tbs[1]), seq(oid("1.2.840.113549.1.1.1"), NULL), octets(wrapped))
    content = seq(oid(DATA), seq(oid(cipher), octets(iv) if parameters is None else parameters), tlv(0x80, ciphertext))
    return seq(oid(ENVELOPED), context(0, seq(integer(0), set_of(recipient), content)))


def cbc(key, iv, plain):
    return openssl("enc", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", iv.hex(), stdin=plain)


def paddings():
    key, iv = os.urandom(32), os.urandom(16)
    entity = signed()
    rest = 16 - len(entity) % 16

    def pad(id, tail, shows, reason="undecryptable"):
        plain = entity + tail
        plain += b"" if len(plain) % 16 == 0 else bytes(16 - len(plain) % 16)
        bad(f"padding-{id}", outer(enveloped(key, iv, cbc(key, iv, plain))), shows, ["AS-62"], reason)

    pad("zero", bytes(rest), "padding of zeros")
    pad("long", bytes([rest + 16] * rest), "padding that is longer than a block")
    pad("uneven", bytes(rest - 1) + bytes([rest]) if rest > 1 else bytes(15) + b"\x10", "padding whose octets differ")
    vector("padding-full-block", outer(enveloped(key, iv, cbc(key, iv, aligned()))),
           "a whole block of padding", ["AS-62"], maker="crafted")
    bad("padding-none", outer(enveloped(key, iv, b"")), "no ciphertext at all", ["AS-62"], "undecryptable")
    bad("padding-block", outer(enveloped(key, iv, cbc(key, iv, bytes(16))[:11])), "less than a block of ciphertext", ["AS-62"], "undecryptable")
    good = cbc(key, iv, aligned())
    bad("key-short", outer(enveloped(key[:16], iv, good)), "a content key of the wrong size", ["AS-62"], "undecryptable")
    bad("key-empty", outer(enveloped(b"", iv, good)), "a content key of no octets", ["AS-62"], "undecryptable")
    bad("key-garbage", outer(enveloped(key, iv, good, wrapped=bytes(255) + b"\x07")), "an encrypted key that is none", ["AS-62"], "undecryptable")
    bad("key-cut", outer(enveloped(key, iv, good, wrapped=bytes(100))), "an encrypted key that is too short", ["AS-62"], "undecryptable")
    bad("iv-short", outer(enveloped(key, iv[:8], good)), "an initialization vector of eight octets", ["AS-37"], "malformed")
    bad("iv-none", outer(enveloped(key, iv, good, parameters=NULL)), "no initialization vector", ["AS-37"], "malformed")
    bad("cipher-unknown", outer(enveloped(key, iv, good, cipher="2.999.7")), "an unknown cipher", ["AS-37"], "unsupported-algorithm")
    unsigned = wrap()
    unsigned += bytes([16 - len(unsigned) % 16] * (16 - len(unsigned) % 16))
    bad("unsigned", outer(enveloped(key, iv, cbc(key, iv, unsigned))), "encrypted by hand and not signed", ["AS-63"], "not-signed")
    nonsense = os.urandom(320) + bytes([16] * 16)
    bad("nonsense", outer(enveloped(key, iv, cbc(key, iv, nonsense))), "random octets, well padded", ["AS-62"], "undecryptable")


def aligned():
    """A signed entity whose size is whole blocks, and a block of padding. The
    epilogue fills it up."""
    entity = signed()
    fill = -len(entity) % 16
    return entity + b"x" * fill + b"\x10" * 16


def make():
    contents()
    attributes()
    envelopes()
    structures()
    paddings()
