"""What each operation takes and answers, for the OpenAPI document: one row an operation. No behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from acrux.http import examples
from acrux.http.idempotency import KEY_PATTERN
from acrux.http.problems import Code

_AUTHENTICATED: Final = (Code.MALFORMED, Code.UNAUTHENTICATED, Code.FORBIDDEN_ROLE, Code.INVALID_REQUEST)
_WITH_BODY: Final = (*_AUTHENTICATED, Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class Operation:
    """A row.

    Attributes:
        summary: what it does, in a line.
        answer: the schema of its answer; None for text.
        answer_example: what is answered.
        problems: what else is answered; of one status the first is the example.
        request: the schema of its body, or None.
        request_example: a body.
        header_parameters: parameters that only plain ASGI reads.
        parameter_examples: by name.
        more_responses: answers that are neither success nor problem.
        request_media: the media type of its body.
        success: the status of `answer`.
        also: more header lines of success.
        otherwise: the media type of `problems`, where it is not the one of RFC 9457.
        public: whether it takes no token.
        token_optional: whether it says more to a token.
    """

    summary: str
    answer: str | None
    answer_example: Any
    problems: Sequence[Code] = _AUTHENTICATED
    answer_description: str = "Done."
    media_type: str = "application/json"
    request: str | None = None
    request_example: Any = None
    header_parameters: Sequence[Mapping[str, Any]] = ()
    parameter_examples: Mapping[str, Any] = field(default_factory=dict)
    more_responses: Mapping[str, Any] = field(default_factory=dict)
    request_media: str = "application/json"
    success: str = "200"
    also: Sequence[str] = ()
    otherwise: str | None = None
    public: bool = False
    token_optional: bool = False


_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A retry with the same key and body has the same answer, until the decision expires.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": KEY_PATTERN},
    "example": "3d7e1c6a-login-a7c1",
}
_NOT_READY: Final = {
    "503": {
        "description": "This node can't decide, or can't log.",
        "headers": ("Retry-After",),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Readiness"},
                "example": {"status": "not_ready"},
            }
        },
    }
}
_FORM: Final = "application/x-www-form-urlencoded"
_ADAPTER: Final = (
    Code.MALFORMED,
    Code.NOT_FOUND,
    Code.TOO_MANY_REQUESTS,
    Code.NO_POLICY,
)
_REDIRECTS: Final = "To the provider; where the policy refuses the login, to the relying party with `access_denied`."
_PARTY: Final = {"client": "wiki"}
_AUTHORIZATION: Final = tuple(
    {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
        "example": examples.AUTHORIZATION[name],
    }
    for name, required, description in (
        ("response_type", True, "`code`."),
        ("client_id", True, "The client's, exactly as in the policy set."),
        ("redirect_uri", True, "One of the client's, exactly as in the policy set."),
        ("scope", True, "With `openid`."),
        ("nonce", False, "Binds the decision; this or a challenge must be there."),
        ("code_challenge", False, "Binds the decision (RFC 7636)."),
        ("code_challenge_method", False, "`S256`, where there is a challenge."),
    )
)
_ID: Final = {"decision_id": examples.DECISION_ID}

OPERATIONS: Final = MappingProxyType(
    {
        "decide": Operation(
            "Decide which level a login needs",
            "DecideAnswer",
            examples.DECIDE_ANSWER,
            (*_WITH_BODY, Code.IDEMPOTENCY_CONFLICT, Code.NO_POLICY),
            answer_description="The decision; its record is durable.",
            request="DecideRequest",
            request_example=examples.DECIDE_REQUEST,
            header_parameters=(_IDEMPOTENCY_KEY,),
        ),
        "outcome": Operation(
            "Judge what the provider returned",
            "OutcomeAnswer",
            examples.OUTCOME_ANSWER,
            (*_WITH_BODY, Code.NOT_FOUND, Code.IDEMPOTENCY_CONFLICT, Code.KEYS_UNAVAILABLE),
            answer_description="The verdict, whatever it is; its record is durable.",
            request="OutcomeRequest",
            header_parameters=(_IDEMPOTENCY_KEY,),
            request_example=examples.OUTCOME_REQUEST,
            parameter_examples=_ID,
        ),
        "explain": Operation(
            "Explain what would be decided",
            "ExplainAnswer",
            examples.EXPLAIN_ANSWER,
            (*_WITH_BODY, Code.NO_POLICY),
            answer_description="The decision and the trace of every rule, or what is wrong with the unsaved set.",
            request="ExplainRequest",
            request_example=examples.EXPLAIN_REQUEST,
        ),
        "decisions": Operation(
            "List decisions, newest first",
            "Decisions",
            {"items": [examples.ITEM], "next_cursor": None},
            (*_AUTHENTICATED, Code.NOT_FOUND, Code.DATABASE_UNAVAILABLE),
            answer_description="A page.",
            parameter_examples={"client": "jira", "zone": "!office", "limit": 50, "from": "2026-11-24T00:00:00Z"},
        ),
        "decision": Operation(
            "Look a decision up",
            "DecisionDetail",
            examples.DETAIL,
            (*_AUTHENTICATED, Code.NOT_FOUND, Code.DATABASE_UNAVAILABLE),
            answer_description="The decision, its outcome, and its rules as they stood.",
            parameter_examples=_ID,
        ),
        "unbound": Operation(
            "List token requests that belonged to no decision, newest first",
            "UnboundList",
            {"items": [examples.UNBOUND_ITEM], "next_cursor": None},
            (*_AUTHENTICATED, Code.NOT_FOUND, Code.DATABASE_UNAVAILABLE),
            answer_description="A page.",
            parameter_examples={"client": "jira", "limit": 50, "from": "2026-11-24T00:00:00Z"},
        ),
        "policy": Operation(
            "The active policy set",
            "PolicyAnswer",
            examples.POLICY,
            (*_AUTHENTICATED, Code.NO_POLICY),
            answer_description="The set.",
        ),
        "revisions": Operation(
            "Every policy set that ever decided",
            "Revisions",
            {"items": [examples.REVISION_ITEM], "next_cursor": None},
            (*_AUTHENTICATED, Code.DATABASE_UNAVAILABLE),
            answer_description="The newest first.",
            parameter_examples={"limit": 50},
        ),
        "revision": Operation(
            "A policy set that decided",
            "RevisionAnswer",
            {"revision": examples.REVISION, "active": True, "files": examples.FILES},
            (*_AUTHENTICATED, Code.NOT_FOUND, Code.DATABASE_UNAVAILABLE),
            answer_description="The set.",
            parameter_examples={"revision": examples.REVISION},
        ),
        "reload": Operation(
            "Read the policy directory",
            "Reloaded",
            {"revision": examples.REVISION, "changed": True},
            (*_AUTHENTICATED, Code.INVALID_POLICY, Code.NO_POLICY),
            answer_description="Every worker decides with this set.",
        ),
        "fallback": Operation(
            "The ceiling of a client",
            "Ceiling",
            examples.CEILING,
            (*_AUTHENTICATED, Code.NOT_FOUND, Code.NO_POLICY),
            answer_description="What to demand while Acrux can't be reached.",
            parameter_examples={"name": "jira"},
        ),
        "report_fallbacks": Operation(
            "Report what was decided without Acrux",
            "Receipts",
            {"receipts": [examples.RECEIPT]},
            (*_WITH_BODY, Code.IDEMPOTENCY_CONFLICT, Code.LOG_UNAVAILABLE, Code.DATABASE_UNAVAILABLE),
            answer_description="The records are durable.",
            request="FallbackReports",
            request_example=examples.FALLBACKS,
        ),
        "rp_authorize": Operation(
            "Begin a login through the redirect adapter",
            None,
            "",
            _ADAPTER,
            _REDIRECTS,
            header_parameters=_AUTHORIZATION,
            parameter_examples=_PARTY,
            success="302",
            also=("Location",),
            otherwise="text/html",
            public=True,
        ),
        "rp_authorize_by_form": Operation(
            "Begin a login through the redirect adapter, by a form",
            None,
            "",
            (*_ADAPTER, Code.BODY_TOO_LARGE),
            _REDIRECTS,
            request="AuthorizationForm",
            request_example=examples.AUTHORIZATION,
            request_media=_FORM,
            parameter_examples=_PARTY,
            success="302",
            also=("Location",),
            otherwise="text/html",
            public=True,
        ),
        "rp_discovery": Operation(
            "The discovery document of a client",
            "Discovery",
            examples.DISCOVERY,
            (Code.INVALID_REQUEST, Code.NOT_FOUND, Code.TOO_MANY_REQUESTS, Code.PROVIDER_UNAVAILABLE),
            "The provider's, led through the redirect adapter.",
            parameter_examples=_PARTY,
            public=True,
        ),
        "rp_token": Operation(
            "The token guard",
            "Tokens",
            examples.TOKENS,
            (*_ADAPTER, Code.BODY_TOO_LARGE, Code.UNAUTHENTICATED),
            "The provider's answer, byte for byte: the login is what was decided.",
            request="TokenForm",
            request_example=examples.TOKEN_REQUEST,
            request_media=_FORM,
            parameter_examples=_PARTY,
            otherwise="application/json",
            public=True,
        ),
        "healthz": Operation(
            "Alive?", "Health", {"status": "alive"}, (Code.INVALID_REQUEST,), "The process answers.", public=True
        ),
        "readyz": Operation(
            "Ready?",
            "Readiness",
            examples.READINESS,
            (Code.INVALID_REQUEST,),
            "This node decides and logs. The details are for callers with a token.",
            more_responses=_NOT_READY,
            token_optional=True,
        ),
        "metrics": Operation(
            "Prometheus' metrics",
            None,
            examples.METRICS,
            (Code.UNAUTHENTICATED, Code.INVALID_REQUEST),
            "Of all workers of the node.",
            media_type="text/plain",
        ),
        "openapi": Operation(
            "This document",
            None,
            "openapi: 3.1.0\n",
            (Code.INVALID_REQUEST,),
            "OpenAPI 3.1.",
            media_type="application/yaml",
            public=True,
        ),
        "docs": Operation(
            "This document, as a page",
            None,
            "<!doctype html>",
            (Code.INVALID_REQUEST,),
            "HTML.",
            media_type="text/html",
            public=True,
        ),
    }
)
"""Every operation by its id."""
