"""One call of a route behind FastAPI: who calls, with what, and how it is answered. No route's meaning."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter

from acrux.engine import Decider
from acrux.http.authentication import authenticate
from acrux.http.bodies import parse_json, validate
from acrux.http.envelope import Disconnected, check_length, check_media_type, header, read_body
from acrux.http.problems import Code, Problem, field_problem
from acrux.http.shared import SharedLookups
from acrux.storage.database import DatabaseUnavailable
from acrux.wiring.services import Role, Services, Token

REQUEST_ID: Final = "acrux.request_id"
"""The key of the request's id in an ASGI scope."""
BEARER: Final = HTTPBearer(scheme_name="token", description="`acrux_...`, from `acrux token create`.", auto_error=False)
_Found = TypeVar("_Found")
_Model = TypeVar("_Model")


@dataclass(frozen=True, slots=True)
class Call:
    """What a route needs of its call.

    Attributes:
        services: every part.
        shared: the shared database, for questions that a login waits for.
        token: who calls.
        request_id: for the log.
        request: Starlette's view of it; its body is read only through `body`.
    """

    services: Services
    shared: SharedLookups
    token: Token
    request_id: str
    request: Request

    async def raw_body(self) -> bytes:
        """The body, which says that it is JSON.

        Raises:
            Problem: `unsupported_media_type` or `body_too_large`.
        """
        scope = self.request.scope
        check_length(header(scope, b"content-length"))
        check_media_type(header(scope, b"content-type"))
        try:
            return await read_body(self.request.receive)
        except Disconnected:
            # Nobody reads this answer; it only ends the request.
            raise Problem(Code.MALFORMED, "the caller went away before its body was here") from None

    async def body(self, adapter: TypeAdapter[_Model]) -> _Model:
        """The body in its checked form.

        Raises:
            Problem: as `raw_body`, `malformed` or `invalid_request`.
        """
        return validate(adapter, parse_json(await self.raw_body()))

    @property
    def one_set(self) -> asyncio.Semaphore:
        """Held while a set is read for a person: one at a time in each worker."""
        one_set: asyncio.Semaphore = self.request.app.state.one_set
        return one_set

    def decider(self) -> Decider:
        """The active set.

        Raises:
            Problem: `no_policy`.
        """
        return require_policy(self.services)


def require_policy(services: Services) -> Decider:
    """The active set.

    Raises:
        Problem: `no_policy`.
    """
    decider = services.policy.active
    if decider is None:
        raise Problem(Code.NO_POLICY, "no policy set has been loaded since this service was set up")
    return decider


def caller(roles: AbstractSet[Role], *, takes_query: bool = False) -> Callable[..., Awaitable[Call]]:
    """A dependency: the call, if its token has one of the roles, and its query is one that the route may have."""

    async def dependency(
        request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Call:
        services: Services = request.app.state.services
        token = await authenticate(services, header(request.scope, b"authorization"), roles)
        require_utf8(request)
        if takes_query:
            refuse_repeated_query(request)
        else:
            refuse_query(request)
        return Call(services, request.app.state.shared, token, request.scope[REQUEST_ID], request)

    return dependency


def require_utf8(request: Request) -> None:
    """What is no UTF-8 would be replaced by other characters, and then something else found than was asked for.

    Raises:
        Problem: `malformed`.
    """
    try:
        unquote_to_bytes(request.scope["raw_path"]).decode()
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError:
        raise Problem(Code.MALFORMED, "the path or the query is not UTF-8") from None


def refuse_query(request: Request) -> None:
    """A dependency of the public routes; none of them takes a query.

    Raises:
        Problem: `invalid_request`.
    """
    for name in request.query_params:
        raise field_problem(query_pointer(name), "unknown query parameter")


def refuse_repeated_query(request: Request) -> None:
    """Two values for one name have no meaning.

    Raises:
        Problem: `invalid_request`.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise field_problem(query_pointer(name), "may be given once")


def query_pointer(name: str) -> str:
    """The pointer of a query parameter in a problem's `errors`."""
    return "/query/" + name.replace("~", "~0").replace("/", "~1")


NO_QUERY: Final = [Depends(refuse_query)]


def answer(content: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(content), status, media_type="application/json")


async def from_database(read: Callable[[], _Found]) -> _Found:
    """What a blocking question to the shared database finds, asked in a thread.

    Raises:
        Problem: `database_unavailable`.
    """
    try:
        return await asyncio.to_thread(read)
    except DatabaseUnavailable as failure:
        raise Problem(Code.DATABASE_UNAVAILABLE, "the shared database can't be reached") from failure
