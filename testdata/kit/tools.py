"""Where things are, and how OpenSSL is asked."""

import base64
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KIT = HERE.parent / "cms"
PKI = KIT / "pki"
NETWORK = KIT / "network"
VECTORS = KIT / "vectors"

WORK = pathlib.Path(tempfile.mkdtemp(prefix="kit-"))
os.environ["KIT_WORK"] = str(WORK)


def run(*args, stdin=b""):
    """Runs a program and returns what it wrote; its failure ends everything."""
    done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(a) for a in args)}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def openssl(*args, stdin=b""):
    return run("openssl", *args, stdin=stdin)


def scratch(name, data=b""):
    """A file for the time of the run."""
    path = WORK / name
    path.write_bytes(data)
    return path


def cert(name):
    return PKI / f"{name}.pem"


def key(name):
    return PKI / f"{name}.key"


def cert_der(name):
    return openssl("x509", "-in", cert(name), "-outform", "DER")


def cert_der_raw(name):
    """The same without looking into it: it may be broken."""
    text = cert(name).read_text()
    return base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-")))
