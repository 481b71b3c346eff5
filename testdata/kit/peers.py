"""The other makers: BouncyCastle through Peer.java, and gpgsm."""

import subprocess

from kit import by_profile, key, vector
from message import AUTH, LARGE, detached, inner, opaque, outer, sealed, signed, wrap
from tools import HERE, WORK, cert, openssl, scratch
from tools import key as key_file

JARS = ":".join(f"/usr/share/java/{jar}.jar" for jar in ("bcprov", "bcpkix", "bcutil"))

_java = None


def java(*words):
    """Has Peer.java do a job, and returns what it wrote."""
    global _java
    if _java is None:
        _java = subprocess.Popen(["java", "-cp", JARS, HERE / "Peer.java"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
    result = WORK / "java.out"
    print(words[0], result, *words[1:], sep="\t", file=_java.stdin, flush=True)
    answer = _java.stdout.readline().strip()
    if answer != "ok":
        raise SystemExit(f"Peer.java: {' '.join(map(str, words))}: {answer}")
    return result.read_bytes()


def envelope(entity, cipher, how, *to):
    return java("envelope", scratch("java.in", entity), cipher, how, *to)


def java_sign(content, algorithm, name, private, how, *chain):
    return java("sign", scratch("java.in", content), algorithm, cert(name), key_file(private), how, *[cert(c) for c in chain])


def to(kind, name, *rest):
    return ":".join([kind, str(cert(name)), *rest])


def bouncy_envelopes():
    def env(id, shows, rows, *recipients, cipher="AES256_CBC", how="plain", message=None, **expect):
        entity = signed(message) if message else signed()
        der = envelope(entity, cipher, how, *recipients)
        form = {"media": AUTH} if cipher.endswith("GCM") else {}
        expect.setdefault("inner", message or inner())
        vector(f"bc-{id}", outer(der, **form), shows, rows, maker="bouncycastle", **expect)

    rsa = to("rsa", "bob")
    for size in ("128", "192", "256"):
        env(f"aes{size}-cbc", f"AES-{size}-CBC", ["AS-32"], rsa, cipher=f"AES{size}_CBC")
        env(f"aes{size}-gcm", f"AES-{size}-GCM", ["AS-32"], rsa, cipher=f"AES{size}_GCM")
    env("stream", "BER of indefinite length in chunks", ["CP-1"], rsa, how="stream", message=LARGE)
    env("two", "two recipients", ["AS-78"], to("rsa", "carol"), rsa)
    env("keyid", "the recipient by subjectKeyIdentifier", ["AS-78"], to("keyid", "bob"))
    for h in ("SHA-1", "SHA-256", "SHA-384", "SHA-512"):
        for m in sorted({h, "SHA-1", "SHA-256"}):
            name = f"oaep-{h}-mgf1-{m}".lower().replace("sha-", "sha")
            env(name, f"RSA-OAEP with {h}, MGF1 with {m}", ["AS-33", "CP-7"], to("oaep", "bob", h, m))
    env("beside-kek", "a key-encryption-key recipient beside ours", ["AS-78"], "kek", rsa)
    env("beside-password", "a password recipient beside ours", ["AS-78"], "password", rsa)
    env("originator", "OriginatorInfo with a certificate", ["AS-78"], rsa, how="originator")
    env("unprotected", "unprotected attributes", ["AS-78"], rsa, how="attributes")
    env("gcm-attributes", "AES-256-GCM with authenticated and unauthenticated attributes", ["AS-32"], rsa, cipher="AES256_GCM", how="attributes")
    env("gcm-attributes-large", "the same over 45 KiB", ["AS-32", "CP-24"], rsa, cipher="AES128_GCM", how="attributes", message=LARGE)
    env("gcm-oaep", "AES-256-GCM with RSA-OAEP", ["AS-32", "AS-33"], to("oaep", "bob", "SHA-256", "SHA-256"), cipher="AES256_GCM")
    env("3des", "Triple DES", ["AS-32"], rsa, cipher="DES_EDE3_CBC", reason="unsupported-algorithm")
    ec = dict(keys=[key("bob-p256")])
    for h in ("SHA1", "SHA224", "SHA256", "SHA384", "SHA512"):
        env(f"ecdh-{h.lower()}", f"ECDH P-256, the KDF with {h}", ["AS-36"], to("ecdh", "bob-p256", f"ECDH_{h}KDF", "AES128_WRAP"), **ec)
    env("eccdh-sha256", "ECDH with cofactor, P-256", ["AS-36"], to("ecdh", "bob-p256", "ECCDH_SHA256KDF", "AES256_WRAP"), **ec)
    env("ecdh-wrap192", "ECDH P-256 with AES-192 for the wrap", ["AS-36"], to("ecdh", "bob-p256", "ECDH_SHA256KDF", "AES192_WRAP"), **ec)
    env("ecdh-ukm", "ECDH P-256 with keying material of the user's", ["AS-36"], to("ecdh", "bob-p256", "ECDH_SHA256KDF", "AES256_WRAP", "0123456789"), **ec)
    env("ecdh-keyid", "ECDH, the recipient by subjectKeyIdentifier", ["AS-36"], to("ecdhkeyid", "bob-p256", "ECDH_SHA256KDF", "AES256_WRAP"), **ec)
    env("ecdh-p384", "ECDH P-384", ["AS-36"], to("ecdh", "bob-p384", "ECDH_SHA384KDF", "AES256_WRAP"), keys=[key("bob-p384")])
    env("ecdh-p521", "ECDH P-521", ["AS-36"], to("ecdh", "bob-p521", "ECDH_SHA512KDF", "AES256_WRAP"), keys=[key("bob-p521")])
    env("ecdh-gcm", "ECDH P-256 with AES-256-GCM", ["AS-32", "AS-36"], to("ecdh", "bob-p256", "ECDH_SHA256KDF", "AES256_WRAP"), cipher="AES256_GCM", **ec)
    env("ecdh-3des-wrap", "ECDH with Triple DES for the wrap", ["AS-36", "AS-37"], to("ecdh", "bob-p256", "ECDH_SHA1KDF", "DES_EDE3_WRAP"),
        reason="unsupported-algorithm", **ec)
    env("ecdh-and-rsa", "ECDH and RSA recipients, ours is the RSA one", ["AS-36", "AS-78"], to("ecdh", "bob-p384", "ECDH_SHA384KDF", "AES256_WRAP"), rsa)


def bouncy_signatures():
    content = wrap()

    def sig(id, shows, rows, algorithm="SHA256withRSA", who=("alice-domain", "alice"), how="detached", micalg="micalg=sha-256", **expect):
        der = java_sign(content, algorithm, *who, how, "inter")
        entity = opaque(der) if how in ("opaque", "stream") else detached(content, der, micalg=micalg)
        vector(f"bc-sig-{id}", sealed(entity), shows, rows, maker="bouncycastle", **expect)

    for h in ("256", "384", "512"):
        sig(f"rsa-sha{h}", f"RSA with SHA-{h}", ["AS-30"], f"SHA{h}withRSA", micalg=f"micalg=sha{h}")
        sig(f"pss-sha{h}", f"RSA-PSS with SHA-{h}", ["AS-35"], f"SHA{h}withRSAandMGF1", micalg=f"micalg=sha{h}")
    sig("ecdsa-p256", "ECDSA P-256", ["AS-35"], "SHA256withECDSA", ("p256", "p256"))
    sig("ecdsa-p384", "ECDSA P-384", ["AS-35"], "SHA384withECDSA", ("p384", "p384"), micalg="micalg=sha384")
    sig("keyid", "the signer by subjectKeyIdentifier", ["AS-49"], how="keyid")
    sig("direct", "no signed attributes", ["AS-49"], how="direct", reason="bad-signature")
    sig("opaque", "opaque", ["AS-46", "CP-1"], how="opaque")
    sig("opaque-stream", "opaque in BER of indefinite length", ["AS-46", "CP-1"], how="stream")
    der = java_sign(content, "SHA1withRSA", "alice-domain", "alice", "detached", "inter")
    by_profile("bc-sig-sha1", sealed(detached(content, der, micalg="micalg=sha1")), "SHA-1", ["AS-31"], "ok", "weak-algorithm", maker="bouncycastle")


def compressed():
    def compress(entity):
        return java("compress", scratch("java.in", entity))

    media = 'application/pkcs7-mime; smime-type=compressed-data; name="smime.p7z"'
    vector("comp-inside", sealed(opaque(compress(signed()), media=media)), "compressed inside of the envelope", ["AS-59"], maker="bouncycastle",
           reason="unsupported-algorithm")
    vector("comp-inside-unnamed", sealed(opaque(compress(signed()), media="application/pkcs7-mime")), "the same without smime-type", ["AS-59"],
           maker="bouncycastle", reason="unsupported-algorithm")
    vector("comp-signed", sealed(signed(content=opaque(compress(wrap()), media=media))), "compressed, then signed", ["AS-59"], maker="bouncycastle",
           reason="unsupported-algorithm")
    vector("comp-outside", outer(compress(sealed()), media=media), "compressed around everything", ["AS-59"], maker="bouncycastle",
           reason="unsupported-algorithm")


def gpg():
    """The messages of gpgsm, which writes chunked BER and takes RSA alone."""
    home = WORK / "gnupg"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("allow-loopback-pinentry\n")

    def fingerprint(name):
        return openssl("x509", "-in", cert(name), "-noout", "-fingerprint", "-sha1").decode().strip().split("=")[1]

    (home / "trustlist.txt").write_text(f"{fingerprint('root')} S relax\n")

    def gpgsm(*args):
        # An empty line on standard input is the passphrase of all keys.
        done = subprocess.run(
            ["gpgsm", "--homedir", home, "--batch", "--yes", "--disable-crl-checks", "--disable-policy-checks", "--pinentry-mode", "loopback",
             "--passphrase-fd", "0", *args], input=b"\n", capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"gpgsm {args}: {done.stderr.decode()}")

    def written(*args):
        result = WORK / "gpgsm.out"
        gpgsm("--output", result, *args)
        return result.read_bytes()

    for name, private in (("alice-domain", "alice"), ("bob", "bob")):
        openssl("pkcs12", "-export", "-legacy", "-inkey", key_file(private), "-in", cert(name), "-passout", "pass:", "-out", WORK / "key.p12")
        gpgsm("--import", WORK / "key.p12")
    for name in ("root", "inter"):
        gpgsm("--import", cert(name))
    try:
        small, large = wrap(), wrap(LARGE)
        for size in ("128", "192", "256"):
            der = written("--cipher-algo", f"AES{size}" if size != "128" else "AES", "--recipient", fingerprint("bob").replace(":", ""), "--encrypt",
                          scratch("plain", signed()))
            vector(f"gpgsm-aes{size}", outer(der), f"AES-{size}-CBC", ["AS-32", "CP-1"], maker="gpgsm")
        der = written("--cipher-algo", "AES256", "--recipient", fingerprint("bob").replace(":", ""), "--encrypt", scratch("plain", signed(LARGE)))
        vector("gpgsm-large", outer(der), "45 KiB in chunks of BER", ["CP-1"], maker="gpgsm", inner=LARGE)
        sign = ["--include-certs", "-1", "--local-user", fingerprint("alice-domain").replace(":", "")]
        for h in ("256", "384", "512"):
            der = written(*sign, "--digest-algo", f"SHA{h}", "--detach-sign", scratch("plain", small))
            vector(f"gpgsm-sig-sha{h}", sealed(detached(small, der, micalg=f"micalg=sha{h}")), f"RSA with SHA-{h}", ["AS-30", "CP-1"], maker="gpgsm")
        der = written(*sign, "--digest-algo", "SHA256", "--sign", scratch("plain", large))
        vector("gpgsm-sig-opaque", sealed(opaque(der)), "opaque in chunks of BER", ["AS-46", "CP-1"], maker="gpgsm", inner=LARGE)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"])


def make():
    bouncy_envelopes()
    bouncy_signatures()
    compressed()
    gpg()
    _java.stdin.close()
    _java.wait()
