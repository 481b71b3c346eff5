"""The keys, certificates, CRLs and OCSP responses of the vector set.

What is there is kept; remove a file to have it made anew, and then everything
that depends on it.
"""

import base64
import hashlib

from der import inside, seq, tlv
from tools import HERE, NETWORK, WORK, cert, cert_der, key, openssl, scratch

BEGIN, END = "20260101000000Z", "20460101000000Z"

KEYS = {
    "root": "rsa:2048", "root-lookalike": "rsa:2048", "root-other": "rsa:2048", "inter": "rsa:2048",
    "sub": "rsa:2048", "alice": "rsa:2048", "mallory": "rsa:2048", "bob": "rsa:2048", "carol": "rsa:2048",
    "rsa1024": "rsa:1024", "rsa3072": "rsa:3072", "rsa4096": "rsa:4096", "bob-4096": "rsa:4096",
    "p256": "P-256", "p384": "P-384", "p521": "P-521", "bob-p256": "P-256", "bob-p384": "P-384", "bob-p521": "P-521",
}

# name: section of pki.cnf, issuer, key; and where it is not as usual, the
# common name, the digest, the dates and what else the subject says.
CERTIFICATES = {
    "root": dict(ext="root", by="root", key="root", cn="Root"),
    "root-lookalike": dict(ext="root-lookalike", by="root-lookalike", key="root-lookalike", cn="Root"),
    "root-other": dict(ext="root-other", by="root-other", key="root-other", cn="Other Root"),
    "root-ev": dict(ext="root-ev", by="root-ev", key="sub", cn="EV Root"),
    "root-expired": dict(ext="root-ev", by="root-expired", key="root-other", cn="Expired Root", end="20261201000000Z"),
    "inter": dict(ext="authority", by="root", key="inter", cn="Intermediate"),
    "inter-cross": dict(ext="authority", by="root-other", key="inter", cn="Intermediate"),
    "inter-expired": dict(ext="authority", by="root", key="sub", cn="Expired Intermediate", end="20261201000000Z"),
    "inter-weak": dict(ext="authority", by="root", key="rsa1024", cn="Weak Intermediate"),
    "inter-sha1": dict(ext="authority", by="root", key="sub", cn="SHA-1 Intermediate", md="sha1"),
    "inter-pathlen": dict(ext="inter-pathlen", by="root", key="inter", cn="Pathlen Intermediate"),
    "inter-below-pathlen": dict(ext="authority", by="inter-pathlen", key="sub", cn="Below Pathlen"),
    "inter-second": dict(ext="authority", by="inter", key="sub", cn="Second Intermediate"),
    "inter-aia": dict(ext="inter-aia", by="inter", key="sub", cn="Fetched Intermediate"),
    "inter-lookalike": dict(ext="authority", by="root-other", key="root-other", cn="Revocable Intermediate"),
    "inter-fake": dict(ext="authority", by="root-other", key="mallory", cn="Intermediate"),
    "inter-revocable": dict(ext="inter-revocable", by="root", key="inter", cn="Revocable Intermediate"),
}
for name in ("not-ca", "no-basic", "no-certsign", "constrained", "constrained-elsewhere", "excluded", "critical"):
    CERTIFICATES[f"inter-{name}"] = dict(ext=f"inter-{name}", by="root", key="sub", cn=f"Intermediate {name}")

for name in (
    "alice-domain", "alice-address", "alice-uppercase", "alice-both", "alice-wildcard", "alice-wildcard-beside",
    "alice-domains", "alice-addresses", "alice-bare", "alice-uri", "parent-domain", "child-domain", "no-extensions",
    "signs-only", "encrypts-only", "repudiates-only", "is-a-ca", "for-servers", "for-anything", "critical",
    "uncritical", "aia", "aia-ldap", "no-san",
):
    CERTIFICATES[name] = dict(ext=name, by="inter", key="alice")
for name in ("crl", "crl-ldap", "ocsp"):
    CERTIFICATES[name] = dict(ext=name, by="inter-revocable", key="alice")
