"""The body of Decide, bytes to a frozen value in one strict pass: bounded, never coerced. No policy is read here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final, cast

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaValidator, ValidationError, core_schema, to_json

from acrux.domain.facts import Json
from acrux.domain.request import DecideRequest

MAX_ID: Final = 256
MAX_STRING: Final = 512
MAX_USER_AGENT: Final = 1024
MAX_LIST: Final = 100
# A body has 64 KiB: more groups than this could not be sent anyway, and tokens carry no more (Entra ID's limit).
MAX_GROUPS: Final = 200
MAX_ATTRIBUTES: Final = 100
MAX_SECONDS: Final = 2**31 - 1
MAX_INT: Final = 2**63 - 1
MAX_CLAIMS_DEPTH: Final = 8
MAX_CLAIMS_BYTES: Final = 16 * 1024
MAX_CLAIMS_STRING: Final = 4 * 1024

# C0, DEL and C1: what no header, log line or terminal may be made to print.
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
# A value of a space-separated parameter: a blank in it would make two (RFC 6749 section 3.3, OpenID Connect Core
# 3.1.2.1).
_WORD: Final = r"^[^\x00-\x20\x7f-\xa0]+$"
_SHA256_BASE64URL: Final = r"^[A-Za-z0-9_-]{43}$"
_COUNTRY: Final = r"^[A-Z]{2}$"
MAX_ASN: Final = 2**32 - 1

_AS_NAME: Final = "name"
_AS_OBJECT: Final = "object"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `pointer` is an RFC 6901 JSON pointer into the body, empty for the whole."""

    pointer: str
    message: str


class RequestInvalid(ValueError):  # noqa: N818 - it names the state of the request
    """A request that the service does not take.

    Attributes:
        errors: every field that is wrong.
        malformed: the body is no JSON at all (400 rather than 422).
    """

    def __init__(self, errors: Sequence[FieldError], *, malformed: bool = False) -> None:
        super().__init__("; ".join(f"{error.pointer or 'the body'}: {error.message}" for error in errors))
        self.errors = tuple(errors)
        self.malformed = malformed


def _text(*, most: int = MAX_STRING, least: int = 1, pattern: str = _PRINTABLE) -> core_schema.CoreSchema:
    return core_schema.str_schema(strict=True, min_length=least, max_length=most, pattern=pattern)


def _texts(item: core_schema.CoreSchema, most: int = MAX_LIST) -> core_schema.CoreSchema:
    return core_schema.list_schema(item, max_length=most, strict=True)


def _integer(least: int, most: int) -> core_schema.CoreSchema:
    return core_schema.int_schema(strict=True, ge=least, le=most)


def _seconds() -> core_schema.CoreSchema:
    return core_schema.no_info_before_validator_function(_whole, _integer(0, MAX_SECONDS))


