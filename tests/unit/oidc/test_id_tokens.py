"""ID tokens: only what the provider signed, with an algorithm that fits the key."""

import base64
import json
import warnings

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from acrux.domain.identifiers import ProviderName
from acrux.domain.profiles import PROFILES
from acrux.oidc.claims import InvalidToken, ReturnedClaims
from acrux.oidc.fetching import Fetcher
from acrux.oidc.id_tokens import MAX_ID_TOKEN_BYTES, Verifier
from acrux.oidc.jwks import KeyCache, KeysUnavailableError
from acrux.oidc.keys import ALGORITHMS, PublicKey, read_key_set
from acrux.policy.model import Provider

ISSUER = "https://login.example.com"
PROVIDER = Provider(ProviderName("corp"), ISSUER, PROFILES["generic"], {})
CLAIMS = {"iss": ISSUER, "sub": "u-1", "aud": "jira", "exp": 2, "iat": 1}
PRIVATE = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
STRANGER = rsa.generate_private_key(65537, 2048)


def private_for(algorithm: str):
    kind, curve = ALGORITHMS[algorithm]
    return PRIVATE[curve or kind]


def jwk_of(private, algorithm: str, **members):
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True)
    return {**public, **members}


def without(members, *names):
    return {name: value for name, value in members.items() if name not in names}


class Site:
    """A provider's documents, and how often they were fetched."""

    def __init__(self, *keys) -> None:
        self.keys = list(keys)
        self.fetched_count = 0
        self.is_down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("refused")
        if request.url.path == "/keys":
            self.fetched_count += 1
            return httpx.Response(200, json={"keys": self.keys})
        return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"})


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def verifier_of(site: Site, clock=None) -> Verifier:
    return Verifier(KeyCache(Fetcher(httpx.MockTransport(site)), clock or Clock()))


def signed(algorithm="RS256", kid="k1", key=None, claims=CLAIMS, **header):
    head = {"kid": kid, **header} if kid is not None else header
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weak keys are what some tests are about
        return jwt.encode(claims, key or private_for(algorithm), algorithm, headers=head)


def raw(header, payload=b"{}", signature=b"x"):
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (json.dumps(header).encode(), payload, signature)
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_algorithms(algorithm: str) -> None:
    """Each asymmetric algorithm verifies with a key of its type, with and without `kid`."""
    site = Site(jwk_of(private_for(algorithm), algorithm, kid="k1", use="sig"))
    verifier = verifier_of(site)
    for kid in ("k1", None):
        found = await verifier.verify(signed(algorithm, kid), PROVIDER)
        assert isinstance(found, ReturnedClaims)
        assert found.values == CLAIMS
        assert (found.issuer, found.subject, found.audience) == (ISSUER, "u-1", ("jira",))


RSA_JWK = jwk_of(PRIVATE["RSA"], "RS256", kid="k1")
HEAD, PAYLOAD, SIGNATURE = signed().split(".")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (jwt.encode(CLAIMS, "", "none", headers={"kid": "k1"}), "algorithm"),
        (jwt.encode(CLAIMS, "s" * 64, "HS256", headers={"kid": "k1"}), "algorithm"),
        (raw({"kid": "k1"}), "algorithm"),
        (raw({"alg": ["RS256"], "kid": "k1"}), "algorithm"),
        (raw({"alg": "rs256", "kid": "k1"}), "algorithm"),
        (raw({"alg": "ES256K", "kid": "k1"}), "algorithm"),
        (raw({"alg": "RS256", "kid": 5}), "malformed"),
        (raw({"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": True}), "critical"),
        (raw({"alg": "RS256", "kid": "k1", "crit": []}), "malformed"),
        (raw({"alg": "RS256", "kid": "k1", "b64": True}), "critical"),
        (raw({"alg": "RS256", "typ": "at+jwt"}), "no ID token"),
        (raw({"alg": "RS256", "typ": "application/logout+JWT"}), "no ID token"),
        (raw({"alg": "RS256", "typ": 5}), "no ID token"),
        (signed(key=STRANGER), "no key"),
        (signed(key=STRANGER, kid=None), "no key"),
        (signed(kid="k2"), "no key"),
        (f"{HEAD}.{PAYLOAD}.", "no key"),
        (f"{HEAD}.{PAYLOAD[:-2]}AA.{SIGNATURE}", "no key"),
        (f"{HEAD}.{PAYLOAD}", "malformed"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}.x", "malformed"),
        (f"{HEAD}.\n{PAYLOAD}.{SIGNATURE}", "malformed"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE}\n", "malformed"),
        (f" {HEAD}.{PAYLOAD}.{SIGNATURE}", "malformed"),
        (f"{HEAD}.{PAYLOAD}.{SIGNATURE[:9]}!{SIGNATURE[9:]}", "malformed"),
        ("", "malformed"),
        ("a.b.c", "malformed"),
        ("\ud800.b.c", "malformed"),
        ("x" * (MAX_ID_TOKEN_BYTES + 1), "too long"),
        (signed(claims={"sub": "u-1"}), "`iss`"),
    ],
)
async def test_refused(token: str, reason: str) -> None:
    """Whatever the provider did not sign as an ID token, in a form that is sure, is refused with a reason."""
    found = await verifier_of(Site(RSA_JWK)).verify(token, PROVIDER)
    assert isinstance(found, InvalidToken)
    assert reason in found.reason


