"""Whose certificates are believed."""

from cms import parts, rebuild
from der import octets, seq
from kit import by_profile, vector
from message import detached, inner, sealed, sign, signed, wrap
from tools import cert_der, cert_der_raw


def by(name, key="alice", chain=("inter",), **how):
    """A message signed with that certificate."""
    return sealed(signed(signers=[(name, key)], chain=chain, **how))


def binding():
    vector("bind-address", by("alice-address"), "bound to the address", ["AS-11"])
    vector("bind-domain", "enc-aes256-cbc", "bound to the domain", ["AS-11"])
    vector("bind-case", by("alice-uppercase"), "bound to the address in another case", ["AS-4", "AS-11"])
    mixed = inner(frm="Alice <ALICE@A.Example>")
    vector("bind-case-of-from", sealed(signed(mixed)), "From in another case, with a name", ["AS-4", "AS-6"], inner=mixed)
    by_profile("bind-both", by("alice-both"), "an address beside the domain (CERT_WITH_EMAIL_ADDRESS)", ["S10-11", "AS-17"], "ok", "sender-mismatch")
    by_profile("bind-domains", by("alice-domains"), "two domains, one of them ours", ["AS-17"], "ok", "sender-mismatch")
    by_profile("bind-addresses", by("alice-addresses"), "two addresses, one of them the sender", ["AS-17"], "ok", "sender-mismatch")
    vector("bind-wildcard", by("alice-wildcard"), "a wildcard that would cover the domain (WILD_CARD_DOMAIN_CERT)", ["S10-10", "AS-14"],
           reason="sender-mismatch")
    by_profile("bind-wildcard-beside", by("alice-wildcard-beside"), "a wildcard beside the domain itself", ["S10-10", "AS-14"], "ok", "sender-mismatch")
    vector("bind-other-domain", by("other-domain", "mallory"), "another domain (INVALID_CERT)", ["S10-9", "AS-13", "AS-63"], reason="sender-mismatch")
    vector("bind-parent-domain", by("parent-domain"), "the parent of the domain", ["AS-13"], reason="sender-mismatch")
    vector("bind-child-domain", by("child-domain"), "a child of the domain", ["AS-13"], reason="sender-mismatch")
    child = inner(frm="alice@mail.a.example")
    vector("bind-domain-of-parent", sealed(signed(child)), "a sender in a child of the domain", ["AS-13"], reason="sender-mismatch",
           mail_from="alice@mail.a.example")
    vector("bind-other-address", by("mallory", "mallory"), "another address of the domain", ["AS-11", "AS-63"], reason="sender-mismatch")
    vector("bind-bare-domain", by("alice-bare"), "a bare domain as rfc822Name", ["CP-8"], reason="sender-mismatch")
    vector("bind-no-san", by("no-san"), "no subjectAltName", ["AS-12"], reason="sender-mismatch")
    vector("bind-uri", by("alice-uri"), "a URI as only name", ["AS-12"], reason="sender-mismatch")
    by_profile("bind-subject", by("no-san-email"), "the address in the subject alone", ["AS-12", "AS-15"], "ok", "sender-mismatch")
    vector("bind-subject-agrees", by("email-agrees"), "an address in the subject that agrees with the subjectAltName", ["AS-16"])
    by_profile("bind-subject-contradicts", by("email-contradicts"), "an address in the subject that contradicts the subjectAltName", ["AS-15", "AS-16"],
               "sender-mismatch", "ok")


def form():
    by_profile("form-version-one", by("version-one"), "a certificate of version 1, with the address in its subject", ["AS-10", "AS-15"], "bad-path",
               "sender-mismatch")
    vector("form-no-subject", by("no-subject"), "a certificate without a subject name", ["AS-19"], reason="bad-path")


def twins():
    """Two certificates of one issuer's name and serial."""
    content = wrap()

    def beside(signature, names):
        p = parts(signature)
        p.certificates = [cert_der(n) for n in names]
        return sealed(detached(content, rebuild(p, sort=False)))

    good, forged = sign(content), sign(content, signers=[("alice-twin", "mallory")])
    for where, names in (("first", ("alice-twin", "alice-domain", "inter")), ("last", ("alice-domain", "inter", "alice-twin"))):
        vector(f"twin-{where}", beside(good, names), f"a certificate of the signer's name and serial, and another key, comes {where}", ["AS-49"],
               maker="crafted")
        vector(f"twin-signs-{where}", beside(forged, names), "the same where the other key signed", ["AS-63", "AS-67"], maker="crafted",
               reason="untrusted-anchor")
    broken = parts(good)
    broken.certificates = [seq(octets(b"no certificate")), *broken.certificates]
    vector("twin-garbage", sealed(detached(content, rebuild(broken, sort=False))), "garbage among the certificates", ["AS-49"], maker="crafted")


