"""Step-up inside a session (RFC 9470): what is lacking, said to an API's client or to the provider. No framework.

step_up = StepUp(raises=LoginRefused)                    # the framework's, as its adapter has it

lacking = step_up.lacking(decision, claims, session)     # of the session's ID token, or of an access token
if lacking is not None:
    return 401, {"WWW-Authenticate": lacking.www_authenticate()}                      # an API
    return acrux.authorize_redirect(oauth.jira, request, uri, **lacking.params)      # an application
"""

import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from acrux.adapters.blocking import LoginRefusedError
from acrux.adapters.refusals import Cause, Refusal, of_denial
from acrux.client import Decision, VerdictName
from acrux.client.judging import delivered
from acrux.client.values import Json

ERROR = "insufficient_user_authentication"
"""RFC 9470 section 3."""
_SESSION_MEMBER = "acrux-step-up"
# RFC 9110 sections 5.6 and 11.6.1: parameters, `name=token` or `name="quoted"`, belong to the scheme before them, which
# no `=` follows.
_PART = re.compile(
    r"""(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))(?=[\s,]|$)"""
    r"""|([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=[\s,]|$))"""
)
_BETWEEN = re.compile(r"[\s,]*")
_SCHEMES = frozenset({"bearer", "dpop"})
_MAX_HEADER_CHARACTERS = 4096
_MAX_AGE = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a session, or an access token, lacks.

    Attributes:
        verdict: the row of the table: `missing`, `downgraded` or `stale`.
        acr_values: what to ask for, best first; empty where the level is asked for in another way than by acr.
        max_age_seconds: how old the login may be; None for no limit.
        params: the parameters of a new authorization request.
        decision_id: what a help desk looks up.
    """

    verdict: VerdictName
    acr_values: tuple[str, ...]
    max_age_seconds: int | None
    params: Mapping[str, str]
    decision_id: str

    def www_authenticate(self, realm: str = "") -> str:
        """The header of a 401 answer (RFC 9470 section 3, RFC 6750 section 3)."""
        members = {
            "realm": realm,
            "error": ERROR,
            "error_description": _DESCRIPTIONS[self.verdict],
            "acr_values": " ".join(self.acr_values),
            "max_age": "" if self.max_age_seconds is None else str(self.max_age_seconds),
        }
        return "Bearer " + ", ".join(f"{name}={_quoted(value)}" for name, value in members.items() if value)


class StepUp:
    """Compares what a session has with what was decided, and ends what would go round for ever.

    Args:
        attempts: how often the same session may be sent for more before it is refused: a provider that can't reach
            the level, or drops its acr, would be asked without end.
        window_seconds: how long an attempt counts.
        help_desk: a sentence for the page of the refusal.
        raises: makes the exception of a refusal: the adapter's `LoginRefused`, which its framework answers with the
            page. By itself it is `LoginRefusedError`, which no framework knows.
    """

    def __init__(
        self,
        *,
        attempts: int = 2,
        window_seconds: int = 600,
        help_desk: str = "",
        raises: Callable[[Refusal], Exception] = LoginRefusedError,
    ) -> None:
        if attempts < 1 or window_seconds < 1:
            raise ValueError("a session needs one attempt at least, and a time in which it counts")
        self._attempts = attempts
        self._window_seconds = window_seconds
        self._help_desk = help_desk
        self._raises = raises

    def lacking(
        self,
        decision: Decision,
        claims: Mapping[str, Json],
        session: MutableMapping[str, Any] | None = None,
        *,
        now: datetime | None = None,
    ) -> Lacking | None:
        """What the claims lack of a decision; None if they suffice.

        Args:
            decision: made for this request, with what the session has among its facts.
            claims: `acr` (or what else the provider says levels by) and `auth_time`, verified: of the session's ID
                token, or of an access token.
            session: where attempts are counted; None for an API, whose clients count for themselves.
            now: an aware time; by default the present one.

        Raises:
            LoginRefusedError: (what `raises` makes) the decision denies it, or this session was sent too often.
        """
        now = now or datetime.now(UTC)
        if decision.denied or decision.accept is None:
            raise self._raises(of_denial(decision, self._help_desk))
        verdict, _ = delivered(decision.accept, claims, decision.decided_at, now)
        if verdict is VerdictName.SATISFIED:
            if session is not None:
                session.pop(_SESSION_MEMBER, None)
            return None
        if session is not None:
            self._count(session, decision, verdict, now)
        asked = decision.authorization_params.get("acr_values", "").split()
        accepted = decision.accept.values if decision.accept.claim == "acr" else ()
        return Lacking(
            verdict=verdict,
            acr_values=tuple(asked or accepted),
            max_age_seconds=decision.accept.max_age_seconds,
            params=decision.authorization_params,
            decision_id=decision.id,
        )

    def params_of(
        self, www_authenticate: str, session: MutableMapping[str, Any], *, now: datetime | None = None
    ) -> dict[str, str] | None:
        """What an application asks the provider for when an API has answered 401 with this header.

        Returns:
            `acr_values` and `max_age`, as far as the header has them; None if it says something else.

        Raises:
            LoginRefusedError: (what `raises` makes) this session was sent for more too often.
        """
        params = read_challenge(www_authenticate)
        if params is not None:
            self._count(session, None, VerdictName.INSUFFICIENT, now or datetime.now(UTC))
        return params

    def _count(
        self, session: MutableMapping[str, Any], decision: Decision | None, verdict: VerdictName, now: datetime
    ) -> None:
        """Counts an attempt in the session, which a framework sees change: the member is put anew."""
        at = int(now.timestamp())
        kept = session.get(_SESSION_MEMBER)
        known = kept if isinstance(kept, list) else []
        recent = [past for past in known if isinstance(past, int) and at - self._window_seconds < past <= at]
        if len(recent) >= self._attempts:
            # The next try begins anew, once the user has seen the page.
            session.pop(_SESSION_MEMBER, None)
            decision_id = "" if decision is None else decision.id
            raise self._raises(Refusal(Cause.NOT_SATISFIED, verdict.value, decision_id, self._help_desk))
        session[_SESSION_MEMBER] = [*recent, at]


def read_challenge(www_authenticate: str) -> dict[str, str] | None:
    """The parameters that a challenge of RFC 9470 asks for; None if the header has no such challenge."""
    for scheme, members in _challenges(www_authenticate[:_MAX_HEADER_CHARACTERS]):
        if scheme not in _SCHEMES or members.get("error") != ERROR:
            continue
        found = {"acr_values": " ".join(members.get("acr_values", "").split()), "max_age": members.get("max_age", "")}
        if not _MAX_AGE.fullmatch(found["max_age"]):
            found["max_age"] = ""
        return {name: value for name, value in found.items() if value}
    return None


def _challenges(text: str) -> list[tuple[str, dict[str, str]]]:
    """The challenges of a header, each with its own parameters; what comes after a quote left open is not read."""
    found: list[tuple[str, dict[str, str]]] = []
    place = 0
    while place < len(text):
        between = _BETWEEN.match(text, place)
        place = place if between is None else between.end()
        part = _PART.match(text, place)
        if part is None:
            unread, comma, _ = text[place:].partition(",")
            if not comma or '"' in unread:
                break
            place += len(unread) + 1
            continue
        name, quoted, bare, scheme = part.groups()
        if scheme is not None:
            found.append((scheme.lower(), {}))
        elif found:
            value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), value)
        place = part.end()
    return found


_DESCRIPTIONS = {
    VerdictName.MISSING: "A different authentication level is required",
    VerdictName.DOWNGRADED: "A different authentication level is required",
    VerdictName.STALE: "More recent authentication is required",
}


def _quoted(value: str) -> str:
    """A quoted string (RFC 9110 section 5.6.4).

    Raises:
        ValueError: no header can carry it.
    """
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"no header can carry {value!r}")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
