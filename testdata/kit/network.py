"""What has to be fetched: issuers, CRLs and OCSP responses."""

from certificates import by
from kit import vector

ISSUER, UPPER = "http://kit.example/issuer.cer", "http://kit.example/upper.cer"
CRL, ROOT_CRL, OCSP = "http://kit.example/inter.crl", "http://kit.example/root.crl", "http://kit.example/ocsp"


def issuers():
    message = by("aia", chain=())
    vector("aia-der", message, "the intermediate by AIA, in DER", ["AS-69", "CP-10"], network={ISSUER: "inter.der"})
    for kind, shows in (("pem", "in PEM"), ("p7c", "in a PKCS #7 with another certificate")):
        vector(f"aia-{kind}", "aia-der", f"the intermediate by AIA, {shows}", ["AS-69", "CP-10"], network={ISSUER: f"inter.{kind}"})
    vector("aia-down", "aia-der", "AIA that nobody answers for (BAD_AIA)", ["S10-14", "AS-70"], network={ISSUER: "down"}, reason="issuer-unavailable")
    vector("aia-wrong-issuer", "aia-der", "AIA that leads to another issuer (BAD_AIA)", ["S10-14", "AS-70"], network={ISSUER: "root-other.der"},
           reason="issuer-unavailable")
    vector("aia-garbage", "aia-der", "AIA that leads to a web page (BAD_AIA)", ["S10-14", "AS-70"], network={ISSUER: "garbage.bin"},
           reason="issuer-unavailable")
    vector("aia-not-needed", by("aia"), "AIA that nobody answers for, and the intermediate in the message", ["AS-69"], network={ISSUER: "down"})
    vector("aia-two-levels", by("by-aia", chain=()), "AIA of the leaf and of its issuer", ["AS-69"],
           network={ISSUER: "inter-aia.der", UPPER: "inter.der"})
    vector("aia-ldap", by("aia-ldap", chain=()), "AIA by LDAP, which is not followed", ["AS-70"], reason="untrusted-anchor")


def revocation():
    chain = ("inter-revocable",)
    message = by("crl", chain=chain)

    def crl(id, file, shows, rows, reason="ok", root="root-good.crl", **how):
        vector(f"crl-{id}", message if id == "good" else "crl-good", shows, rows, reason=reason, network={CRL: file, ROOT_CRL: root}, **how)

    hard = dict(revocation="hard")
    crl("good", "crl-good.crl", "a CRL that has others", ["AS-71", "AS-72"], **hard)
    crl("revoked", "crl-revoked.crl", "revoked", ["S10-16", "AS-71"], "revoked")
    crl("revoked-hard", "crl-revoked.crl", "revoked, where an answer is asked for", ["S10-16", "AS-71"], "revoked", **hard)
    crl("on-hold", "crl-hold.crl", "on hold", ["AS-71"], "revoked")
    crl("stale", "crl-stale.crl", "a CRL that is out of date", ["AS-72", "AS-73"])
    crl("stale-hard", "crl-stale.crl", "a CRL that is out of date, where an answer is asked for", ["AS-72", "AS-73"], "revocation-unavailable", **hard)
    crl("stale-revoked", "crl-stale-revoked.crl", "a CRL that is out of date and has the certificate", ["AS-71", "AS-72"], "revoked")
    crl("of-another", "crl-of-another.crl", "a CRL of another issuer", ["AS-72"], "revocation-unavailable", **hard)
    crl("forged", "crl-forged.crl", "a CRL under the issuer's name by another key", ["AS-72"], "revocation-unavailable", **hard)
    crl("sha1", "crl-sha1.crl", "a CRL signed with SHA-1", ["AS-31", "AS-72"], "revocation-unavailable", **hard)
    crl("garbage", "garbage.bin", "a web page for a CRL", ["AS-72"], "revocation-unavailable", **hard)
    crl("down", "down", "a CRL that nobody answers for", ["AS-73"])
    crl("down-hard", "down", "a CRL that nobody answers for, where an answer is asked for", ["AS-73"], "revocation-unavailable", **hard)
    crl("issuer-revoked", "crl-good.crl", "the intermediate is revoked", ["AS-71"], "revoked", root="root-revoked.crl")
    vector("crl-none", by("revocable", chain=chain), "no CRL and no OCSP responder (CERT_WITH_NO_CRL)", ["S10-15", "AS-73"], network={ROOT_CRL: "root-good.crl"})
    vector("crl-none-hard", "crl-none", "the same where an answer is asked for", ["S10-15", "AS-73"], network={ROOT_CRL: "root-good.crl"},
           reason="no-revocation-source", **hard)
    vector("crl-ldap-hard", by("crl-ldap", chain=chain), "a CRL by LDAP alone, which is not followed", ["AS-73"], network={ROOT_CRL: "root-good.crl"},
           reason="revocation-unavailable", **hard)


def responders():
    message = by("ocsp", chain=("inter-revocable",))

    def ocsp(id, file, shows, rows, reason="ok", **how):
        vector(f"ocsp-{id}", message if id == "good" else "ocsp-good", shows, rows, reason=reason,
               network={OCSP: file, ROOT_CRL: "root-good.crl"}, **how)

    hard = dict(revocation="hard")
    ocsp("good", "ocsp-good.der", "OCSP by the issuer", ["AS-74"], **hard)
    ocsp("revoked", "ocsp-revoked.der", "OCSP by the issuer says revoked", ["S10-16", "AS-71", "AS-74"], "revoked")
    ocsp("delegated", "ocsp-delegated.der", "OCSP by a delegate of the issuer", ["AS-74"], **hard)
    ocsp("delegated-revoked", "ocsp-delegated-revoked.der", "a delegate says revoked", ["AS-74"], "revoked")
    ocsp("without-usage", "ocsp-without-usage.der", "OCSP by a certificate of the issuer that is not for it", ["AS-74"], "revocation-unavailable", **hard)
    ocsp("of-another", "ocsp-of-another.der", "OCSP by another authority's responder", ["AS-74"], "revocation-unavailable", **hard)
    ocsp("unknown", "ocsp-unknown.der", "OCSP that does not know the certificate", ["AS-74"], "revocation-unavailable", **hard)
    ocsp("down", "down", "OCSP that nobody answers for", ["AS-73", "AS-74"])
    ocsp("down-hard", "down", "OCSP that nobody answers for, where an answer is asked for", ["AS-73", "AS-74"], "revocation-unavailable", **hard)


def make():
    issuers()
    revocation()
    responders()
