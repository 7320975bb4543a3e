"""The arithmetic of tamper evidence: leaves and chains of one stream. No I/O."""

import hashlib
from typing import Final

FIRST_HEAD: Final = bytes(32)
"""The head of a stream that has no record yet."""
_LEAF_PREFIX: Final = b"\x00"


def leaf_hash(body: bytes) -> bytes:
    """The leaf of a record's bytes: SHA-256 of a zero byte and the bytes (RFC 6962 section 2.1)."""
    return hashlib.sha256(_LEAF_PREFIX + body).digest()


def next_head(head: bytes, leaf: bytes) -> bytes:
    """The chain's head after one more leaf: SHA-256 of the head before it and the leaf."""
    return hashlib.sha256(head + leaf).digest()
