"""The shapes of requests and answers, for the OpenAPI document and for checking bodies. No behaviour."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema

from acrux.http.bodies import PRINTABLE, Id, LongText, Text

DECISION_ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
REVISION_PATTERN = r"^sha256:[0-9a-f]{64}$"
HASH_PATTERN = r"^[0-9a-f]{64}$"
FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,3}\.yaml$"
POLICY_TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

DecisionId = Annotated[str, Field(pattern=DECISION_ID_PATTERN, description="A UUIDv7.")]
Revision = Annotated[str, Field(pattern=REVISION_PATTERN)]
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
# What the claims parameter of Decide may hold, an ID token may too: one definition, from acrux.policy.request.
Claims = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"$ref": "#/components/schemas/claims_7"},
            "propertyNames": {"maxLength": 512, "pattern": PRINTABLE},
        }
    ),
]
DecideBody = Annotated[Any, WithJsonSchema({"$ref": "#/components/schemas/DecideRequest"})]
DecisionOutcome = Literal["baseline", "step_up", "deny"]
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


class FieldFault(Shape):
    """One wrong field: an RFC 6901 pointer into the body, or one that begins with `/query`, `/header` or `/path`."""

    pointer: str
    message: str


class Problem(Shape):
    """What is wrong (RFC 9457). `code` is for programs: docs/errors.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldFault]


class Unavailable(Problem):
    """A 503. `fallback` says whether the operator lets callers demand the client's ceiling."""

    fallback: Literal["refuse", "ceiling"]


class Receipt(Shape):
    """The proof that a record is in the log."""

    stream: str
    sequence: Annotated[int, Field(ge=1)]
    leaf_hash: Annotated[str, Field(pattern=HASH_PATTERN)]


class Accept(Shape):
    """What may come back: the claim, and the words of the decided level and of every higher one."""

    claim: str
    values: list[str]
    max_age_seconds: int | None


class Decided(Shape):
    """A decision without id, ticket and receipt."""

    outcome: DecisionOutcome
    level: str
    authorization_params: dict[str, str]
    accept: Accept | None
    rules: list[str]
    reason: str
    requested_level: str | None
    shadow_level: str
    policy_revision: Revision
    decided_at: Timestamp


class DecideAnswer(Decided):
    """The answer of Decide. 200 means that its record is durable."""

    decision_id: DecisionId
    expires_at: Timestamp
    ticket: Annotated[str, Field(max_length=2048)]
    receipt: Receipt


SentTimestamp = Annotated[str, Field(strict=True, max_length=64, json_schema_extra={"format": "date-time"})]


class SentAccept(Shape):
    """What a caller accepted on its own."""

    claim: Text
    values: Annotated[list[Text], Field(max_length=100)]
    max_age_seconds: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None


Ticket = Annotated[str, Field(strict=True, min_length=1, max_length=4096, pattern=PRINTABLE)]


class OutcomeWithToken(Shape):
    """What the provider returned: the ID token, to be verified here."""

    ticket: Ticket
    id_token: Annotated[str, Field(strict=True, min_length=1, max_length=32 * 1024, pattern=PRINTABLE)]


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


class OutcomeAnswer(Shape):
    """The verdict. `retry` is a new answer of Decide where the verdict is `insufficient`."""

    verdict: Verdict
    admit: bool
    level: str
    decision_id: DecisionId
    retry: DecideAnswer | None
    receipt: Receipt


class ExplainRequest(Shape):
    """What would be decided: for a Decide request, at a time, by the active set or by an unsaved one."""

    facts: DecideBody
    now: SentTimestamp | SkipJsonSchema[None] = None
    policy: (
        Annotated[
            dict[
                Annotated[str, Field(strict=True, pattern=FILE_PATTERN)],
                Annotated[str, Field(strict=True, pattern=POLICY_TEXT_PATTERN)],
            ],
            Field(min_length=1, max_length=100),
        ]
        | SkipJsonSchema[None]
    ) = None


