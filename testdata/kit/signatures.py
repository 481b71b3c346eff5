"""How messages are signed."""

from cms import DATA, Signed, parts, rebuild
from der import integer, oid, seq
from kit import by_profile, vector
from message import INNER, LARGE, crlf, detached, opaque, sealed, sign, signed, wrap

ALICE = ("alice-domain", "alice")
MALLORY = ("other-domain", "mallory")


def algorithms():
    for h in ("sha384", "sha512"):
        vector(f"sig-rsa-{h}", sealed(signed(md=h)), f"RSA with {h}", ["S10-6", "AS-30", "AS-47"])
    for size in ("3072", "4096"):
        vector(f"sig-rsa{size}", sealed(signed(signers=[(f"rsa{size}",) * 2])), f"RSA of {size} bits", ["S10-7", "AS-34"])
    vector("sig-rsa1024", sealed(signed(signers=[("rsa1024",) * 2])), "RSA of 1024 bits", ["S10-8", "AS-34"], reason="weak-key")
    for curve, h in (("p256", "sha256"), ("p384", "sha384"), ("p256", "sha512")):
        vector(f"sig-ecdsa-{curve}-{h}", sealed(signed(signers=[(curve, curve)], md=h)), f"ECDSA {curve.upper()} with {h}", ["S10-5", "AS-35"])
    for h in ("sha256", "sha384", "sha512"):
        pss = [(*ALICE, "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest")]
        vector(f"sig-pss-{h}", sealed(signed(signers=pss, md=h)), f"RSA-PSS with {h}", ["AS-35"])
    long = [(*ALICE, "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:max")]
    vector("sig-pss-long-salt", sealed(signed(signers=long)), "RSA-PSS with the longest salt", ["AS-35"])
    odd = [(*ALICE, "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_mgf1_md:sha1")]
    vector("sig-pss-mgf1-sha1", sealed(signed(signers=odd)), "RSA-PSS with SHA-256, MGF1 with SHA-1", ["AS-35", "AS-37"], reason="unsupported-algorithm")
    by_profile("sig-sha1", sealed(signed(md="sha1")), "SHA-1", ["S10-3", "AS-31"], "ok", "weak-algorithm")
    by_profile("sig-ecdsa-sha1", sealed(signed(signers=[("p256", "p256")], md="sha1")), "ECDSA with SHA-1", ["AS-31"], "ok", "weak-algorithm")
    vector("sig-md5", sealed(signed(md="md5")), "MD5", ["S10-4", "AS-31", "AS-37"], reason="weak-algorithm")
    vector("sig-sha224", sealed(signed(md="sha224")), "SHA-224", ["AS-31", "AS-37"], reason="weak-algorithm")
    vector("sig-sha3", sealed(signed(md="sha3-256")), "SHA3-256, which nobody agreed on", ["AS-37"], reason="unsupported-algorithm")


def signers():
    vector("sig-keyid", sealed(signed(options=["-keyid"])), "the signer by subjectKeyIdentifier", ["AS-49"])
    vector("sig-no-attributes", sealed(signed(options=["-noattr"])), "no signed attributes", ["AS-49"], reason="bad-signature")
    vector("sig-no-certificates", sealed(signed(chain=[], options=["-nocerts"])), "the certificate of the signer is not there", ["AS-49"],
           reason="bad-signature")
    vector("sig-no-capabilities", sealed(signed(options=["-nosmimecap"])), "no SMIMECapabilities", ["AS-49"])
    vector("sig-receipt-request", sealed(signed(options=["-receipt_request_all", "-receipt_request_to", "alice@a.example"])),
           "a request for a signed receipt among the attributes", ["AS-49"])
    two = [ALICE, MALLORY]
    vector("sig-two-signers", sealed(signed(signers=two)), "two signers, one of them of another sender", ["AS-64"])
    vector("sig-two-kinds", sealed(signed(signers=[("p256", "p256"), ALICE])), "two signers, EC and RSA", ["AS-64"])
    content = wrap()
    good, other = sign(content, signers=[ALICE]), sign(content + b"x", signers=[("p256", "p256")])
    vector("sig-two-one-bad", sealed(detached(content, merge(good, other))), "two signers, one signature is bad", ["AS-64"])
    vector("sig-two-both-bad", sealed(detached(content, sign(content + b"x", signers=[ALICE, ("p256", "p256")]))), "two signers, both signatures are bad",
           ["AS-63", "AS-64"], reason="bad-signature")
    vector("sig-two-strangers", sealed(signed(signers=[MALLORY, ("mallory", "mallory")])), "two signers, neither is the sender", ["AS-63", "AS-64"],
           reason="sender-mismatch")
    vector("sig-bad-of-sender", sealed(detached(content, merge(sign(content, signers=[MALLORY]), sign(content + b"x", signers=[ALICE])))),
           "a good signature of a stranger beside a bad one of the sender", ["AS-63", "AS-64"], reason="sender-mismatch")
    vector("sig-none", sealed(detached(content, nobody())), "a SignedData without signers", ["AS-63"], reason="not-signed")


def merge(one, two):
    """One SignedData with the signers and certificates of both."""
    a, b = parts(one), parts(two)
    for field in ("digests", "certificates", "signers"):
        setattr(a, field, sorted({*getattr(a, field), *getattr(b, field)}))
    return rebuild(a)


def nobody():
    return rebuild(Signed(integer(1), [], seq(oid(DATA)), [], []))


def forms():
    content, large = wrap(), wrap(LARGE)
    vector("sig-opaque", sealed(opaque(sign(content, options=["-nodetach"]))), "opaque", ["AS-46"])
    vector("sig-opaque-stream", sealed(opaque(sign(large, options=["-nodetach", "-stream"]))), "opaque in chunks of BER", ["AS-46", "CP-1"], inner=LARGE)
    vector("sig-detached-stream", sealed(detached(content, sign(content, options=["-stream"]))), "detached in BER", ["CP-1"])
    vector("sig-smime-program", sealed(detached(content, sign(content, by="smime"))), "by openssl smime, which is PKCS #7", ["AS-45"])
    vector("sig-opaque-smime-program", sealed(opaque(sign(content, by="smime", options=["-nodetach"]))), "the same, opaque", ["AS-46"])
    bare = crlf("Content-Type: text/plain; charset=us-ascii\n\nPatient record of a vector.\n")
    body = bare.split(b"\r\n\r\n", 1)[1]
    by_profile("sig-unwrapped", sealed(signed(content=bare)), "unwrapped", ["S10-2", "AS-42", "AS-43"], "ok", "not-wrapped", inner=body)
    vector("sig-unwrapped-allowed", "sig-unwrapped-v12", "unwrapped under 1.3, where the receiver takes it", ["S10-2", "AS-43"], inner=body, profile="1.3",
           accept_unwrapped=True)
    vector("sig-unwrapped-opaque", sealed(opaque(sign(bare, options=["-nodetach"]))), "unwrapped and opaque", ["AS-43", "AS-46"], inner=body,
           profile="1.2")


def make():
    algorithms()
    signers()
    forms()
