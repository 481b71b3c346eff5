"""How messages are encrypted."""

from kit import BOB, key, vector
from message import LARGE, OUTER, encrypt, outer, sealed, signed

S10 = "S10-6"


def rsa():
    vector("enc-aes256-cbc", sealed(), "AES-256-CBC, RSA v1.5: the usual message", ["S10-1", S10, "AS-32", "AS-33", "AS-44"])
    vector("enc-aes192-cbc", sealed(cipher="aes-192-cbc"), "AES-192-CBC", ["AS-32"])
    vector("enc-aes128-cbc", sealed(cipher="aes-128-cbc"), "AES-128-CBC", [S10, "AS-32"])
    large = signed(LARGE)
    vector("enc-large", sealed(large), "a message of 45 KiB, DER", ["CP-24"], inner=LARGE)
    vector("enc-ber-stream", sealed(options=["-stream"]), "EnvelopedData in BER of indefinite length", ["CP-1"])
    vector("enc-ber-stream-large", sealed(large, options=["-stream"]), "the same in chunks", ["CP-1", "CP-24"], inner=LARGE)
    vector("enc-smime-program", outer(encrypt(signed(), cipher="aes256", by="smime")), "by openssl smime, which is PKCS #7", ["AS-32"])
    vector("enc-smime-program-stream", outer(encrypt(large, cipher="aes256", by="smime", options=["-stream"])),
           "by openssl smime in chunks of BER", ["CP-1"], inner=LARGE)
    vector("enc-3des", sealed(cipher="des3"), "Triple DES", ["AS-32", "AS-37"], reason="unsupported-algorithm")
    vector("enc-rc2", sealed(cipher="rc2-128", options=["-provider", "legacy", "-provider", "default"]),
           "RC2", ["AS-32", "AS-37"], reason="unsupported-algorithm")
    vector("enc-camellia", sealed(cipher="camellia-256-cbc"), "Camellia, a cipher that S/MIME has no use for", ["AS-37"],
           reason="unsupported-algorithm")
    vector("enc-oaep-sha1", sealed(to=[("bob", "rsa_padding_mode:oaep")]), "RSA-OAEP with SHA-1, the default of its parameters",
           [S10, "AS-33", "CP-7"])
    for h in ("sha256", "sha384", "sha512"):
        vector(f"enc-oaep-{h}", sealed(to=[("bob", "rsa_padding_mode:oaep", f"rsa_oaep_md:{h}")]), f"RSA-OAEP with {h}", [S10, "AS-33", "CP-7"])
    vector("enc-oaep-mgf1-sha1", sealed(to=[("bob", "rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha1")]),
           "RSA-OAEP with SHA-256 and MGF1 with SHA-1", ["AS-33", "CP-7"])
    vector("enc-rsa4096", sealed(to=["bob-second"]), "to a key of 4096 bits", ["AS-34"], keys=[key("bob-second", "bob-4096")])


def recipients():
    vector("enc-second-of-two", sealed(to=["carol", "bob"]), "two recipients, ours is the second", ["AS-78"])
    vector("enc-two-of-ours", sealed(to=["bob-second", "bob"]), "two certificates of ours, of which we hold one key", ["AS-78", "AS-79"])
    vector("enc-key-of-several", sealed(to=["bob"]), "one certificate of ours, of which we hold several keys", ["AS-78"],
           keys=[key("bob-second", "bob-4096"), BOB])
    vector("enc-keyid", sealed(options=["-keyid"]), "the recipient by subjectKeyIdentifier", ["AS-78"])
    vector("enc-beside-ec", sealed(to=["bob-p256", "bob"]), "an EC recipient before ours", ["AS-78"])
    vector("enc-beside-password", sealed(options=["-pwri_password", "TEST-ONLY"]), "a password recipient beside ours", ["AS-78"])
    vector("enc-beside-kek", sealed(options=["-secretkey", "00112233445566778899AABBCCDDEEFF", "-secretkeyid", "0123"]),
           "a key-encryption-key recipient beside ours", ["AS-78"])
    vector("enc-password-only", sealed(to=[], options=["-pwri_password", "TEST-ONLY"]), "a password recipient alone", ["AS-78"],
           reason="undecryptable")
    vector("enc-for-another", sealed(to=["carol"]), "to somebody else alone", ["AS-62", "AS-78"], reason="undecryptable")
    vector("enc-no-key", "enc-aes256-cbc", "a message to us whose key we do not have", ["AS-62"], reason="undecryptable", keys=[])