class ClauseTrace(Shape):
    """What became of an exception or a break-glass."""

    id: str
    outcome: Literal["matched", "not_matched", "errored", "out"]
    why: str
    instead: str
    applied: bool


class RuleTrace(Shape):
    """What became of a rule."""

    id: str
    outcome: Literal["matched", "not_matched", "errored", "out"]
    why: str
    mode: Literal["enforce", "report", "off"]
    require: str
    requires: str | None
    max_age_seconds: int | None
    bucket: int | None
    exceptions: list[ClauseTrace]
    break_glass: str | None
    description: str
    file: str
    line: int


class RelatedPlace(Shape):
    """Another place that a diagnostic points at."""

    file: str
    line: int
    column: int
    message: str


class Diagnostic(Shape):
    """What is wrong in a policy set, where, and what would help."""

    code: str
    severity: Literal["error", "warning"]
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    help: str | None
    related: list[RelatedPlace]


class ExplainAnswer(Shape):
    """The what-if. `decision` is null where the unsaved set has errors: `diagnostics` says which."""

    decision: Decided | None
    shadow_level: str | None
    rules: list[RuleTrace]
    break_glass: list[ClauseTrace]
    diagnostics: list[Diagnostic]


class PolicyFailure(Shape):
    """Why the newest set was not taken."""

    at: Timestamp
    summary: str
    diagnostics: list[Diagnostic]


class PolicyAnswer(Shape):
    """The active set."""

    revision: Revision
    loaded_at: Timestamp | None
    files: dict[str, str]
    failure: PolicyFailure | None


class RevisionItem(Shape):
    """A set that has been active."""

    revision: Revision
    activated_at: Timestamp
    active: bool


class Revisions(Shape):
    """Every set that ever decided, the newest first."""

    items: list[RevisionItem]
    next_cursor: str | None


class RevisionAnswer(Shape):
    """A set that has decided, with its files."""

    revision: Revision
    active: bool
    files: dict[str, str]


class RevisionsQuery(Shape):
    """How many sets."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50


class Reloaded(Shape):
    """What every worker decides with now."""

    revision: Revision
    changed: bool


class Ceiling(Shape):
    """The most that a client's logins can come to: what callers demand when Acrux can't be reached."""

    client: str
    level: str
    authorization_params: dict[str, str]
    accept: Accept | None
    policy_revision: Revision


class FallbackReport(Shape):
    """A decision that a caller made or judged while Acrux could not be reached.

    `id` is the caller's own, or the decision's where deciding had worked. `facts` is the Decide request that could not
    be sent; null where only the outcome could not.
    """

    id: Id
    client: Id
    level: Text
    decided_at: SentTimestamp
    authorization_params: Annotated[dict[Text, LongText], Field(max_length=20)]
    accept: SentAccept | None
    reason: Text
    facts: DecideBody | None = None
    verdict: Verdict | None = None
    verdict_at: SentTimestamp | None = None
    returned_acr: Text | None = None


class FallbackReports(Shape):
    """Decisions that a caller made in an outage."""

    decisions: Annotated[list[FallbackReport], Field(min_length=1, max_length=100)]


class Receipts(Shape):
    """A receipt for each report, in their order."""

    receipts: list[Receipt]


class Health(Shape):
    """The process answers."""

    status: Literal["alive"]


class PolicyReadiness(Shape):
    """Whether there is a set to decide with."""

    revision: Revision | None
    loaded_at: Timestamp | None
    failure: PolicyFailure | None


class LogReadiness(Shape):
    """Whether records can be made durable, and how far behind the shipper is."""

    available: bool
    unshipped_count: int
    lag_seconds: float
    database_reachable: bool


class Readiness(Shape):
    """Ready or not; the rest only for callers with a token."""

    status: Literal["ready", "not_ready"]
    policy: PolicyReadiness | SkipJsonSchema[None] = None
    log: LogReadiness | SkipJsonSchema[None] = None
