"""The body of Decide: strict, bounded, never coerced."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from acrux.domain.request import DecideRequest
from acrux.policy.request import (
    RequestInvalid,
    parse_request,
    request_from_json,
    request_json_schema,
    supposed_from_json,
)

FULL = {
    "client": {"id": "jira"},
    "app": {"id": "jira-mobile"},
    "network": {"ip": "198.51.100.9"},
    "user": {"id": "u-1029", "domain": "example.com", "groups": ["design"]},
    "device": {"managed": False, "platform": "ios", "user_agent": "Mozilla/5.0"},
    "browser": {"id": "Zk3"},
    "session": {"level": "basic", "age_seconds": 300},
    "request": {
        "acr_values": ["urn:example:loa:2"],
        "scopes": ["openid", "profile"],
        "prompt": "login",
        "max_age": 60,
        "claims": {"id_token": {"acr": {"essential": True, "values": ["a:b"]}}},
    },
    "attributes": {"risk_score": 12.5, "vip": True, "seats": 3, "tags": ["a", "b"], "note": ""},
    "nonce_sha256": "A" * 43,
    "correlation_id": "a7c1",
}


def errors_of(body):
    """The pointers and messages of a request that must be refused."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestInvalid) as caught:
        parse_request(content)
    return caught.value


def refused(body):
    return [(error.pointer, error.message) for error in errors_of(body).errors]


def test_every_field_arrives():
    """Each field of the body is a field of the request, lists as tuples."""
    assert parse_request(json.dumps(FULL).encode()) == DecideRequest(
        client_id="jira",
        app_id="jira-mobile",
        network_ip="198.51.100.9",
        user_id="u-1029",
        user_domain="example.com",
        user_groups=("design",),
        browser_id="Zk3",
        device_managed=False,
        device_platform="ios",
        device_user_agent="Mozilla/5.0",
        session_level="basic",
        session_age_seconds=300,
        acr_values=("urn:example:loa:2",),
        scopes=("openid", "profile"),
        prompt="login",
        max_age_seconds=60,
        claims=FULL["request"]["claims"],
        attributes=FULL["attributes"],
        nonce_sha256="A" * 43,
        correlation_id="a7c1",
    )


def test_client_may_be_just_the_name():
    """`client` is a name or an object with an id; nothing else is needed."""
    assert parse_request(b'{"client": "jira"}') == DecideRequest("jira")
    assert request_from_json({"client": {"id": "jira"}}) == DecideRequest("jira")


def test_a_whole_number_is_an_integer_however_it_is_written():
    """JSON knows one kind of number: `5.0` seconds are 5."""
    assert parse_request(b'{"client":"a","session":{"age_seconds":5.0}}').session_age_seconds == 5


def test_bytes_and_values_agree():
    """A parsed JSON value gives the request that its bytes give."""
    assert request_from_json(FULL) == parse_request(json.dumps(FULL).encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"client":"\xff"}', b'{"client":"\\ud800"}', b'{"client":"a"} x', b"[" * 2000],
)
def test_no_json_is_malformed(body):
    """What is no JSON is malformed, which callers answer with 400 instead of 422."""
    invalid = errors_of(body)
    assert invalid.malformed
    assert invalid.errors[0].pointer == ""


