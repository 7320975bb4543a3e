"""Routes on decisions: Decide's documentation, closing the loop, listing, looking up. The work is done elsewhere."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response

from acrux.http.authentication import RELYING_PARTIES
from acrux.http.calls import Call, caller
from acrux.http.outcome import close_loop
from acrux.http.schemas import DecisionIdPath

router: Final = APIRouter(tags=["decisions"])


@router.post("/v1/decisions", operation_id="decide")
async def decide(_call: Annotated[Call, Depends(caller(RELYING_PARTIES))]) -> None:
    """Decides which assurance level a login needs, and says how to ask the provider for it.

    200 means that the record is durable. `authorization_params` are ready to merge into the authorization request,
    replacing what it had. The `ticket` goes into the login's own state, and from there into the outcome call.
    """
    # Documentation only: `acrux.http.decide` answers before FastAPI sees the request.


@router.post("/v1/decisions/{decision_id}/outcome", operation_id="outcome")
async def outcome(call: Annotated[Call, Depends(caller(RELYING_PARTIES))], decision_id: DecisionIdPath) -> Response:
    """Judges what the provider returned against the decision: admit the login only where `admit` is true.

    A verdict is always a 200. A decision is used up by its first verdict other than `invalid` and `mismatched`.
    """
    return Response(await close_loop(call, decision_id), media_type="application/json")
