"""A provenance manifest in the manner of C2PA: a claim over the content's hash, signed, carried in the file's metadata.

It has the parts of a C2PA claim (Coalition for Content Provenance and Authenticity, Technical Specification 2.1, sections 10
and 13): generator, digital source type, hard binding by SHA-256. The signature is an HMAC over the claim, where C2PA requires
COSE with an X.509 certificate: what costs time here, hashing the content, is the same.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
# Drawn anew in each process: the signature costs what a real one costs, and vouches for nothing.
_KEY = secrets.token_bytes(32)


def manifest(content: bytes, *, title: str, key: bytes = _KEY) -> str:
    """The signed claim about ``content`` (the product's raw bytes before it is encoded) as one line of JSON."""
    claim = {
        "claim_generator": "aigc-bench",
        "title": title,
        "assertions": [
            {"label": "c2pa.actions", "action": "c2pa.created", "digitalSourceType": SOURCE_TYPE},
            {"label": "c2pa.hash.data", "alg": "sha256", "hash": hashlib.sha256(content).hexdigest()},
        ],
    }
    body = json.dumps(claim, sort_keys=True, separators=(",", ":"))
    return json.dumps({"claim": claim, "signature": hmac.new(key, body.encode(), "sha256").hexdigest()}, separators=(",", ":"))


def is_genuine(note: str, content: bytes, *, key: bytes = _KEY) -> bool:
    """Whether the note was signed with ``key`` and speaks of exactly this content."""
    try:
        made = json.loads(note)
        body = json.dumps(made["claim"], sort_keys=True, separators=(",", ":"))
        stated = made["claim"]["assertions"][1]["hash"]
    except (ValueError, KeyError, IndexError, TypeError):
        return False
    is_signed = hmac.compare_digest(hmac.new(key, body.encode(), "sha256").hexdigest(), str(made.get("signature")))
    return is_signed and stated == hashlib.sha256(content).hexdigest()
