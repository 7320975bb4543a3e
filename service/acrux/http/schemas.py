"""What is asked: the shapes of bodies and queries, checked and documented by one definition. No behaviour."""

from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic.json_schema import WithJsonSchema

from acrux.http.bodies import PRINTABLE, Id, LongText, Text
from acrux.http.idempotency import KEY_PATTERN

LATER: Final = "x-acrux-schema"
"""Stands for a reference to a schema that is not made by pydantic's models; the OpenAPI document resolves it."""
DECISION_ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
REVISION_PATTERN = r"^sha256:[0-9a-f]{64}$"
FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,3}\.yaml$"
POLICY_TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
# What the claims parameter of Decide may hold, an ID token may too: one definition, from acrux.policy.request.
Claims = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {LATER: "claims_7"},
            "propertyNames": {"maxLength": 512, "pattern": PRINTABLE},
        }
    ),
]
DecideBody = Annotated[Any, WithJsonSchema({LATER: "DecideRequest"})]
SupposedBody = Annotated[Any, WithJsonSchema({LATER: "SupposedRequest"})]
Verdict = Literal[
    "invalid",
    "mismatched",
    "denied",
    "replayed",
    "expired",
    "missing",
    "downgraded",
    "stale",
    "insufficient",
    "satisfied",
]


class Shape(BaseModel):
    """A closed object: what is not listed is not there."""

    model_config = ConfigDict(extra="forbid")


class Open(BaseModel):
    """An object of another standard, of which only some members are listed."""

    model_config = ConfigDict(extra="allow")


class AuthorizationForm(Open):
    """An authorization request (OpenID Connect Core 3.1.2.1)."""

    response_type: str
    client_id: str
    redirect_uri: str
    scope: str


class TokenForm(Open):
    """A token request (RFC 6749 sections 4.1.3 and 6)."""

    grant_type: str


QueryTime = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
SentTimestamp = Annotated[str, Field(strict=True, max_length=64, json_schema_extra={"format": "date-time"})]


def _whole(number: Any) -> Any:
    """`5.0` is an integer too: JSON knows one kind of number."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Seconds = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1), BeforeValidator(_whole)]


class SentAccept(Shape):
    """What a caller accepted on its own."""

    claim: Text
    values: Annotated[list[Text], Field(max_length=100)]
    max_age_seconds: Seconds | None


Ticket = Annotated[str, Field(strict=True, min_length=1, max_length=4096, pattern=PRINTABLE)]


class OutcomeWithToken(Shape):
    """What the provider returned: the ID token, to be verified here."""

    ticket: Ticket
    # Whatever a provider put into it: what is wrong with it is a verdict.
    id_token: Annotated[str, Field(strict=True, min_length=1, max_length=32 * 1024)]


class OutcomeWithClaims(Shape):
    """What the provider returned: the claims of an ID token that the caller has verified."""

    ticket: Ticket
    claims: Claims


def _form(value: Any) -> str:
    return "(claims)" if isinstance(value, dict) and "claims" in value else "(id_token)"


OutcomeRequest = Annotated[
    Annotated[OutcomeWithToken, Tag("(id_token)")] | Annotated[OutcomeWithClaims, Tag("(claims)")],
    Discriminator(_form),
]


_CHOICE = r"^(![^\x00-\x1f\x7f-\x9f]{1,256}|[^!\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]{0,255})$"
_VERDICT_CHOICE = (
    "^!?(invalid|mismatched|denied|replayed|expired|missing|downgraded|stale|insufficient|satisfied|none)$"
)
Choice = Annotated[str, Field(pattern=_CHOICE)]
DecisionIdPath = Annotated[str, Path(pattern=DECISION_ID_PATTERN, description="The decision.")]


class DecisionsQuery(Shape):
    """Which decisions. All filters must fit; a value after `!` excludes. "" stands for "not sent"."""

    client: Choice = Field("", description="A client's name.")
    app: Choice = Field("", description="The source application.")
    level: Choice = Field("", description="The decided level, or `deny`.")
    rule: Choice = Field("", description="A rule that matched or errored.")
    verdict: Annotated[str, Field(pattern=_VERDICT_CHOICE)] = Field(
        "", description="The verdict; `none` for logins that never came back."
    )
    zone: Choice = Field("", description="A zone of the address.")
    user: Choice = Field("", description="A user's id.")
    revision: Choice = Field("", description="The policy set that decided.")
    kind: Annotated[str, Field(pattern="^!?(decision|fallback)$")] = Field(
        "", description="`decision`: what Acrux decided; `fallback`: what callers decided in an outage, and reported."
    )
    shadow_differs: Annotated[str, Field(pattern="^(true|false)$")] = Field(
        "", description="Whether rules in report mode would have changed the level."
    )
    from_: QueryTime = Field("", alias="from", description="The earliest time, inclusive.")
    to: QueryTime = Field("", description="The end of the time, exclusive.")
    limit: Annotated[int, Field(ge=1, le=500)] = Field(50, description="How many at most.")
    cursor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,256}$")] = Field(
        "", description="`next_cursor` of the page before."
    )


class UnboundQuery(Shape):
    """Which token requests. All filters must fit; a value after `!` excludes. "" stands for "not sent"."""

    client: Choice = Field("", description="A client's name.")
    from_: QueryTime = Field("", alias="from", description="The earliest time, inclusive.")
    to: QueryTime = Field("", description="The end of the time, exclusive.")
    limit: Annotated[int, Field(ge=1, le=500)] = Field(50, description="How many at most.")
    cursor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,256}$")] = Field(
        "", description="`next_cursor` of the page before."
    )


class ExplainRequest(Shape):
    """What would be decided: for a Decide request, at a time, by the active set or by an unsaved one.

    Beside what Decide takes, `facts` may say `network.country` and `network.asn`: they win over the service's files.
    """

    facts: SupposedBody
    now: SentTimestamp = ""
    policy: Annotated[
        dict[
            Annotated[str, Field(strict=True, pattern=FILE_PATTERN)],
            Annotated[str, Field(strict=True, pattern=POLICY_TEXT_PATTERN)],
        ],
        Field(min_length=1, max_length=100),
    ] = Field(default_factory=dict)


class RevisionsQuery(Shape):
    """How many sets."""

    limit: Annotated[int, Field(ge=1, le=500)] = Field(50, description="How many at most.")


class FallbackReport(Shape):
    """A decision that a caller made or judged while Acrux could not be reached.

    `id` is the caller's own, or the decision's where deciding had worked. `facts` is the Decide request that could not
    be sent; null where only the outcome could not. With an `idempotency_key` of its own it may be sent again: that
    makes no second record.
    """

    id: Id
    idempotency_key: Annotated[str, Field(strict=True, max_length=128, pattern=KEY_PATTERN)] | None = None
    client: Id
    level: Text
    decided_at: SentTimestamp
    authorization_params: Annotated[dict[Text, LongText], Field(max_length=20)]
    accept: SentAccept | None
    reason: Text
    policy_revision: Annotated[str, Field(strict=True, pattern=REVISION_PATTERN)] | None = None
    facts: DecideBody | None = None
    verdict: Verdict | None = None
    verdict_at: SentTimestamp | None = None
    returned_acr: Text | None = None


class FallbackReports(Shape):
    """Decisions that a caller made in an outage."""

    decisions: Annotated[list[FallbackReport], Field(min_length=1, max_length=100)]
