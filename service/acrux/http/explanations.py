"""What-if: what would be decided, and for each rule why or why not. Nothing is logged, nothing is fetched."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter

from acrux.analysis.loading import PolicyRejected, load_policy
from acrux.engine import Decider, UnmappedRequestedAcr, explanation_to_json
from acrux.http.authentication import AUTHORS
from acrux.http.calls import Call, answer, caller
from acrux.http.deciding import build_facts, unmapped_problem
from acrux.http.problems import field_problem, from_invalid
from acrux.http.schemas import ExplainRequest
from acrux.policy.drawing import to_json
from acrux.policy.request import RequestInvalid, supposed_from_json
from acrux.policy.times import parse_timestamp

router: Final = APIRouter(tags=["policy"])
_REQUEST: Final = TypeAdapter(ExplainRequest)
_FACTS: Final = "/facts"


@router.post("/v1/explanations", operation_id="explain")
async def explain(call: Annotated[Call, Depends(caller(AUTHORS))]) -> Response:
    """What would be decided then, by the active set or by an unsaved one, and the trace of every rule.

    An unsaved set that has errors is answered with its diagnostics, and no decision. Its own tests are not run.
    """
    request = await call.body(_REQUEST)
    try:
        facts = supposed_from_json(request.facts)
    except RequestInvalid as invalid:
        raise from_invalid(invalid, _FACTS) from None
    now = parse_timestamp(request.now) if "now" in request.model_fields_set else call.services.clock()
    if now is None:
        raise field_problem("/now", "expected an RFC 3339 timestamp with its zone")
    diagnostics: list[dict[str, Any]] = []
    if "policy" not in request.model_fields_set:
        decider = call.decider()
    else:
        draft, diagnostics = await _load_draft(call, request.policy)
        if draft is None:
            return answer(
                {"decision": None, "shadow_level": None, "rules": [], "break_glass": [], "diagnostics": diagnostics}
            )
        decider = draft
    built = build_facts(decider, facts, now, _FACTS)
    try:
        explanation = await asyncio.to_thread(decider.explain, built, now)
    except UnmappedRequestedAcr as unmapped:
        raise unmapped_problem(unmapped, _FACTS) from None
    return answer({**explanation_to_json(explanation), "diagnostics": diagnostics})


async def _load_draft(call: Call, texts: Mapping[str, str]) -> tuple[Decider | None, list[dict[str, Any]]]:
    files = {path: text.encode() for path, text in texts.items()}
    engine = call.services.settings.cel_engine
    # Compiling somebody's draft must not take the CPU from the logins.
    async with call.one_set:
        try:
            geography = call.services.geography
            loaded = await asyncio.to_thread(load_policy, files, engine, run_checks=False, geography=geography)
        except PolicyRejected as rejected:
            return None, to_json(rejected.diagnostics, rejected.sources)
    return loaded.decider, to_json(loaded.diagnostics, loaded.sources)