@pytest.mark.parametrize(
    ("body", "pointer", "message"),
    [
        ([], "", "expected an object"),
        ("jira", "", "expected an object"),
        ({}, "/client", "required"),
        ({"client": 1}, "/client", "expected an object"),
        ({"client": None}, "/client", "expected an object"),
        ({"client": ""}, "/client", "must not be empty"),
        ({"client": {}}, "/client/id", "required"),
        ({"client": {"id": "a", "x~/y": 1}}, "/client/x~0~1y", "unknown field"),
        ({"client": "a\n"}, "/client", "control characters are not allowed"),
        ({"client": "a\x7f"}, "/client", "control characters are not allowed"),
        ({"client": "a\x9f"}, "/client", "control characters are not allowed"),
        ({"client": "a" * 257}, "/client", "longer than 256 characters"),
        ({"client": "a", "zone": 1}, "/zone", "unknown field"),
        ({"client": "a", "app": None}, "/app", "expected an object"),
        ({"client": "a", "user": {"id": ""}}, "/user/id", "must not be empty"),
        ({"client": "a", "user": {"id": 5}}, "/user/id", "expected a string"),
        ({"client": "a", "user": {"groups": "x"}}, "/user/groups", "expected a list"),
        ({"client": "a", "user": {"groups": ["x"] * 201}}, "/user/groups", "more than 200 items"),
        ({"client": "a", "device": {"managed": "true"}}, "/device/managed", "expected true or false"),
        ({"client": "a", "device": {"managed": 1}}, "/device/managed", "expected true or false"),
        ({"client": "a", "device": {"user_agent": "x" * 1025}}, "/device/user_agent", "longer than 1024 characters"),
        ({"client": "a", "session": {"age_seconds": 1.5}}, "/session/age_seconds", "expected an integer"),
        ({"client": "a", "session": {"age_seconds": True}}, "/session/age_seconds", "expected an integer"),
        ({"client": "a", "session": {"age_seconds": -1}}, "/session/age_seconds", "less than 0"),
        ({"client": "a", "session": {"age_seconds": 2**31}}, "/session/age_seconds", "greater than 2147483647"),
        (
            {"client": "a", "request": {"acr_values": ["a b"]}},
            "/request/acr_values/0",
            "blanks and control characters are not allowed",
        ),
        ({"client": "a", "request": {"scopes": ["x"] * 101}}, "/request/scopes", "more than 100 items"),
        ({"client": "a", "request": {"claims": []}}, "/request/claims", "expected an object"),
        (
            {"client": "a", "nonce_sha256": "A" * 44},
            "/nonce_sha256",
            "expected a SHA-256 digest in base64url without padding, 43 characters",
        ),
        ({"client": "a", "attributes": {"": 1}}, "/attributes/", "must not be empty"),
    ],
)
def test_each_bound_is_said_where_it_is_broken(body, pointer, message):
    """A field that breaks a bound is named by its pointer, with a message in plain words."""
    assert refused(body) == [(pointer, message)]


@pytest.mark.parametrize("value", ["null", "[1]", "{}", "NaN", "Infinity", "1e999", '"\\u0007"', '"' + "x" * 513 + '"'])
def test_attribute_values_are_plain(value):
    """An attribute is a boolean, a finite number, a printable text or a list of texts."""
    body = b'{"client":"a","attributes":{"x":%s}}' % value.encode()
    assert [error.pointer for error in errors_of(body).errors] == ["/attributes/x"]


def test_at_most_a_hundred_attributes():
    """The hundred and first attribute is one too many."""
    assert refused({"client": "a", "attributes": {f"a{n}": n for n in range(101)}})[0][0] == "/attributes"


@pytest.mark.parametrize(
    "claims",
    [{"a": {"b": float("nan")}}, {"a": [float("inf")]}, {"a": "\x07"}, {"a\x07": 1}, {"a": 2**64 * 10**300}],
)
def test_claims_hold_only_what_can_be_sent_on(claims):
    """The relying party's own claims are printable, finite JSON."""
    with pytest.raises(RequestInvalid):
        request_from_json({"client": "a", "request": {"claims": claims}})


@pytest.mark.parametrize(("depth", "good"), [(8, True), (9, False)])
def test_claims_are_at_most_eight_deep(depth, good):
    """Objects and lists in claims nest at most eight deep, the outermost included."""
    claims: object = 1
    for level in range(depth):
        claims = {"a": claims} if level % 2 or level == depth - 1 else [claims]
    body = {"client": "a", "request": {"claims": claims}}
    if good:
        assert request_from_json(body).claims == claims
    else:
        assert refused(body)[0][0].startswith("/request/claims")


