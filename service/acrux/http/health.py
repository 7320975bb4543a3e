"""Alive, ready, measured: what machines ask of a node. No login is touched."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials

from acrux.domain.facts import format_timestamp
from acrux.http.authentication import EVERYBODY, authenticate
from acrux.http.calls import BEARER, NO_QUERY, answer
from acrux.http.envelope import header
from acrux.http.policies import failure_to_json, loaded_at
from acrux.http.problems import Problem
from acrux.wiring.geography import GeoipState
from acrux.wiring.geoip import GeoipFact
from acrux.wiring.metrics import CONTENT_TYPE
from acrux.wiring.services import Services

router: Final = APIRouter(tags=["operation"])
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]


@router.get("/healthz", operation_id="healthz", dependencies=NO_QUERY)
async def healthz() -> Response:
    """The process answers."""
    return answer({"status": "alive"})


@router.get("/readyz", operation_id="readyz", dependencies=NO_QUERY)
async def readyz(request: Request, _documented: _Credentials) -> Response:
    """Whether this node can decide and log; with a token also why not. 503 where it can't."""
    services: Services = request.app.state.services
    ready = services.policy.active is not None and services.log.available
    content: dict[str, Any] = {"status": "ready" if ready else "not_ready"}
    if await _has_token(services, request):
        content |= {"policy": _policy(services), "log": _log(services), "geoip": _geoip(services)}
    response = answer(content, 200 if ready else 503)
    if not ready:
        response.headers["retry-after"] = str(services.settings.retry_after_seconds)
    return response


@router.get("/metrics", operation_id="metrics", dependencies=NO_QUERY)
async def metrics(request: Request, _documented: _Credentials) -> Response:
    """Prometheus' text format, for all workers of the node. Public where the operator says so."""
    services: Services = request.app.state.services
    if not services.settings.metrics_public:
        await authenticate(services, header(request.scope, b"authorization"), EVERYBODY)
    return Response(services.metrics.render(), media_type=CONTENT_TYPE)


async def _has_token(services: Services, request: Request) -> bool:
    try:
        await authenticate(services, header(request.scope, b"authorization"), EVERYBODY)
    except Problem:
        return False
    return True


def _policy(services: Services) -> dict[str, Any]:
    holder = services.policy
    return {
        "revision": holder.revision,
        "loaded_at": loaded_at(holder),
        "failure": failure_to_json(holder.last_error),
    }


def _geoip(services: Services) -> dict[str, Any]:
    states = {} if services.geography is None else services.geography.states
    return {fact.value: None if (state := states.get(fact)) is None else _geoip_file(state) for fact in GeoipFact}


def _geoip_file(state: GeoipState) -> dict[str, Any]:
    failure = state.failure
    return {
        "type": state.database_type,
        "built_at": format_timestamp(state.built_at),
        "loaded_at": format_timestamp(state.loaded_at),
        "failure": None if failure is None else {"at": format_timestamp(failure.at), "summary": failure.summary},
    }


def _log(services: Services) -> dict[str, Any]:
    status = services.status()
    return {
        "available": services.log.available,
        "unshipped_count": status.unshipped_count,
        "lag_seconds": status.lag_seconds,
        "database_reachable": status.database_reachable,
    }