CERTIFICATES |= {
    # The name and the serial of alice-domain, by another key for another.
    "alice-twin": dict(ext="alice-domain", by="inter-fake", key="mallory", serial="alice-domain"),
    "version-one": dict(ext=None, by="inter", key="alice", email="alice@a.example"),
    "no-subject": dict(ext="no-subject", by="inter", key="alice", subject="/"),
    "other-domain": dict(ext="other-domain", by="inter", key="mallory"),
    "mallory": dict(ext="mallory", by="inter", key="mallory"),
    "no-san-email": dict(ext="no-san", by="inter", key="alice", email="alice@a.example"),
    "email-agrees": dict(ext="alice-domain", by="inter", key="alice", email="alice@a.example"),
    "email-contradicts": dict(ext="alice-domain", by="inter", key="alice", email="mallory@other.example"),
    "expired": dict(ext="alice-domain", by="inter", key="alice", end="20261201000000Z"),
    "not-yet": dict(ext="alice-domain", by="inter", key="alice", begin="20270601000000Z"),
    "just-begun": dict(ext="alice-domain", by="inter", key="alice", begin="20270101120300Z"),
    "by-root": dict(ext="alice-domain", by="root", key="alice"),
    "by-other-root": dict(ext="alice-domain", by="root-other", key="alice"),
    "by-lookalike": dict(ext="alice-domain", by="root-lookalike", key="alice"),
    "by-expired-root": dict(ext="alice-domain", by="root-expired", key="alice"),
    "self-signed": dict(ext="alice-domain", by="self-signed", key="alice", cn="self-signed"),
    "sha1-signed": dict(ext="alice-domain", by="inter", key="alice", md="sha1"),
    "pss-signed": dict(ext="alice-domain", by="inter", key="alice", pss=True),
    "rsa1024": dict(ext="alice-domain", by="inter", key="rsa1024"),
    "rsa3072": dict(ext="alice-domain", by="inter", key="rsa3072"),
    "rsa4096": dict(ext="alice-domain", by="inter", key="rsa4096"),
    "p256": dict(ext="signs-only", by="inter", key="p256"),
    "p384": dict(ext="signs-only", by="inter", key="p384"),
    "p521": dict(ext="signs-only", by="inter", key="p521"),
    "by-aia": dict(ext="aia", by="inter-aia", key="alice"),
    "revocable": dict(ext="signs-only", by="inter-revocable", key="alice"),
    "responder": dict(ext="responder", by="inter-revocable", key="carol"),
    "responder-without-usage": dict(ext="responder-without-usage", by="inter-revocable", key="carol"),
    "responder-of-another": dict(ext="responder", by="root-other", key="carol"),
    "ev": dict(ext="ev", by="root-ev", key="alice"),
    "ev-other-policy": dict(ext="ev-other-policy", by="root-ev", key="alice"),
    "ev-elsewhere": dict(ext="ev", by="inter", key="alice"),
    "bob": dict(ext="bob", by="inter", key="bob"),
    "bob-second": dict(ext="bob", by="inter", key="bob-4096"),
    "bob-p256": dict(ext="bob-ec", by="inter", key="bob-p256"),
    "bob-p384": dict(ext="bob-ec", by="inter", key="bob-p384"),
    "bob-p521": dict(ext="bob-ec", by="inter", key="bob-p521"),
    "carol": dict(ext="carol", by="inter", key="carol"),
}
for name in ("expired", "weak", "sha1", "not-ca", "no-basic", "no-certsign", "constrained", "constrained-elsewhere",
             "excluded", "critical", "below-pathlen", "second"):
    CERTIFICATES[f"by-{name}"] = dict(ext="alice-domain", by=f"inter-{name}", key="alice")
CERTIFICATES["by-excluded"]["ext"] = "alice-address"

# Serials do not change when the table grows: they are made of the name.
def serial(name):
    return "20" + hashlib.sha256(name.encode()).hexdigest()[:14].upper()


def make_keys():
    for name, kind in KEYS.items():
        if key(name).exists():
            continue
        options = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"]
        if kind.startswith("rsa:"):
            options = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[4:]}"]
        pem = openssl("genpkey", "-quiet", *options)
        key(name).write_bytes(b"TEST ONLY: this key is public.\n" + pem)


def subject(name, spec):
    if "subject" in spec:
        return spec["subject"]
    cn = spec.get("cn") or f"{name}"
    email = spec.get("email")
    return f"/O=Postern Kit TEST ONLY/CN={cn}" + (f"/emailAddress={email}" if email else "")


def authority(work_serial="01"):
    scratch("index.txt")
    scratch("index.txt.attr")
    scratch("serial", work_serial.encode() + b"\n")
    scratch("crlnumber", b"01\n")


def issue(name, spec):
    authority(serial(spec.get("serial", name)))
    openssl("req", "-new", "-config", HERE / "pki.cnf", "-key", key(spec["key"]), "-subj", subject(name, spec),
            "-out", WORK / "request.pem")
    by = ["-selfsign", "-keyfile", key(spec["key"])]
    if spec["by"] != name:
        by = ["-cert", cert(spec["by"]), "-keyfile", key(CERTIFICATES[spec["by"]]["key"])]
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if spec.get("pss") else []
    openssl("ca", "-batch", "-notext", "-config", HERE / "pki.cnf", "-in", WORK / "request.pem", "-out", cert(name),
            *(["-extensions", spec["ext"]] if spec["ext"] else []), "-startdate", spec.get("begin", BEGIN), "-enddate", spec.get("end", END),
            "-md", spec.get("md", "sha256"), *pss, *by)