def test_claims_are_at_most_16_kib():
    """The size of claims is bounded as a whole, not only text by text."""
    claims = {f"a{n}": "x" * 500 for n in range(40)}
    assert refused({"client": "a", "request": {"claims": claims}}) == [("/request/claims", "larger than 16384 bytes")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"client":"a","client":"b"}',
        b'{"client":{"id":"a","id":"b"}}',
        b'{"client":"a","user":{"id":"a"},"user":{"id":"b"}}',
        b'{"client":"a","request":{"claims":{"a":{"b":1,"b":2}}}}',
        b'{"client":"a","request":{"claims":{"a":[{"b":1,"b":2}]}}}',
        b'{"client":"a","attributes":{"x":1,"\\u0078":2}}',
        b'{"client" : "a","attributes":{"x" : 1,"x" : 2}}',
        b'{"client":"a:b","attributes":{"x":"::","x":2}}',
    ],
)
def test_a_key_that_is_sent_twice_is_refused(body):
    """Two readers may differ on which of two equal keys counts, so neither does."""
    assert refused(body)[0][1].endswith("appears twice in one object")


@pytest.mark.parametrize(
    "body",
    [
        b'{"client":"a:b:c","network":{"ip":"2001:db8::1"},"request":{"claims":{"a:b":[":",{"c":"d:"}]}}}',
        b'{"client":"a\\u003ab","attributes":{"x\\u003a":"::"}}',
        b'{"client" : "a", "attributes" : {"x:y" : "\\":"}}',
    ],
)
def test_colons_in_texts_are_no_keys(body):
    """However many colons texts hold, a body without a repeated key is taken."""
    assert parse_request(body).client_id.startswith("a")


PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
CLAIM_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PRINTABLE, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {"client": PRINTABLE | st.fixed_dictionaries({"id": PRINTABLE})},
        optional={
            "user": st.fixed_dictionaries({"id": PRINTABLE}, optional={"groups": st.lists(PRINTABLE, max_size=3)}),
            "attributes": st.dictionaries(PRINTABLE, PRINTABLE | st.booleans() | st.integers(-(2**63), 2**63 - 1)),
            "request": st.fixed_dictionaries({"claims": st.dictionaries(PRINTABLE, CLAIM_VALUES, max_size=3)}),
        },
    )
)
def test_the_schema_says_what_the_validator_does(body):
    """What the JSON Schema allows is taken, and the other way round (sizes of claims and depth aside)."""
    allowed = Draft202012Validator(request_json_schema()).is_valid(body)
    try:
        request_from_json(body)
    except RequestInvalid:
        taken = False
    else:
        taken = True
    assert taken == allowed


def test_the_schema_refuses_unknown_fields():
    """The published schema is as strict as the service."""
    validator = Draft202012Validator(request_json_schema())
    assert validator.is_valid(FULL)
    for body in ({"client": "a", "x": 1}, {"client": {"id": "a", "x": 1}}, {"client": "a", "attributes": {"\x07": 1}}):
        assert not validator.is_valid(body)


@pytest.mark.parametrize(
    ("network", "pointer", "message"),
    [
        ({"country": "de"}, "/network/country", "expected a country as ISO 3166-1 has it"),
        ({"country": "Germany"}, "/network/country", "expected a country as ISO 3166-1 has it"),
        ({"country": ""}, "/network/country", "must not be empty"),
        ({"country": 49}, "/network/country", "expected a string"),
        ({"asn": "AS64500"}, "/network/asn", "expected an integer"),
        ({"asn": 2**32}, "/network/asn", "greater than 4294967295"),
        ({"asn": -1}, "/network/asn", "less than 0"),
        ({"ip": "198.51.100.9", "city": "x"}, "/network/city", "unknown field"),
    ],
)
def test_supposed_places(network, pointer, message):
    """A what-if may say country and AS in the form in which the facts have them, and nothing else of a place."""
    with pytest.raises(RequestInvalid) as caught:
        supposed_from_json({"client": "jira", "network": network})
    (error,) = caught.value.errors
    assert error.pointer == pointer
    assert error.message.startswith(message)


def test_nobody_sends_a_place():
    """Decide takes no country and no AS: the service finds them out, whoever asks. The schemas say so."""
    body = {"client": "jira", "network": {"ip": "198.51.100.9", "country": "DE", "asn": 64500}}
    supposed = supposed_from_json(body)
    assert (supposed.network_country, supposed.network_asn) == ("DE", 64500)
    with pytest.raises(RequestInvalid):
        parse_request(json.dumps(body).encode())
    assert Draft202012Validator(request_json_schema(supposed=True)).is_valid(body)
    assert not Draft202012Validator(request_json_schema()).is_valid(body)
