"""Cursors: where the next page of a listing begins, sealed, so that they say nothing and can't be made up. No I/O."""

import base64
import binascii
import struct
import uuid
from typing import Final

from acrux.decisionlog.errors import CursorInvalid, NotOpened
from acrux.decisionlog.sealing import Sealer
from acrux.storage.records import Key

PURPOSE: Final = "cursors"
_LAYOUT: Final = struct.Struct(">qq16s")


def seal_cursor(sealer: Sealer, key: Key, filters_digest: bytes) -> str:
    """The cursor of the page after a record, for a listing with these filters."""
    packed = _LAYOUT.pack(key.at_us, key.sequence, uuid.UUID(key.stream).bytes)
    return base64.urlsafe_b64encode(sealer.seal(packed, filters_digest)).rstrip(b"=").decode()


def open_cursor(sealer: Sealer, cursor: str, filters_digest: bytes) -> Key:
    """The inverse of `seal_cursor`.

    Raises:
        CursorInvalid: this service did not make it, or made it for other filters.
    """
    try:
        sealed = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at_us, sequence, stream = _LAYOUT.unpack(sealer.open(sealed, filters_digest))
    except (NotOpened, binascii.Error, UnicodeEncodeError, struct.error):
        raise CursorInvalid("not a cursor of this listing") from None
    return Key(at_us, str(uuid.UUID(bytes=stream)), sequence)
