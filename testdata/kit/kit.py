"""The list of vectors, and its manifest."""

import hashlib
import json
import re

from message import INNER
from tools import KIT, VECTORS

TIME = "2027-01-01T12:00:00Z"

_all = []
_files = {}


def key(name, private=None):
    """A certificate that messages are encrypted to, with its private key."""
    return {"certificate": f"pki/{name}.pem", "key": f"pki/{private or name}.key"}


BOB = key("bob")


def vector(id, data, shows, rows, reason="ok", maker="openssl", profile="both", inner=INNER, mail_from="alice@a.example",
           rcpt_to=("bob@b.example",), envelope=True, recipients=None, keys=(BOB,), anchors=("root",), time=TIME,
           network=None, revocation="soft", signers="community", ev_roots=(), ev_policies=(), accept_unwrapped=False):
    """Adds a vector. Data is a message, or the id of another vector to use its file."""
    file = f"vectors/{id}.eml"
    if isinstance(data, str):
        file = next(v["file"] for v in _all if v["id"] == data)
    else:
        _files[file] = data
    v = {"id": id, "file": file, "shows": shows, "maker": maker, "rows": rows, "profile": profile}
    if envelope:
        v["envelope"] = {"mail_from": mail_from, "rcpt_to": list(rcpt_to)}
    v["recipients"] = list(recipients or rcpt_to)
    v["keys"] = list(keys)
    v["anchors"] = [f"pki/{a}.pem" for a in anchors]
    v["time"] = time
    v["policy"] = {"revocation": revocation, "signers": signers, "accept_unwrapped": accept_unwrapped}
    if signers != "community":
        v["policy"] |= {"ev_roots": [f"pki/{r}.pem" for r in ev_roots], "ev_policies": list(ev_policies)}
    v["network"] = {url: f"network/{f}" if f != "down" else "down" for url, f in (network or {}).items()}
    v["verdict"] = "accepted" if reason == "ok" else "refused"
    v["reason"] = reason
    if reason == "ok":
        v["inner_sha256"] = hashlib.sha256(inner).hexdigest()
    _all.append(v)


def by_profile(id, data, shows, rows, v12, v13, **how):
    """Two vectors on one file: what each profile makes of it."""
    vector(f"{id}-v12", data, shows + ", under 1.2", rows, reason=v12, profile="1.2", **how)
    file = id + "-v12" if isinstance(data, bytes) else data
    vector(f"{id}-v13", file, shows + ", under 1.3", rows, reason=v13, profile="1.3", **how)


def write(again):
    """Writes the messages and the manifest. Messages that are there are kept
    unless they are to be made again."""
    ids = [v["id"] for v in _all]
    for id in ids:
        if ids.count(id) > 1 or not re.fullmatch(r"[a-z0-9-]+", id):
            raise SystemExit(f"vector {id}: the id is there twice, or is none")
    VECTORS.mkdir(exist_ok=True)
    files = {v["file"] for v in _all}
    for old in VECTORS.glob("*"):
        if f"vectors/{old.name}" not in files:
            old.unlink()
    for file in sorted(files):
        if again or not (KIT / file).exists():
            (KIT / file).write_bytes(_files[file])
    text = json.dumps({"version": 1, "vectors": sorted(_all, key=lambda v: v["id"])}, indent=1)
    (KIT / "manifest.json").write_text(text + "\n")
    return len(_all)
