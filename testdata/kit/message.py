"""Messages: the inner one, its wrapper, the signed entity and the sealed whole."""

import base64

from tools import cert, key, openssl, scratch

BOUNDARY = "=_kit_0001"


def crlf(text):
    return text.replace("\n", "\r\n").encode()


def inner(frm="alice@a.example", to="bob@b.example", fields=(), body="Patient record of a vector.\n", first=()):
    """An RFC 5322 message. None leaves From or To out."""
    lines = list(first)
    if frm is not None:
        lines.append(f"From: {frm}")
    if to is not None:
        lines.append(f"To: {to}")
    lines += [
        "Date: Fri, 01 Jan 2027 10:00:00 +0000", "Message-ID: <vector@a.example>", "Subject: a vector",
        "MIME-Version: 1.0", *fields,
    ]
    if not any(f.lower().startswith("content-type:") for f in fields):
        lines.append("Content-Type: text/plain; charset=us-ascii")
    return crlf("\n".join(lines) + "\n\n" + body)


INNER = inner()
LARGE = inner(body="".join(f"line {n:05} of a longer record, to make more than one chunk of it\n" for n in range(700)))


def wrap(message=INNER, header="Content-Type: message/rfc822"):
    return crlf(header + "\n\n") + message


def b64(data, width=76):
    text = base64.b64encode(data).decode()
    return "".join(text[i : i + width] + "\r\n" for i in range(0, len(text), width)).encode()


def sign(content, signers=(("alice-domain", "alice"),), chain=("inter",), md="sha256", options=(), by="cms"):
    """SignedData of the content by OpenSSL, detached unless options say otherwise."""
    args = []
    for name, private, *more in signers:
        args += ["-signer", cert(name), "-inkey", key(private), *more]
    if chain:
        args += ["-certfile", scratch("chain.pem", b"".join(cert(c).read_bytes() for c in chain))]
    return openssl(by, "-sign", "-binary", "-in", scratch("content", content), "-outform", "DER", *args, "-md", md, *options)


def detached(content, signature, micalg="micalg=sha-256", protocol='protocol="application/pkcs7-signature"',
             media="multipart/signed", part="application/pkcs7-signature; name=\"smime.p7s\"", encoding="base64",
             preamble=b"This is a signed message.\r\n", epilogue=b"", before_close=b"\r\n", boundary=BOUNDARY,
             first=b"--%s\r\n", encoded=None, params=None):
    """The multipart/signed around a content and its signature (RFC 8551 §3.5.3)."""
    if params is None:
        params = "; ".join(p for p in (protocol, micalg, f'boundary="{boundary}"') if p)
    mark = boundary.encode()
    if encoded is None:
        encoded = b64(signature) if encoding == "base64" else signature
    return b"".join([
        f"Content-Type: {media}; {params}\r\n\r\n".encode(), preamble, first % mark, content, b"\r\n--", mark, b"\r\n",
        f"Content-Type: {part}\r\nContent-Transfer-Encoding: {encoding}\r\n".encode(),
        b"Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n", encoded.removesuffix(b"\r\n"),
        before_close, b"--", mark, b"--\r\n", epilogue,
    ])


def opaque(signature, media="application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\"", encoding="base64"):
    body = b64(signature) if encoding == "base64" else signature
    return f"Content-Type: {media}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body


def signed(message=INNER, content=None, **how):
    """The usual: wrapped, signed by Alice's domain, detached."""
    content = wrap(message) if content is None else content
    md = how.get("md", "sha256")
    micalg = {"sha1": "sha1", "md5": "md5"}.get(md, md.replace("sha", "sha-"))
    return detached(content, sign(content, **how), micalg=f"micalg={micalg}")


def encrypt(entity, to=("bob",), cipher="aes-256-cbc", options=(), by="cms"):
    """EnvelopedData or AuthEnvelopedData of the entity by OpenSSL. A recipient
    is a name, or a name and its -keyopt options."""
    args = []
    for r in to:
        name, *keyopts = (r,) if isinstance(r, str) else r
        args += ["-recip", cert(name)]
        for o in keyopts:
            args += ["-keyopt", o]
    if by == "smime":
        args = [cert(r) for r in to]
    return openssl(by, "-encrypt", "-binary", "-in", scratch("entity", entity), "-outform", "DER", f"-{cipher}", *options, *args)


OUTER = ("From: alice@a.example", "To: bob@b.example", "Date: Fri, 01 Jan 2027 10:00:00 +0000",
         "Message-ID: <vector@a.example>", "MIME-Version: 1.0")


def outer(der, media="application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"", encoding="base64",
          fields=OUTER, disposition="attachment; filename=\"smime.p7m\"", body=None, ends=b"\r\n"):
    """The whole message, as SMTP carries it."""
    lines = [*fields, f"Content-Type: {media}"]
    if encoding:
        lines.append(f"Content-Transfer-Encoding: {encoding}")
    if disposition:
        lines.append(f"Content-Disposition: {disposition}")
    if body is None:
        body = b64(der) if encoding == "base64" else der
    return crlf("\n".join(lines) + "\n\n").replace(b"\r\n", ends) + body


AUTH = "application/pkcs7-mime; smime-type=authEnveloped-data; name=\"smime.p7m\""


def sealed(entity=None, to=("bob",), cipher="aes-256-cbc", options=(), **how):
    """The usual: signed, encrypted to Bob's domain, base64."""
    entity = signed() if entity is None else entity
    if cipher.endswith("gcm"):
        how.setdefault("media", AUTH)
    return outer(encrypt(entity, to, cipher, options), **how)