def dates():
    vector("date-expired", by("expired"), "expired (EXPIRED_CERT)", ["S10-12", "AS-18"], reason="expired")
    vector("date-expired-before", "date-expired", "the same while it was valid", ["AS-18"], time="2026-11-30T12:00:00Z")
    vector("date-last-moment", "date-expired", "the same in its last second", ["AS-18", "CP-28"], time="2026-12-01T00:00:00Z")
    vector("date-past-last", "date-expired", "the same a second later: no grace at the end", ["AS-18", "CP-28"], time="2026-12-01T00:00:01Z", reason="expired")
    vector("date-not-yet", by("not-yet"), "not valid yet", ["AS-18"], reason="not-yet-valid")
    vector("date-just-begun", by("just-begun"), "valid three minutes from now", ["AS-18", "CP-28"])
    for which, name in (("notbefore", "NO_NOTBEFORE"), ("notafter", "NO_NOTAFTER")):
        vector(f"date-no-{which}", crafted(f"no-{which}"), f"a certificate without a date ({name})", ["S10-12", "AS-18"],
               reason="bad-signature", maker="crafted")


def crafted(name):
    """A message whose signer's certificate is replaced by one that OpenSSL would
    not sign with. The signer is named by key identifier, so that it fits."""
    content = wrap()
    whole = sign(content, chain=["inter"], options=["-keyid"])
    p = parts(whole)
    p.certificates = [cert_der_raw(name), *[c for c in p.certificates if c != cert_der_raw("alice-domain")]]
    return sealed(detached(content, rebuild(p)))


def usages():
    vector("use-not-restricted", by("no-extensions"), "no keyUsage", ["AS-20"])
    vector("use-signs-only", by("signs-only"), "a certificate to sign with alone", ["AS-20", "AS-21"])
    vector("use-encrypts-only", by("encrypts-only"), "signed with a certificate to encrypt to", ["AS-20", "AS-21"], reason="wrong-usage")
    vector("use-repudiates-only", by("repudiates-only"), "nonRepudiation alone", ["AS-20"], reason="wrong-usage")
    vector("use-authority", by("is-a-ca"), "signed by an authority", ["AS-22"], reason="wrong-usage")
    vector("use-for-servers", by("for-servers"), "extendedKeyUsage is for servers", ["AS-23"], reason="wrong-usage")
    vector("use-for-anything", by("for-anything"), "extendedKeyUsage is for anything", ["AS-23"])
    vector("use-critical", by("critical"), "an unknown critical extension", ["AS-68"], reason="bad-path")
    vector("use-uncritical", by("uncritical"), "an unknown extension that is not critical", ["AS-68"])
    vector("use-p521", by("p521", "p521", md="sha512"), "a key of P-521, a curve that Direct does not sign with", ["AS-35"],
           reason="unsupported-algorithm")