def make_certificates():
    for name, spec in CERTIFICATES.items():
        if not cert(name).exists():
            issue(name, spec)


def without_date(name, of, which):
    """A certificate whose validity lacks a date, signed as if it were whole."""
    if cert(name).exists():
        return
    tbs, algorithm, _ = inside(cert_der(of))
    fields = inside(tbs)
    dates = inside(fields[4])
    fields[4] = seq(dates[which])
    tbs = seq(*fields)
    signature = openssl("dgst", "-sha256", "-sign", key("inter"), stdin=tbs)
    der = seq(tbs, algorithm, tlv(0x03, b"\0", signature))
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    cert(name).write_text("\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]))


def crl(file, by, revoked=(), begin="20261201000000Z", end=END, md="sha256"):
    path = NETWORK / file
    if path.exists():
        return
    authority()
    lines = ""
    for name, why in revoked:
        lines += f"R\t{END[2:]}\t261015000000Z,{why}\t{serial(name)}\tunknown\t/CN=x\n"
    scratch("index.txt", lines.encode())
    openssl("ca", "-gencrl", "-config", HERE / "pki.cnf", "-cert", cert(by),
            "-keyfile", key(CERTIFICATES[by]["key"]), "-md", md,
            "-crl_lastupdate", begin, "-crl_nextupdate", end, "-out", WORK / "crl.pem")
    openssl("crl", "-in", WORK / "crl.pem", "-outform", "DER", "-out", path)


def ocsp(file, status, signer, signer_key, extra=()):
    path = NETWORK / file
    if path.exists():
        return
    line = f"V\t{END[2:]}\t\t{serial('ocsp')}\tunknown\t/CN=x\n"
    if status == "revoked":
        line = f"R\t{END[2:]}\t261015000000Z,keyCompromise\t{serial('ocsp')}\tunknown\t/CN=x\n"
    if status == "unknown":
        line = ""
    scratch("index.txt", line.encode())
    openssl("ocsp", "-issuer", cert("inter-revocable"), "-cert", cert("ocsp"), "-no_nonce", "-reqout", WORK / "ocsp.req")
    openssl("ocsp", "-index", WORK / "index.txt", "-CA", cert("inter-revocable"), "-rsigner", cert(signer),
            "-rkey", key(signer_key), "-reqin", WORK / "ocsp.req", "-respout", path, "-ndays", "7000", "-rmd", "sha256", *extra)


def make_documents():
    def copy(file, data):
        if not (NETWORK / file).exists():
            (NETWORK / file).write_bytes(data)

    copy("inter.der", cert_der("inter"))
    copy("inter.pem", cert("inter").read_bytes())
    copy("inter-aia.der", cert_der("inter-aia"))
    copy("root-other.der", cert_der("root-other"))
    copy("inter.p7c", openssl("crl2pkcs7", "-nocrl", "-certfile", cert("root-other"), "-certfile", cert("inter"), "-outform", "DER"))
    copy("garbage.bin", b"<html>this is no certificate</html>\n" * 20)
    crl("crl-good.crl", "inter-revocable", revoked=[("bob", "superseded")])
    crl("crl-revoked.crl", "inter-revocable", revoked=[("bob", "superseded"), ("crl", "keyCompromise")])
    crl("crl-hold.crl", "inter-revocable", revoked=[("crl", "certificateHold")])
    crl("crl-stale.crl", "inter-revocable", begin="20261101000000Z", end="20261202000000Z")
    crl("crl-stale-revoked.crl", "inter-revocable", revoked=[("crl", "keyCompromise")], begin="20261101000000Z", end="20261202000000Z")
    crl("crl-of-another.crl", "root-other")
    crl("crl-forged.crl", "inter-lookalike")
    crl("crl-sha1.crl", "inter-revocable", md="sha1")
    crl("root-good.crl", "root")
    crl("root-revoked.crl", "root", revoked=[("inter-revocable", "CACompromise")])
    ocsp("ocsp-good.der", "good", "inter-revocable", "inter")
    ocsp("ocsp-revoked.der", "revoked", "inter-revocable", "inter")
    ocsp("ocsp-unknown.der", "unknown", "inter-revocable", "inter")
    ocsp("ocsp-delegated.der", "good", "responder", "carol")
    ocsp("ocsp-delegated-revoked.der", "revoked", "responder", "carol")
    ocsp("ocsp-without-usage.der", "good", "responder-without-usage", "carol")
    ocsp("ocsp-of-another.der", "good", "responder-of-another", "carol")


def make():
    make_keys()
    make_certificates()
    without_date("no-notbefore", "alice-domain", 1)
    without_date("no-notafter", "alice-domain", 0)
    make_documents()


if __name__ == "__main__":
    make()
