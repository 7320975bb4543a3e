"""Why a login is refused, and the page that says so. No framework; nothing secret, nothing unescaped."""

import html
import re
from dataclasses import dataclass
from enum import StrEnum

from acrux.client.errors import AcruxError
from acrux.client.values import Decision, Verdict, VerdictName

STARTS_AGAIN = frozenset(
    {VerdictName.EXPIRED, VerdictName.DOWNGRADED, VerdictName.STALE, VerdictName.INSUFFICIENT},
)
"""The verdicts after which a login is started again, once (relying-parties.md, "The client")."""
UNMET = "unmet_authentication_requirements"
"""OpenID Connect Core Unmet Authentication Requirements 1.0: the provider could not do what was essential."""
# Stricter than RFC 6749 appendix A.7: whoever made the user's link may have chosen it, and it stands on our page.
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""What the page is sent with."""


class Cause(StrEnum):
    """What a login was refused for, in a word that programs branch on."""

    DENIED = "denied"  # the policy refuses it
    NOT_SATISFIED = "not_satisfied"  # what came back is not what was asked for
    UNMET = "unmet"  # the provider could not do what was asked for
    PROVIDER = "provider"  # the provider answered another error, or nothing that can be used
    NO_LOGIN = "no_login"  # there is no login under way that this answer belongs to
    UNAVAILABLE = "unavailable"  # Acrux refuses, or can't be had and nothing may stand in


_SENTENCES = {
    Cause.DENIED: "You can't sign in to this application from here.",
    Cause.NOT_SATISFIED: "You were not signed in: this application needs a stronger sign-in than what came back.",
    Cause.UNMET: "You were not signed in: the second factor that this application needs was not completed.",
    Cause.PROVIDER: "You were not signed in: the sign-in service answered with an error.",
    Cause.NO_LOGIN: "You were not signed in: this sign-in is not under way any more. Please start again.",
    Cause.UNAVAILABLE: "You can't sign in at the moment. Please try again in a few minutes.",
}
_DEFAULT_HELP_DESK = "If that goes on, send what is in the box to your help desk."
_STYLE = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:10vh auto;"
    "padding:0 1.2rem}h1{font-size:1.6rem;line-height:1.2}"
    # One tap or click selects all of it: no script is needed to copy it.
    "code{display:block;padding:.8rem 1rem;border:1px solid;border-radius:.6rem;overflow-wrap:anywhere;"
    "font:600 .95rem/1.5 ui-monospace,monospace;-webkit-user-select:all;user-select:all}"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused login.

    Attributes:
        cause: what for.
        code: a verdict, the provider's error code, or ''; short and harmless.
        decision_id: the decision, or '' if there was none: what a help desk looks up.
        help_desk: a sentence of the application's own, such as where to call.
    """

    cause: Cause
    code: str = ""
    decision_id: str = ""
    help_desk: str = ""

    @property
    def status(self) -> int:
        """The HTTP status: 503 where waiting helps, else 403."""
        return 503 if self.cause is Cause.UNAVAILABLE else 403

    @property
    def text(self) -> str:
        """What to tell the user, in plain text."""
        return "\n".join(line for line in (_SENTENCES[self.cause], self.help_desk, self._reference) if line)

    def page(self) -> str:
        """What to tell the user, as an HTML page that needs nothing else."""
        sentence, call = html.escape(_SENTENCES[self.cause]), html.escape(self.help_desk or _DEFAULT_HELP_DESK)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not signed in</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
            f"<body><main><h1>Not signed in</h1><p>{sentence}</p><p>{call}</p>"
            f"<p><code>{html.escape(self._reference)}</code></p></main></body></html>"
        )

    @property
    def _reference(self) -> str:
        """What a help desk asks for, on one line."""
        code = f"Code for the help desk: {self.code or self.cause.value}"
        return f"{code}, decision {self.decision_id}." if self.decision_id else f"{code}."


def of_denial(decision: Decision, help_desk: str) -> Refusal:
    """The refusal of a login that the policy denies."""
    return Refusal(Cause.DENIED, "denied", decision.id, help_desk)


def of_verdict(verdict: Verdict, help_desk: str) -> Refusal:
    """The refusal of a login that was judged."""
    if verdict.retry is not None and verdict.retry.denied:
        return of_denial(verdict.retry, help_desk)
    cause = Cause.DENIED if verdict.name is VerdictName.DENIED else Cause.NOT_SATISFIED
    return Refusal(cause, verdict.name.value, verdict.decision_id, help_desk)


def of_provider_error(error: str, decision_id: str, help_desk: str) -> Refusal:
    """The refusal of a login that the provider ended with an error; its code is shown, its description is not."""
    code = error if _ERROR_CODE.fullmatch(error) else "error"
    return Refusal(Cause.UNMET if code == UNMET else Cause.PROVIDER, code, decision_id, help_desk)


def starts_again(verdict: Verdict) -> bool:
    """Whether a login that was judged so is worth another trip: what can come out otherwise, and is not denied."""
    return verdict.name in STARTS_AGAIN and (verdict.retry is None or not verdict.retry.denied)


def of_absent_provider(decision_id: str, help_desk: str) -> Refusal:
    """The refusal of a login whose provider can't be reached, or says nothing of itself that is of use."""
    return Refusal(Cause.UNAVAILABLE, "provider_unavailable", decision_id, help_desk)


def for_log(text: str) -> str:
    """A text from outside on one line of a log: whoever made the user's link may have written it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)[:200]


def of_failure(error: AcruxError, decision_id: str, help_desk: str) -> Refusal:
    """The refusal of a login that Acrux refuses or can't decide; what it said belongs in the log, not on a page."""
    code = getattr(error, "code", "")
    return Refusal(Cause.UNAVAILABLE, code if isinstance(code, str) else "", decision_id, help_desk)