async def test_public_key_is_no_shared_secret() -> None:
    """A token "signed" with the public key as an HMAC secret (RFC 8725 section 2.1) is refused."""
    import hmac  # noqa: PLC0415

    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=")
    payload = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).rstrip(b"=")
    mac = hmac.digest(json.dumps(RSA_JWK).encode(), header + b"." + payload, "sha256")
    token = b".".join((header, payload, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()
    assert isinstance(await verifier_of(Site(RSA_JWK)).verify(token, PROVIDER), InvalidToken)


@pytest.mark.parametrize(
    "jwk",
    [
        {**RSA_JWK, "use": "enc"},
        {**RSA_JWK, "alg": "RS512"},
        {**RSA_JWK, "key_ops": ["encrypt"]},
        {**RSA_JWK, "key_ops": "verify"},
        {**RSA_JWK, "n": "AA"},
        {**RSA_JWK, "n": 5},
        without(RSA_JWK, "e"),
        jwk_of(PRIVATE["P-256"], "ES256", kid="k1"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
        jwk_of(WEAK, "RS256", kid="k1"),
    ],
)
async def test_keys_that_do_not_fit(jwk) -> None:
    """A key of another use, algorithm, type or form, or a weak one, verifies nothing."""
    assert isinstance(await verifier_of(Site(jwk)).verify(signed(), PROVIDER), InvalidToken)


async def test_weak_key() -> None:
    """A signature that is right under a key of 1024 bits is refused."""
    token = signed(key=WEAK)
    assert isinstance(await verifier_of(Site(jwk_of(WEAK, "RS256", kid="k1"))).verify(token, PROVIDER), InvalidToken)


async def test_curve_must_fit() -> None:
    """ES256 with a key on P-384 is refused."""
    token = signed("ES384")
    header = {"alg": "ES256", "kid": "k1", "typ": "JWT"}
    forged = ".".join((raw(header).split(".")[0], *token.split(".")[1:]))
    site = Site(jwk_of(PRIVATE["P-384"], "ES384", kid="k1"))
    assert isinstance(await verifier_of(site).verify(forged, PROVIDER), InvalidToken)


async def test_payload_is_strict_json() -> None:
    """NaN is no JSON: it would compare false with every time."""
    for payload in (b'{"exp": NaN}', b"[]", b"{"):
        token = jwt.api_jws.encode(payload, PRIVATE["RSA"], "RS256", headers={"kid": "k1"})
        found = await verifier_of(Site(RSA_JWK)).verify(token, PROVIDER)
        assert isinstance(found, InvalidToken)


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(CLAIMS)[:-1] + ', "sub": "u-2"}',
        json.dumps(CLAIMS)[:-1] + r', "s\u0075b": "u-2"}',
        json.dumps(CLAIMS)[:-1] + ', "address": {"country": "DE", "country": "FR"}}',
    ],
)
async def test_claims_with_two_readings(payload: str) -> None:
    """A claim that is there twice (RFC 7519 section 4) makes a token `invalid`, however its name is written."""
    token = jwt.api_jws.encode(payload.encode(), PRIVATE["RSA"], "RS256", headers={"kid": "k1"})
    found = await verifier_of(Site(RSA_JWK)).verify(token, PROVIDER)
    assert isinstance(found, InvalidToken)
    assert "twice" in found.reason


async def test_a_header_with_two_readings() -> None:
    """The same goes for the header (RFC 7515 section 4), where a library may read `none`."""
    signed_part = (
        base64.urlsafe_b64encode(b'{"alg":"none","alg":"RS256","kid":"k1"}').rstrip(b"=") + b"." + PAYLOAD.encode()
    )
    signature = jwt.get_algorithm_by_name("RS256").sign(signed_part, PRIVATE["RSA"])
    token = (signed_part + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
    found = await verifier_of(Site(RSA_JWK)).verify(token, PROVIDER)
    assert found == InvalidToken("the ID token's header has a member twice")


async def test_several_keys_of_one_name() -> None:
    """Where two keys have one `kid`, or none is named, each that fits is tried."""
    other = jwk_of(STRANGER, "RS256", kid="k1")
    verifier = verifier_of(Site(other, {"kty": "RSA", "kid": "k1"}, RSA_JWK, "rubbish"))
    assert isinstance(await verifier.verify(signed(), PROVIDER), ReturnedClaims)
    assert isinstance(await verifier.verify(signed(kid=None), PROVIDER), ReturnedClaims)


async def test_rotation() -> None:
    """A key that the provider has taken into use since is found, and a bad token refetches at most once a minute.

    What was fetched for another reason does not count: keys that change right after the first login are found too.
    """
    site, clock = Site(RSA_JWK), Clock()
    verifier = verifier_of(site, clock)
    assert isinstance(await verifier.verify(signed(), PROVIDER), ReturnedClaims)
    site.keys.append(jwk_of(STRANGER, "RS256", kid="k2"))
    new = signed(kid="k2", key=STRANGER)
    assert isinstance(await verifier.verify(new, PROVIDER), ReturnedClaims)
    assert site.fetched_count == 2
    clock.seconds += 59
    for _ in range(5):
        assert isinstance(await verifier.verify(signed(kid="k9", key=STRANGER), PROVIDER), InvalidToken)
        assert isinstance(await verifier.verify(signed(kid="k1", key=STRANGER), PROVIDER), InvalidToken)
    assert site.fetched_count == 2


async def test_unknown_key_while_the_provider_is_away() -> None:
    """If nobody can say whether the key is the provider's, the token is neither good nor bad."""
    site, clock = Site(RSA_JWK), Clock()
    verifier = verifier_of(site, clock)
    await verifier.verify(signed(), PROVIDER)
    site.is_down = True
    clock.seconds += 61
    with pytest.raises(KeysUnavailableError, match="refused"):
        await verifier.verify(signed(kid="k2", key=STRANGER), PROVIDER)
    assert isinstance(await verifier.verify(signed(), PROVIDER), ReturnedClaims), "known keys go on"
    site.is_down = False
    site.keys.append(jwk_of(STRANGER, "RS256", kid="k2"))
    clock.seconds += 5
    assert isinstance(await verifier.verify(signed(kid="k2", key=STRANGER), PROVIDER), ReturnedClaims), "no minute"


def test_no_key_set() -> None:
    """A document without a list of keys is no key set; unknown types in it are passed over."""
    assert read_key_set({}) is None
    assert read_key_set({"keys": {}}) is None
    found = read_key_set({"keys": [{"kty": "oct"}, {"kty": "AKP"}, 5, {"kty": "RSA", "kid": 7}]})
    assert found is not None
    assert found.keys == (PublicKey(None, {"kty": "RSA", "kid": 7}),)


@pytest.mark.parametrize("kind", [["RSA"], {"a": 1}, None, 7, True])
def test_a_key_of_no_readable_kind_is_ignored(kind) -> None:
    """RFC 7517 section 5: what a provider writes there costs the other keys of its set nothing."""
    found = read_key_set({"keys": [{"kty": kind, "kid": "odd"}, {"kty": "RSA", "kid": "good"}]})
    assert found is not None
    assert [key.kid for key in found.keys] == ["good"]
