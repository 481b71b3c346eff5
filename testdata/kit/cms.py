"""CMS taken apart and put together, for what no program would write."""

from dataclasses import dataclass

from der import NULL, SET, context, inside, integer, octets, oid, seq, set_of, tlv
from tools import cert_der, key, openssl

DATA, SIGNED, ENVELOPED = (f"1.2.840.113549.1.7.{n}" for n in (1, 2, 3))
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"


@dataclass
class Signed:
    """The fields of a SignedData (RFC 5652 §5.1), encoded."""

    version: bytes
    digests: list
    content: bytes
    certificates: list
    signers: list


def parts(der):
    """Takes a SignedData in DER apart."""
    fields = inside(inside(inside(der)[1])[0])
    certificates = inside(fields[3]) if fields[3][0] == 0xA0 else []
    return Signed(fields[0], inside(fields[1]), fields[2], certificates, inside(fields[-1]))


def rebuild(s, sort=True):
    """Puts it together again, the certificates in the order of DER or as they are."""
    certificates = [context(0, *(sorted(s.certificates) if sort else s.certificates))] if s.certificates else []
    return seq(oid(SIGNED), context(0, seq(s.version, set_of(*s.digests), s.content, *certificates, set_of(*s.signers))))


def attribute(kind, *values):
    return seq(oid(kind), tlv(SET, *values))


def digest(content, md="sha256"):
    return openssl("dgst", f"-{md}", "-binary", stdin=content)


def usual_attributes(content):
    return [attribute(CONTENT_TYPE, oid(DATA)), attribute(MESSAGE_DIGEST, octets(digest(content)))]


SHA256 = seq(oid("2.16.840.1.101.3.4.2.1"))
RSA = seq(oid("1.2.840.113549.1.1.1"), NULL)


def sign_attributes(attributes, over=None, sort=True, digest_algorithm=SHA256, signature_algorithm=RSA, signer="alice-domain",
                    private="alice", md="sha256", unsigned=b"", content_type=DATA, content=None):
    """A SignedData with one signer over just these attributes. Over is what is
    signed in their place."""
    if sort:
        attributes = sorted(attributes)
    value = openssl("dgst", f"-{md}", "-sign", key(private), stdin=tlv(SET, *attributes) if over is None else over)
    tbs = inside(inside(cert_der(signer))[0])
    sid = seq(tbs[3], tbs[1])
    info = seq(integer(1), sid, digest_algorithm, *([context(0, *attributes)] if attributes else []), signature_algorithm,
               octets(value), unsigned)
    inner = [oid(content_type)] + ([context(0, octets(content))] if content is not None else [])
    return rebuild(Signed(integer(1), [digest_algorithm], seq(*inner), [cert_der(signer), cert_der("inter")], [info]))