def _whole(number: object) -> object:
    """`5.0` is an integer too: JSON knows one kind of number (JSON Schema 2020-12, section 6.1.1 of Validation)."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _object(required: Iterable[str] = (), **fields: core_schema.CoreSchema) -> core_schema.CoreSchema:
    members = {
        name: core_schema.typed_dict_field(schema, required=name in set(required)) for name, schema in fields.items()
    }
    return core_schema.typed_dict_schema(members, extra_behavior="forbid", strict=True)


def _attribute() -> core_schema.CoreSchema:
    return core_schema.union_schema(
        [
            _text(least=0),
            core_schema.bool_schema(strict=True),
            _integer(-MAX_INT - 1, MAX_INT),
            core_schema.float_schema(strict=True, allow_inf_nan=False),
            _texts(_text()),
        ],
        mode="left_to_right",
        custom_error_type="attribute_value",
        custom_error_message=(
            "expected a boolean, a finite number, a string of at most 512 printable characters, or at most 100 of them"
        ),
    )


def _claims_ref(depth: int) -> str:
    return f"claims_{depth}"


def _claims_members(depth: int) -> core_schema.CoreSchema:
    member = core_schema.definition_reference_schema(_claims_ref(depth - 1))
    return core_schema.dict_schema(_text(least=0), member, strict=True)


def _claims_value(depth: int) -> core_schema.CoreSchema:
    """A JSON value inside `claims` that holds at most `depth` objects and lists one in another."""
    forms: list[core_schema.CoreSchema] = [
        _text(least=0, most=MAX_CLAIMS_STRING),
        core_schema.bool_schema(strict=True),
        _integer(-MAX_INT - 1, MAX_INT),
        core_schema.float_schema(strict=True, allow_inf_nan=False),
        core_schema.none_schema(),
    ]
    if depth > 0:
        item = core_schema.definition_reference_schema(_claims_ref(depth - 1))
        forms += [core_schema.list_schema(item, strict=True), _claims_members(depth)]
    return core_schema.union_schema(
        cast("list[core_schema.CoreSchema | tuple[core_schema.CoreSchema, str]]", forms),
        mode="left_to_right",
        custom_error_type="claims_value",
        custom_error_message=(
            f"expected JSON of printable strings and finite numbers, nested at most {MAX_CLAIMS_DEPTH} deep"
        ),
        ref=_claims_ref(depth),
    )


def _schema() -> core_schema.CoreSchema:
    return core_schema.definitions_schema(_body(_sent_network()), _claims_values())


def _what_if_schema() -> core_schema.CoreSchema:
    return core_schema.definitions_schema(_body(_supposed_network()), _claims_values())


def _claims_values() -> list[core_schema.CoreSchema]:
    return [_claims_value(depth) for depth in range(MAX_CLAIMS_DEPTH)]


def _sent_network() -> core_schema.CoreSchema:
    return _object(ip=_text(least=0))


def _supposed_network() -> core_schema.CoreSchema:
    """With what the service finds out by itself: a test or a what-if must not depend on the files of a machine."""
    return _object(ip=_text(least=0), country=_text(pattern=_COUNTRY), asn=_integer(0, MAX_ASN))


def _body(network: core_schema.CoreSchema) -> core_schema.CoreSchema:
    an_id = _text(most=MAX_ID)
    words = _texts(_text(most=MAX_ID, pattern=_WORD))
    return _object(
        required=["client"],
        client=core_schema.union_schema(
            [(an_id, _AS_NAME), (_object(["id"], id=an_id), _AS_OBJECT)], mode="left_to_right"
        ),
        app=_object(id=_text(most=MAX_ID, least=0)),
        network=network,
        user=_object(id=an_id, domain=_text(most=MAX_ID), groups=_texts(_text(), MAX_GROUPS)),
        browser=_object(id=an_id),
        device=_object(
            managed=core_schema.bool_schema(strict=True),
            platform=_text(),
            user_agent=_text(most=MAX_USER_AGENT),
        ),
        session=_object(level=_text(), age_seconds=_seconds()),
        request=_object(
            acr_values=words,
            scopes=words,
            prompt=_text(least=0),
            max_age=_seconds(),
            claims=_claims_members(MAX_CLAIMS_DEPTH),
        ),
        attributes=core_schema.dict_schema(_text(most=MAX_ID), _attribute(), max_length=MAX_ATTRIBUTES, strict=True),
        nonce_sha256=_text(pattern=_SHA256_BASE64URL),
        correlation_id=an_id,
    )


def _claims_schema() -> core_schema.CoreSchema:
    return core_schema.definitions_schema(_claims_members(MAX_CLAIMS_DEPTH), _claims_values())


_VALIDATOR: Final = SchemaValidator(_schema())
_WHAT_IF_VALIDATOR: Final = SchemaValidator(_what_if_schema())
_CLAIMS_VALIDATOR: Final = SchemaValidator(_claims_schema())


def parse_request(body: bytes) -> DecideRequest:
    """A request from the bytes of a body.

    Raises:
        RequestInvalid: the body is no JSON, or breaks a bound; each field that does is named.
    """
    try:
        found = _VALIDATOR.validate_json(body)
    except ValidationError as invalid:
        raise _refusal(invalid) from None
    key_count = _key_count(found)
    colon_count = body.count(b":")
    # Every key has its colon, so as many colons as keys leaves no room for a key that was sent twice.
    if colon_count != key_count and (b"\\" in body or colon_count != key_count + _colon_count(found)):
        _refuse_repeated_keys(body)
    return _flatten(found)


def request_from_json(value: Json) -> DecideRequest:
    """A request from a JSON value that somebody has parsed already.

    Raises:
        RequestInvalid: as `parse_request`.
    """
    return _validated(_VALIDATOR, value)


def supposed_from_json(value: Json) -> DecideRequest:
    """A request that nobody sent: a test's `given`, a `--facts` file, a what-if. It may say country and AS too.

    Raises:
        RequestInvalid: as `parse_request`.
    """
    return _validated(_WHAT_IF_VALIDATOR, value)


def _validated(validator: SchemaValidator, value: Json) -> DecideRequest:
    try:
        return _flatten(validator.validate_python(value))
    except ValidationError as invalid:
        raise _refusal(invalid) from None


class _JsonSchema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        """Say of a name's pattern that all names must match it, which `patternProperties` alone leaves open."""
        found = super().dict_schema(schema)
        for pattern, member in found.pop("patternProperties", {}).items():
            found["propertyNames"] = {"pattern": pattern, **found.get("propertyNames", {})}
            found["additionalProperties"] = member
        return found


