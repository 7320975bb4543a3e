"""A provider's public keys, as values: which key may verify which algorithm. No fetching, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jwt

from acrux.domain.facts import Json

MAX_KEYS: Final = 100
"""A key set is cut here: no provider has that many, and a token without `kid` tries them in turn."""

# Algorithm -> key type and curve (RFC 7518 section 3.1, RFC 8037). Asymmetric ones only: with `none` or a shared
# secret everybody who can verify could also sign.
ALGORITHMS: Final[Mapping[str, tuple[str, str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
_KEY_TYPES: Final = ("RSA", "EC", "OKP")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a set, in its JWK form (RFC 7517)."""

    kid: str | None
    jwk: Mapping[str, Json]

    def fits(self, algorithm: str) -> bool:
        """Whether the key may verify this algorithm: by its type and curve, and by `use`, `alg` and `key_ops`."""
        key_type, curve = ALGORITHMS[algorithm]
        operations = self.jwk.get("key_ops", ["verify"])
        return (
            self.jwk.get("kty") == key_type
            and (curve is None or self.jwk.get("crv") == curve)
            and self.jwk.get("use", "sig") == "sig"
            and self.jwk.get("alg", algorithm) == algorithm
            and isinstance(operations, list)
            and "verify" in operations
        )

    def for_algorithm(self, algorithm: str) -> jwt.PyJWK | None:
        """The key, ready to verify; None if it is malformed."""
        try:
            return jwt.PyJWK(dict(self.jwk), algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys that a provider published."""

    keys: tuple[PublicKey, ...]

    def candidates(self, kid: str | None, algorithm: str) -> tuple[PublicKey, ...]:
        """The keys that may have signed a token with this header; any that fits where the token names none."""
        return tuple(key for key in self.keys if (kid is None or key.kid == kid) and key.fits(algorithm))

    def has(self, kid: str) -> bool:
        """Whether a key of that name is in the set, whatever it fits."""
        return any(key.kid == kid for key in self.keys)


def read_key_set(document: Mapping[str, Json]) -> KeySet | None:
    """The asymmetric keys of a JWKS document (RFC 7517 section 5: unknown ones are ignored); None if it is none."""
    rows = document.get("keys")
    if not isinstance(rows, list):
        return None
    keys = []
    for row in rows[:MAX_KEYS]:
        # Compared one by one: a provider may write anything there, a list too, which no set could be asked for.
        if isinstance(row, dict) and any(row.get("kty") == kind for kind in _KEY_TYPES):
            kid = row.get("kid")
            keys.append(PublicKey(kid if isinstance(kid, str) else None, row))
    return KeySet(tuple(keys))
