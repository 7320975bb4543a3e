"""The active set, every set that was ever active, and reloading. No set is validated here."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from acrux.decisionlog.revisions import list_revisions, load_revision
from acrux.domain.facts import format_timestamp
from acrux.http import schemas
from acrux.http.authentication import AUTHORS, POLICY_READERS
from acrux.http.calls import Call, answer, caller, from_database
from acrux.http.problems import Code, Problem
from acrux.policy.request import FieldError
from acrux.wiring.services import PolicyFailure, PolicyHolder

router: Final = APIRouter(tags=["policy"])


@router.get("/v1/policy", operation_id="policy")
async def policy(call: Annotated[Call, Depends(caller(POLICY_READERS))]) -> Response:
    """The active set, and why a newer one was not taken."""
    checked = call.decider().compiled.checked
    holder = call.services.policy
    return answer(
        {
            "revision": checked.revision,
            "loaded_at": loaded_at(holder),
            "files": files_to_json(checked.files),
            "failure": failure_to_json(holder.last_error),
        }
    )


@router.post("/v1/policy/reload", operation_id="reload")
async def reload(call: Annotated[Call, Depends(caller(AUTHORS))]) -> Response:
    """Reads the policy directory; answers when every worker has the set. A broken set is a problem, and not taken."""
    try:
        report = await call.services.reload()
    except OSError as failure:
        raise Problem(Code.NO_POLICY, f"the set could not be reloaded: {failure}") from failure
    if report.failure is not None or report.revision is None:
        raise _broken(report.failure)
    return answer({"revision": report.revision, "changed": report.changed})


@router.get("/v1/policy/revisions", operation_id="revisions")
async def revisions(
    call: Annotated[Call, Depends(caller(POLICY_READERS, takes_query=True))],
    page: Annotated[schemas.RevisionsQuery, Query()],
) -> Response:
    """Every set that ever decided, the newest first."""
    kept = await from_database(lambda: list_revisions(call.services.database, page.limit))
    active = call.services.policy.revision
    items = [
        {
            "revision": one.revision,
            "activated_at": format_timestamp(one.first_at),
            "active": one.revision == active,
        }
        for one in kept
    ]
    return answer({"items": items, "next_cursor": None})


@router.get("/v1/policy/revisions/{revision}", operation_id="revision")
async def revision(
    call: Annotated[Call, Depends(caller(POLICY_READERS))],
    revision: Annotated[
        str, Path(pattern=schemas.REVISION_PATTERN, description="The policy set, by its `sha256:...`.")
    ],
) -> Response:
    """The files of a set that decided."""
    files = await from_database(lambda: load_revision(call.services.database, revision))
    if files is None:
        raise Problem(Code.NOT_FOUND, "no set of this revision has decided")
    active = revision == call.services.policy.revision
    return answer({"revision": revision, "active": active, "files": files_to_json(files)})


def _broken(failure: PolicyFailure | None) -> Problem:
    if failure is None:
        return Problem(Code.NO_POLICY, "there is no policy set")
    errors = [
        FieldError("", f"{one['file']}:{one['line']}:{one['column']}: {one['code']}: {one['message']}")
        for one in failure.diagnostics
        if one["severity"] == "error"
    ]
    return Problem(Code.INVALID_POLICY, failure.summary, errors=errors)


def loaded_at(holder: PolicyHolder) -> str | None:
    """When the active set was loaded, as text."""
    return None if holder.loaded_at is None else format_timestamp(holder.loaded_at)


def failure_to_json(failure: PolicyFailure | None) -> dict[str, Any] | None:
    """Why the newest set was not taken."""
    if failure is None:
        return None
    return {
        "at": format_timestamp(failure.at),
        "summary": failure.summary,
        "diagnostics": [dict(diagnostic) for diagnostic in failure.diagnostics],
    }


def files_to_json(files: Any) -> dict[str, str]:
    """Policy files by path; a loaded set is UTF-8."""
    return {path: content.decode() for path, content in sorted(files.items())}
