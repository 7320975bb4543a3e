"""Listing decisions and what belonged to none, and looking one up. The log finds; nothing is decided again."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response

from acrux.decisionlog.errors import CursorInvalid, FilterInvalid, LogUnavailable
from acrux.decisionlog.filters import Filters
from acrux.decisionlog.queries import FoundDecision, Page, Queries
from acrux.decisionlog.revisions import load_revision
from acrux.http.authentication import AUDITORS, LOOKERS_UP
from acrux.http.calls import Call, answer, caller, from_database, query_pointer
from acrux.http.problems import Code, Problem, field_problem
from acrux.http.schemas import DecisionIdPath, DecisionsQuery, UnboundQuery
from acrux.policy.load import check_files
from acrux.policy.model import Rule
from acrux.storage.database import Database

router: Final = APIRouter(tags=["decisions"])
_HELD_RULES: Final = 4
_Rules = dict[str, Rule]


@router.get("/v1/decisions", operation_id="decisions")
async def decisions(
    call: Annotated[Call, Depends(caller(AUDITORS, takes_query=True))],
    query: Annotated[DecisionsQuery, Query()],
) -> Response:
    """Decisions, the newest first. A value after `!` excludes; `verdict=none` finds logins that never came back.

    What callers decided in an outage, and reported, is among them, marked by `kind`; `kind=decision` leaves it out.
    """
    return await _listing(query, lambda filters, **page: _queries(call).list(filters, open_facts=True, **page))


@router.get("/v1/unbound", operation_id="unbound")
async def unbound(
    call: Annotated[Call, Depends(caller(AUDITORS, takes_query=True))],
    query: Annotated[UnboundQuery, Query()],
) -> Response:
    """Token requests that the token guard refused because they belonged to no decision, the newest first."""
    return await _listing(query, _queries(call).unbound)


async def _listing(query: DecisionsQuery | UnboundQuery, read: Callable[..., Page]) -> Response:
    parameters = query.model_dump(exclude_unset=True, by_alias=True, exclude={"limit", "cursor"})
    try:
        filters = Filters.parse(parameters)
        page = await from_database(lambda: read(filters, limit=query.limit, cursor=query.cursor or None))
    except FilterInvalid as invalid:
        raise field_problem(query_pointer(invalid.parameter), invalid.message) from None
    except CursorInvalid as invalid:
        raise Problem(Code.NOT_FOUND, f"no such page: {invalid}") from None
    return answer({"items": page.items, "next_cursor": page.next_cursor})


@router.get("/v1/decisions/{decision_id}", operation_id="decision")
async def decision(call: Annotated[Call, Depends(caller(LOOKERS_UP))], decision_id: DecisionIdPath) -> Response:
    """A decision, what came back, its record, and its rules as they stood (null where the set can't be had)."""
    sees_facts = call.token.role in AUDITORS
    try:
        found = await from_database(lambda: _queries(call).find(decision_id, open_facts=sees_facts))
    except LogUnavailable as failure:
        raise Problem(Code.LOG_UNAVAILABLE, "this node's spool can't be read") from failure
    if found is None or not (sees_facts or call.token.may_speak_for(found.client)):
        raise Problem(Code.NOT_FOUND, "no decision that you may see has this id")
    return answer(
        {
            **found.item,
            "effects": found.effects,
            "outcomes": found.outcomes,
            "rules_as_decided": await _rules_as_decided(call, found),
            "record": found.body.decode(),
        }
    )


def _queries(call: Call) -> Queries:
    queries: Queries = call.request.app.state.queries
    return queries


async def _rules_as_decided(call: Call, found: FoundDecision) -> list[dict[str, Any]] | None:
    if found.revision is None:
        return []
    held = call.services.policy.held(found.revision)
    if held is not None:
        rules: _Rules | None = {rule.id: rule for rule in held.compiled.checked.rules}
    else:
        # Reading an old set takes CPU from the logins.
        async with call.one_set:
            revision = found.revision
            rules = await from_database(lambda: _stored_rules(call.services.database, revision))
    if rules is None:
        return None
    names = [effect["id"] for effect in found.effects if isinstance(effect, dict)]
    return [_rule_to_json(rules[name]) for name in names if name in rules]


@lru_cache(maxsize=_HELD_RULES)
def _stored_rules(database: Database, revision: str) -> _Rules | None:
    """The rules of a stored set; None where it is not stored, or is of a language that this version does not read."""
    files = load_revision(database, revision)
    checked = None if files is None else check_files(files, now=None).policy
    return None if checked is None else {rule.id: rule for rule in checked.rules}


def _rule_to_json(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "description": rule.description,
        "owner": rule.owner,
        "ticket": rule.ticket,
        "when": rule.when.text,
        "require": rule.require,
        "mode": rule.mode,
        "max_age_seconds": rule.max_age_seconds,
        "exceptions": [
            {
                "id": clause.id,
                "when": clause.when.text,
                "instead": clause.instead,
                "owner": clause.owner,
                "ticket": clause.ticket,
                "expires": clause.expires_on.isoformat(),
            }
            for clause in rule.exceptions
        ],
        "file": rule.place.file,
        "line": rule.place.line,
    }