def check_claims(claims: Json) -> None:
    """Holds the claims of an ID token to the form of the `claims` parameter, its size aside.

    Raises:
        RequestInvalid: they have another form; pointers are relative to the claims.
    """
    try:
        _CLAIMS_VALIDATOR.validate_python(claims)
    except ValidationError as invalid:
        raise _refusal(invalid) from None


def request_json_schema(ref_template: str = "#/$defs/{model}", *, supposed: bool = False) -> dict[str, Any]:
    """The JSON Schema of the body, from the one definition that also validates it; shared parts stand in `$defs`.

    Args:
        ref_template: how `$defs` are referred to.
        supposed: of a request that nobody sent, as `supposed_from_json` takes it.
    """
    own = _what_if_schema() if supposed else _schema()
    schema = _JsonSchema(ref_template=ref_template).generate(own, mode="validation")
    schema["title"] = "SupposedRequest" if supposed else "DecideRequest"
    return schema


def _flatten(found: dict[str, Any]) -> DecideRequest:
    client = found["client"]
    part = found.get
    app, network, user = part("app", _NOTHING), part("network", _NOTHING), part("user", _NOTHING)
    device, session, request = part("device", _NOTHING), part("session", _NOTHING), part("request", _NOTHING)
    groups = user.get("groups")
    claims = request.get("claims")
    if claims is not None:
        _check_claims(claims)
    return DecideRequest(
        client_id=client if isinstance(client, str) else client["id"],
        app_id=app.get("id"),
        network_ip=network.get("ip"),
        network_country=network.get("country"),
        network_asn=network.get("asn"),
        user_id=user.get("id"),
        user_domain=user.get("domain"),
        user_groups=None if groups is None else tuple(groups),
        browser_id=part("browser", _NOTHING).get("id"),
        device_managed=device.get("managed"),
        device_platform=device.get("platform"),
        device_user_agent=device.get("user_agent"),
        session_level=session.get("level"),
        session_age_seconds=session.get("age_seconds"),
        acr_values=tuple(request.get("acr_values", ())),
        scopes=tuple(request.get("scopes", ())),
        prompt=request.get("prompt", ""),
        max_age_seconds=request.get("max_age"),
        claims=claims,
        attributes=part("attributes", _NOTHING),
        nonce_sha256=part("nonce_sha256"),
        correlation_id=part("correlation_id"),
    )


_NOTHING: Final[dict[str, Any]] = {}


def _key_count(found: dict[str, Any]) -> int:
    """How many keys a body has: its own, those of its parts, and those of `claims` at every depth."""
    count = len(found)
    for part in found.values():
        if type(part) is dict:
            count += len(part)
    request = found.get("request")
    if request and "claims" in request:
        count += _keys_below(request["claims"])
    return count


