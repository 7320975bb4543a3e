"""What is answered: the shapes of answers, for the OpenAPI document alone. No behaviour."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from acrux.http.schemas import DECISION_ID_PATTERN, REVISION_PATTERN, Open, Shape, Timestamp, Verdict

HASH_PATTERN = r"^[0-9a-f]{64}$"

DecisionId = Annotated[str, Field(pattern=DECISION_ID_PATTERN, description="A UUIDv7.")]
Revision = Annotated[str, Field(pattern=REVISION_PATTERN)]
DecisionOutcome = Literal["baseline", "step_up", "deny"]


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


class OutcomeAnswer(Shape):
    """The verdict. `retry` is a new answer of Decide where the verdict is `insufficient`."""

    verdict: Verdict
    admit: bool
    level: str
    decision_id: DecisionId
    retry: DecideAnswer | None
    receipt: Receipt


class Item(Decided):
    """A decision as it was logged, and what became of it. Facts of the user are shown to auditors only."""

    decision_id: DecisionId
    kind: Annotated[
        Literal["decision", "fallback"],
        Field(description="`fallback`: a caller decided at the client's ceiling in an outage, and reported it later."),
    ]
    policy_revision: Revision | None  # type: ignore[assignment] # unknown of a fallback that does not say
    expires_at: Timestamp | None
    receipt: Receipt
    client: str
    app: str | None
    facts: dict[str, bool | int | float | str | list[str]]
    zones: list[str]
    errored_rules: list[str]
    verdict: Verdict | None
    verdict_at: Timestamp | None
    returned_acr: str | None
    correlation_id: str | None
    request_id: str | None


class Decisions(Shape):
    """A page."""

    items: list[Item]
    next_cursor: str | None


class UnboundItem(Shape):
    """A token request that the guard refused: it belonged to no decision, or refreshed a login that is another now."""

    at: Timestamp
    client: str
    grant_type: str
    reason: str
    decision_id: Annotated[DecisionId | None, Field(description="The decision of the login that was refreshed.")]
    policy_revision: Revision
    provider: str
    request_id: str | None
    unrecorded_count: Annotated[int, Field(description="How many before it a flood left out of the log.")]
    receipt: Receipt


class UnboundList(Shape):
    """A page."""

    items: list[UnboundItem]
    next_cursor: str | None


class Effect(Shape):
    """A rule that matched or errored, in report mode too, and what it came to."""

    id: str
    errored: bool
    enforced: bool
    requires: str
    declared: str
    exception: str | None
    break_glass: str | None
    bucket: int | None


class LoggedOutcome(Shape):
    """Something that came back."""

    verdict: Verdict
    verdict_at: Timestamp
    judged_by: Annotated[
        Literal["acrux", "caller"],
        Field(description="`caller`: judged while the outcome call failed, and reported later."),
    ]
    admit: bool
    level: str | None
    uses_up: bool
    returned_acr: str | None
    returned_amr: list[str]
    auth_time: int | None
    request_id: str | None
    receipt: Receipt


class StandingException(Shape):
    """An exception as it stood."""

    id: str
    when: str
    instead: str
    owner: str
    ticket: str
    expires: str


class StandingRule(Shape):
    """A rule as it stood."""

    id: str
    description: str
    owner: str
    ticket: str
    when: str
    require: str
    mode: Literal["enforce", "report", "off"]
    max_age_seconds: int | None
    exceptions: list[StandingException]
    file: str
    line: int


class DecisionDetail(Item):
    """A decision with all that is known of it. SHA-256 of a zero byte and `record` is the receipt's `leaf_hash`."""

    effects: list[Effect]
    outcomes: list[LoggedOutcome]
    rules_as_decided: list[StandingRule] | None
    record: str


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


class GeoipFailure(Shape):
    """Why a newer file was not taken."""

    at: Timestamp
    summary: str


class GeoipReadiness(Shape):
    """The file that says a fact on this node."""

    type: str
    built_at: Timestamp
    loaded_at: Timestamp
    failure: GeoipFailure | None


class GeographyReadiness(Shape):
    """The files that say where addresses are; null where none is configured."""

    country: GeoipReadiness | None
    asn: GeoipReadiness | None


class Readiness(Shape):
    """Ready or not; the rest only for callers with a token."""

    status: Literal["ready", "not_ready"]
    policy: PolicyReadiness | SkipJsonSchema[None] = None
    log: LogReadiness | SkipJsonSchema[None] = None
    geoip: GeographyReadiness | SkipJsonSchema[None] = None


class Discovery(Open):
    """A discovery document (OpenID Connect Discovery 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str


class Tokens(Open):
    """A provider's token response (RFC 6749 section 5.1)."""


class OAuthError(Open):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str | SkipJsonSchema[None] = None
