"""Sealing and pseudonyms under the service's key: one key for each purpose. The one room that holds key material."""

import base64
import binascii
import hashlib
import hmac
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from acrux.decisionlog.errors import NotOpened, ServiceKeyInvalid
from acrux.domain.facts import Json

KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEADER_BYTES: Final = _KEY_ID_BYTES + _NONCE_BYTES
_MAX_CACHED_SEALERS: Final = 1024
_MAX_CACHED_PSEUDONYMS: Final = 8192


def load_or_create_service_key(path: Path) -> tuple[bytes, ...]:
    """The service's keys, the present one first; the file is made (mode 0600) where it is missing.

    The file holds one key a line, 32 random bytes as base64. The first seals, all of them open: to rotate, put a new
    line at the top. Empty lines and lines that begin with `#` are skipped. Two that make the same file at the same
    moment end up with the same key.

    Raises:
        ServiceKeyInvalid: the file can't be read or made, or a line is no key.
    """
    try:
        if not path.exists():
            _create(path)
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as reason:
        raise ServiceKeyInvalid(f"`{path}`: {reason}") from reason
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(_parse_key(path, line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ServiceKeyInvalid(f"`{path}`: holds no key")
    return keys


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A crash here leaves a stray temporary file, never half a key: the link appears at once and only where none was.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".service-key-") as new:
        new.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        new.flush()
        os.fsync(new.fileno())
        try:
            os.link(new.name, path)
        except FileExistsError:
            return


def _parse_key(path: Path, line: str) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except binascii.Error as reason:
        raise ServiceKeyInvalid(f"`{path}`: a line is not base64: {reason}") from reason
    if len(key) != KEY_BYTES:
        raise ServiceKeyInvalid(f"`{path}`: a key has {len(key)} bytes instead of {KEY_BYTES}")
    return key


class Sealer:
    """AES-256-GCM for one purpose: seals under the present key, opens under the present and the old ones.

    A sealed value is the key's id (4 bytes), a random nonce (12 bytes) and the ciphertext with its tag. Random nonces
    allow 2**32 values for each key, which is why each stream of records has a key of its own.
    """

    __slots__ = ("_ciphers", "_key_id", "_seal")

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in reversed(keys)}
        self._key_id = _key_id(keys[0])
        self._seal = self._ciphers[self._key_id].encrypt

    def seal(self, plaintext: bytes, bound_to: bytes) -> bytes:
        """The plaintext sealed; it opens only together with the same `bound_to`."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._key_id + nonce + self._seal(nonce, plaintext, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """The plaintext of `seal`.

        Raises:
            NotOpened: it was changed, bound to something else, or its key is not at hand.
        """
        cipher = self._ciphers.get(sealed[:_KEY_ID_BYTES])
        if cipher is None or len(sealed) < _HEADER_BYTES:
            raise NotOpened("sealed under a key that is not at hand")
        try:
            return cipher.decrypt(sealed[_KEY_ID_BYTES:_HEADER_BYTES], sealed[_HEADER_BYTES:], bound_to)
        except InvalidTag:
            raise NotOpened("changed, or bound to something else") from None

    def seal_json(self, value: Mapping[str, object], bound_to: str) -> str:
        """A JSON object sealed, as base64 text.

        Raises:
            TypeError: a value is no JSON.
        """
        plaintext = orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)
        return binascii.b2a_base64(self.seal(plaintext, bound_to.encode()), newline=False).decode()

    def open_json(self, sealed: str, bound_to: str) -> dict[str, Json]:
        """The inverse of `seal_json`.

        Raises:
            NotOpened: see `open`; also if the text is not base64.
        """
        try:
            data = binascii.a2b_base64(sealed, strict_mode=True)
        except (binascii.Error, ValueError):
            raise NotOpened("not base64") from None
        opened: dict[str, Json] = orjson.loads(self.open(data, bound_to.encode()))
        return opened


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"acrux key id" + key).digest()[:_KEY_ID_BYTES]


class Keyring:
    """Keys for every purpose, derived from the service's key with HKDF-SHA-256 (RFC 5869).

    Args:
        service_key: the present key, 32 bytes.
        old_keys: earlier ones, which open and look up but never seal.
    """

    __slots__ = ("_pseudonym_keys", "_pseudonyms", "_sealers", "_service_keys")

    def __init__(self, service_key: bytes, old_keys: tuple[bytes, ...] = ()) -> None:
        self._service_keys = (service_key, *old_keys)
        self._sealers: dict[str, Sealer] = {}
        self._pseudonym_keys = self.derive("pseudonyms")
        self._pseudonyms: dict[str, str] = {}

    @classmethod
    def load_or_create(cls, path: Path) -> "Keyring":
        """The keyring of a service key's file (see `load_or_create_service_key`)."""
        present, *old = load_or_create_service_key(path)
        return cls(present, tuple(old))

    def derive(self, purpose: str) -> tuple[bytes, ...]:
        """32 bytes for a purpose from each service key, the present one first: for tickets, cursors and the like."""
        return tuple(
            HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"acrux/" + purpose.encode()).derive(key)
            for key in self._service_keys
        )

    def sealer(self, purpose: str) -> Sealer:
        """The sealer of a purpose; made once and kept."""
        found = self._sealers.get(purpose)
        if found is None:
            if len(self._sealers) >= _MAX_CACHED_SEALERS:
                self._sealers.clear()
            found = self._sealers[purpose] = Sealer(self.derive(purpose))
        return found

    def records(self, stream: str) -> Sealer:
        """The sealer of one stream's records."""
        return self.sealer(f"records/{stream}")

    def pseudonym(self, value: str) -> str:
        """An HMAC of a value under the present key, 64 hexadecimal digits: equal values can be found, not read."""
        # Remembered, since the same people log in again and again: names, which the process sees in clear anyway.
        found = self._pseudonyms.get(value)
        if found is None:
            if len(self._pseudonyms) >= _MAX_CACHED_PSEUDONYMS:
                self._pseudonyms.clear()
            found = self._pseudonyms[value] = hmac.digest(self._pseudonym_keys[0], value.encode(), "sha256").hex()
        return found

    def pseudonyms(self, value: str) -> tuple[str, ...]:
        """The HMACs of a value under every key, the present one first: what to look for after a rotation."""
        return tuple(hmac.digest(key, value.encode(), "sha256").hex() for key in self._pseudonym_keys)