def paths():
    vector("path-one-intermediate", "enc-aes256-cbc", "a root, an intermediate, a leaf", ["AS-67", "AS-68"])
    vector("path-root-only", by("by-root", chain=()), "issued by the root", ["AS-67"])
    vector("path-two-intermediates", by("by-second", chain=("inter", "inter-second")), "two intermediates", ["AS-68"])
    vector("path-anchor-intermediate", "enc-aes256-cbc", "the anchor is the intermediate", ["AS-67"], anchors=["inter"])
    vector("path-anchor-leaf", "enc-aes256-cbc", "the anchor is the signer's own certificate", ["AS-67"], anchors=["alice-domain"])
    vector("path-anchor-self-signed", by("self-signed", chain=()), "a self-signed certificate that is its own anchor", ["AS-67"], anchors=["self-signed"])
    vector("path-self-signed", "path-anchor-self-signed", "a self-signed certificate that nobody trusts", ["AS-60"], reason="untrusted-anchor")
    vector("path-other-anchor", by("by-other-root", chain=()), "another anchor (DIFFERENT_TRUST_ANCHOR)", ["S10-13", "AS-60"], reason="untrusted-anchor")
    vector("path-no-anchors", "enc-aes256-cbc", "no anchor at all", ["AS-60"], anchors=[], reason="no-anchors")
    vector("path-lookalike-root", by("by-lookalike", chain=("root-lookalike",)), "a root of the same name and key identifier, of another key", ["AS-67"],
           reason="untrusted-anchor")
    vector("path-both-roots", "path-lookalike-root", "the same where both roots are trusted", ["AS-67"], anchors=["root", "root-lookalike"])
    vector("path-lookalike-anchor", "enc-aes256-cbc", "a good chain where only the look-alike is trusted", ["AS-67"], anchors=["root-lookalike"],
           reason="untrusted-anchor")
    crossed = by("alice-domain", chain=("inter", "inter-cross"))
    vector("path-cross-signed", crossed, "an intermediate that two roots signed, seen from the second", ["AS-68"], anchors=["root-other"])
    vector("path-cross-signed-first", "path-cross-signed", "the same from the first", ["AS-68"])
    vector("path-cross-missing", "enc-aes256-cbc", "seen from the second root, without its certificate", ["AS-68"], anchors=["root-other"],
           reason="untrusted-anchor")
    vector("path-missing-intermediate", by("alice-domain", chain=()), "the intermediate is missing and nothing says where it is", ["AS-69"],
           reason="untrusted-anchor")
    vector("path-chain-with-root", by("alice-domain", chain=("root", "inter", "root-other")), "the chain brings the root and a stranger along", ["AS-69"])
    for name, shows, row in (
        ("expired", "an expired intermediate", "AS-68"), ("not-ca", "the issuer is no authority", "AS-68"),
        ("no-basic", "the issuer does not say that it is an authority", "AS-68"),
        ("no-certsign", "the issuer may not issue certificates", "AS-68"), ("constrained-elsewhere", "name constraints for another domain", "AS-68"),
        ("excluded", "name constraints that exclude the domain", "AS-68"), ("critical", "an intermediate with an unknown critical extension", "AS-68"),
    ):
        vector(f"path-{name}", by(f"by-{name}", chain=(f"inter-{name}",)), shows, [row], reason="bad-path")
    vector("path-constrained", by("by-constrained", chain=("inter-constrained",)), "name constraints that permit the domain", ["AS-68"])
    vector("path-pathlen", by("by-below-pathlen", chain=("inter-pathlen", "inter-below-pathlen")), "one intermediate more than pathLen allows", ["AS-68"],
           reason="bad-path")
    vector("path-weak-intermediate", by("by-weak", chain=("inter-weak",)), "an intermediate of RSA 1024", ["AS-34", "AS-68"], reason="weak-key")
    vector("path-sha1-leaf", by("sha1-signed"), "a leaf signed with SHA-1", ["AS-31", "AS-68"], reason="bad-path")
    vector("path-sha1-intermediate", by("by-sha1", chain=("inter-sha1",)), "an intermediate signed with SHA-1", ["AS-31", "AS-68"], reason="bad-path")
    vector("path-pss", by("pss-signed"), "a leaf signed with RSA-PSS", ["AS-35", "AS-68"])
    vector("path-expired-anchor", by("by-expired-root", chain=()), "an expired anchor", ["AS-68"], anchors=["root-expired"], reason="bad-path")


def policies():
    ev = dict(ev_roots=["root-ev"], ev_policies=["2.999.2.1"])
    good = by("ev", chain=())
    vector("ev-asked-and-given", good, "an EV certificate where EV is asked for", ["AS-23", "BB-22"], anchors=["root"], signers="ev", **ev)
    vector("ev-or-community", "ev-asked-and-given", "an EV certificate where either is taken", ["AS-23", "BB-22"], signers="either", **ev)
    vector("ev-unasked", "ev-asked-and-given", "an EV certificate where the community alone is believed", ["AS-23", "BB-22"], reason="untrusted-anchor")
    vector("ev-missing", "enc-aes256-cbc", "a community's certificate where EV is asked for", ["AS-23", "BB-22"], signers="ev", reason="signer-policy", **ev)
    vector("ev-either-community", "enc-aes256-cbc", "a community's certificate where either is taken", ["AS-23", "BB-22"], signers="either", **ev)
    vector("ev-other-policy", by("ev-other-policy", chain=()), "an EV root's certificate of another policy", ["AS-23", "BB-22"], signers="ev",
           reason="signer-policy", **ev)
    vector("ev-without-root", "ev-asked-and-given", "an EV certificate whose root is not configured", ["AS-23", "BB-22"], signers="ev",
           reason="no-anchors", ev_policies=["2.999.2.1"])
    vector("ev-policy-alone", by("ev-elsewhere"), "the EV policy in a community's certificate", ["AS-23", "BB-22"], signers="ev", reason="signer-policy", **ev)


def make():
    binding()
    form()
    twins()
    dates()
    usages()
    paths()
    policies()