def agreement():
    for curve in ("p256", "p384", "p521"):
        vector(f"enc-ecdh-{curve}", sealed(to=[f"bob-{curve}"]), f"ECDH {curve.upper()}, the KDF with SHA-1, as OpenSSL does by default",
               ["AS-36"], keys=[key(f"bob-{curve}")])
    for h in ("sha224", "sha256", "sha384", "sha512"):
        vector(f"enc-ecdh-kdf-{h}", sealed(to=[("bob-p256", f"ecdh_kdf_md:{h}")]), f"ECDH P-256, the KDF with {h}", ["AS-36"],
               keys=[key("bob-p256")])
    vector("enc-ecdh-cofactor", sealed(to=[("bob-p256", "ecdh_cofactor_mode:1", "ecdh_kdf_md:sha256")]), "ECDH with cofactor", ["AS-36"],
           keys=[key("bob-p256")])
    for size in ("128", "192", "256"):
        vector(f"enc-ecdh-aes{size}", sealed(to=[("bob-p384", "ecdh_kdf_md:sha384")], cipher=f"aes-{size}-cbc"),
               f"ECDH P-384 and AES-{size}, whose size is the key wrap's as well", ["AS-36"], keys=[key("bob-p384")])
    vector("enc-ecdh-keyid", sealed(to=["bob-p256"], options=["-keyid"]), "ECDH, the recipient by subjectKeyIdentifier", ["AS-36"],
           keys=[key("bob-p256")])
    vector("enc-ecdh-and-rsa", "enc-beside-ec", "RSA and EC recipients, ours is the EC one", ["AS-36", "AS-78"], keys=[key("bob-p256")])
    vector("enc-ecdh-two", sealed(to=["bob-p384", "bob-p256"]), "two EC recipients, ours is the second", ["AS-36", "AS-78"],
           keys=[key("bob-p256")])
    vector("enc-ecdh-stream", sealed(to=["bob-p256"], options=["-stream"]), "ECDH in BER", ["AS-36", "CP-1"], keys=[key("bob-p256")])
    vector("enc-ecdh-for-another", sealed(to=["bob-p384"]), "ECDH to a key that we do not have", ["AS-36"], keys=[key("bob-p256")],
           reason="undecryptable")


def authenticated():
    for size in ("128", "192", "256"):
        vector(f"enc-gcm-aes{size}", sealed(cipher=f"aes-{size}-gcm"), f"AuthEnvelopedData, AES-{size}-GCM", [S10, "AS-32"])
    vector("enc-gcm-stream", sealed(signed(LARGE), cipher="aes-256-gcm", options=["-stream"]), "AES-256-GCM in chunks of BER",
           ["AS-32", "CP-1"], inner=LARGE)
    vector("enc-gcm-oaep", sealed(to=[("bob", "rsa_padding_mode:oaep", "rsa_oaep_md:sha256")], cipher="aes-256-gcm"),
           "AES-256-GCM with RSA-OAEP", [S10, "AS-32", "AS-33"])
    vector("enc-gcm-ecdh", sealed(to=["bob-p256"], cipher="aes-256-gcm"), "AES-256-GCM with ECDH P-256", ["AS-32", "AS-36"],
           keys=[key("bob-p256")])
    vector("enc-gcm-named-enveloped", sealed(cipher="aes-256-gcm", media='application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'),
           "AuthEnvelopedData that is announced as enveloped-data", ["AS-32", "CP-4"])
    vector("enc-gcm-unnamed", sealed(cipher="aes-256-gcm", media="application/pkcs7-mime"), "AuthEnvelopedData without smime-type",
           ["AS-32", "CP-4"])


def make():
    rsa()
    recipients()
    agreement()
    authenticated()