def _keys_below(value: object) -> int:
    match value:
        case dict():
            return len(value) + sum(map(_keys_below, value.values()))
        case list():
            return sum(map(_keys_below, value))
        case _:
            return 0


def _colon_count(value: object) -> int:
    """How many colons the strings of a JSON value have, keys included."""
    match value:
        case str():
            return value.count(":")
        case dict():
            return sum(key.count(":") + _colon_count(item) for key, item in value.items())
        case list():
            return sum(_colon_count(item) for item in value)
        case _:
            return 0


def _refuse_repeated_keys(body: bytes) -> None:
    """Two readers may differ on which of two equal keys counts (RFC 8259 section 4), so nobody gets to choose.

    Raises:
        RequestInvalid: an object has a key twice.
    """

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            raise RequestInvalid([FieldError("", f"the key `{repeated}` appears twice in one object")])
        return members

    try:
        JSONDecoder(object_pairs_hook=unique).decode(body.decode())
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):  # pragma: no cover - the validator read it before
        raise RequestInvalid([FieldError("", "the body is no JSON")], malformed=True) from None


def _check_claims(claims: dict[str, Json]) -> None:
    if len(to_json(claims)) > MAX_CLAIMS_BYTES:
        raise RequestInvalid([FieldError("/request/claims", f"larger than {MAX_CLAIMS_BYTES} bytes")])


_FIXED_MESSAGES: Final = {
    "missing": "required",
    "extra_forbidden": "unknown field",
    "string_type": "expected a string",
    "string_sub_type": "expected a string",
    "string_unicode": "no well-formed Unicode text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "control characters are not allowed",
    "bool_type": "expected true or false",
    "int_type": "expected an integer",
    "int_from_float": "expected an integer",
    "int_parsing_size": "an integer beyond 64 bits",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "dict_type": "expected an object",
    "list_type": "expected a list",
}


def _message(error: dict[str, Any]) -> str:  # noqa: PLR0911 - one return a kind of error
    context = error.get("ctx", {})
    match error["type"]:
        case "string_pattern_mismatch" if context["pattern"] == _WORD:
            return "blanks and control characters are not allowed"
        case "string_pattern_mismatch" if context["pattern"] == _COUNTRY:
            return "expected a country as ISO 3166-1 has it, two capital letters; `ZZ` where it is unknown"
        case "string_pattern_mismatch" if context["pattern"] == _SHA256_BASE64URL:
            return "expected a SHA-256 digest in base64url without padding, 43 characters"
        case "string_too_long":
            return f"longer than {context['max_length']} characters"
        case "too_long":
            return f"more than {context['max_length']} items"
        case "greater_than_equal":
            return f"less than {context['ge']}"
        case "less_than_equal":
            return f"greater than {context['le']}"
        case kind if kind in _FIXED_MESSAGES:
            return _FIXED_MESSAGES[kind]
        case _:
            return cast("str", error["msg"])


def _refusal(invalid: ValidationError) -> RequestInvalid:
    errors = cast("list[dict[str, Any]]", invalid.errors(include_url=False))
    if errors[0]["type"] == "json_invalid":
        return RequestInvalid([FieldError("", f"no JSON: {errors[0]['ctx']['error']}")], malformed=True)
    return RequestInvalid([FieldError(_pointer(error["loc"]), _message(error)) for error in _of_one_form(errors)])


def _of_one_form(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`client` has two forms; keep what is wrong with the one that was sent."""
    kept = []
    for error in errors:
        loc = error["loc"]
        if len(loc) > 1 and loc[0] == "client" and loc[1] in {_AS_NAME, _AS_OBJECT}:
            if loc[1] == _AS_NAME and error["type"] == "string_type":
                continue
            if loc[1] == _AS_OBJECT and error["type"] == "dict_type" and isinstance(error["input"], str):
                continue
            error["loc"] = (loc[0], *loc[2:])
        elif loc and loc[-1] == "[key]":
            error["loc"] = loc[:-1]
        kept.append(error)
    return kept


def _pointer(loc: tuple[str | int, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in loc)
