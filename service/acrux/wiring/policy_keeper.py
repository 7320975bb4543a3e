"""Keeps the one validated policy set of a node: loads, refuses, remembers the last good one. It decides no login."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import pickle
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from acrux.analysis.loading import PolicyRejected, load_policy
from acrux.decisionlog.errors import LogUnavailable
from acrux.domain.facts import Json
from acrux.policy.load import read_directory
from acrux.policy.model import CheckedPolicy
from acrux.policy.reports import to_json
from acrux.policy.revision import revision_of
from acrux.wiring.last_good import LastGoodPolicy
from acrux.wiring.messages import PolicyOffer
from acrux.wiring.services import PolicyFailure

_log: Final = logging.getLogger(__name__)
_SHOWN_ERRORS: Final = 10


class PolicyKeeper:
    """The set that this node decides with, and why a newer one was not taken.

    A set is validated here once, whatever the number of workers (policy-language.md, "Loading"). Anything wrong keeps
    the last good set, which is also remembered in the state directory.

    Args:
        directory: the policy directory.
        engine: the name of the CEL engine that decides.
        on_activated: told of each new set before it is offered to anybody, with its time.

    Attributes:
        offer: what workers are told.
        checked: the active set; None while there has been none.
    """

    __slots__ = ("_clock", "_directory", "_engine", "_last_good", "_numbers", "_on_activated", "checked", "offer")

    def __init__(
        self,
        directory: Path,
        *,
        engine: str,
        last_good: LastGoodPolicy,
        clock: Callable[[], datetime],
        on_activated: Callable[[CheckedPolicy, datetime], Awaitable[None]],
    ) -> None:
        self._directory = directory
        self._engine = engine
        self._last_good = last_good
        self._clock = clock
        self._on_activated = on_activated
        self._numbers = itertools.count(1)
        self.checked: CheckedPolicy | None = None
        self.offer = PolicyOffer(0, None, None, None)

    async def start(self) -> None:
        """Loads the directory's set; where it is broken, the last good one, saying so."""
        await self.reload()
        if self.checked is not None:
            return
        failure = self.offer.failure
        kept = self._last_good.recall()
        if kept is None:
            return
        try:
            await self._take(kept)
        except (PolicyRejected, LogUnavailable):
            _log.exception("the last good policy set can't be used either")
            return
        self.offer = PolicyOffer(next(self._numbers), self.offer.pickled, self.offer.loaded_at, failure)
        _log.warning("deciding with the last good policy set %s", self._revision())

    async def reload(self) -> bool:
        """Reads the directory; True when the active set is another one now. What was wrong is in `offer.failure`."""
        try:
            files = await asyncio.to_thread(read_directory, self._directory)
        except OSError as error:
            self._refuse(f"{error.filename or self._directory} can't be read: {error.strerror}", ())
            return False
        if self.checked is not None and revision_of(files) == self.checked.revision:
            self._absolve()
            return False
        try:
            await self._take(files)
        except PolicyRejected as rejected:
            self._refuse(str(rejected), _findings(rejected))
            return False
        except LogUnavailable as failure:
            self._refuse(f"its activation can't be logged: {failure}", ())
            return False
        await asyncio.to_thread(self._last_good.keep, dict(files))
        return True

    async def _take(self, files: Mapping[str, bytes]) -> None:
        loaded = await asyncio.to_thread(load_policy, files, self._engine)
        checked = loaded.decider.compiled.checked
        pickled = await asyncio.to_thread(pickle.dumps, checked, pickle.HIGHEST_PROTOCOL)
        at = self._clock()
        await self._on_activated(checked, at)
        self.checked = checked
        self.offer = PolicyOffer(next(self._numbers), pickled, at, None)
        _log.info("policy set %s is active: %d rules", checked.revision, len(checked.rules))

    def _refuse(self, summary: str, diagnostics: tuple[Mapping[str, Json], ...]) -> None:
        errors = [found for found in diagnostics if found["severity"] == "error"]
        _log.error("the policy set in %s is not taken: %s", self._directory, summary)
        for found in errors[:_SHOWN_ERRORS]:
            place = f"{found['file']}:{found['line']}:{found['column']}"
            _log.error("  %s: %s: %s", place, found["code"], found["message"])
        if len(errors) > _SHOWN_ERRORS:
            _log.error("  and %d more: `acrux check %s`", len(errors) - _SHOWN_ERRORS, self._directory)
        failure = PolicyFailure(self._clock(), summary, diagnostics)
        self.offer = PolicyOffer(next(self._numbers), self.offer.pickled, self.offer.loaded_at, failure)

    def _absolve(self) -> None:
        # The broken set was taken back: the active one is the newest again.
        if self.offer.failure is not None:
            self.offer = PolicyOffer(next(self._numbers), self.offer.pickled, self.offer.loaded_at, None)

    def _revision(self) -> str:
        return "none" if self.checked is None else self.checked.revision


def _findings(rejected: PolicyRejected) -> tuple[Mapping[str, Json], ...]:
    """What is wrong with a set, in the JSON shape of diagnostics; failed tests and invariants have a place too."""
    found: list[Mapping[str, Json]] = list(to_json(rejected.diagnostics, rejected.sources))
    for case in rejected.failed_cases:
        message = f"test `{case.name}` fails: expected {_shown(case.expected)}, got {_shown(case.actual)}"
        found.append(_finding("test", case.file, case.line, message))
    for violation in rejected.violations:
        place = violation.place
        found.append(_finding("invariant", place.file, place.line, violation.message))
    return tuple(found)


def _finding(code: str, file: str, line: int, message: str) -> Mapping[str, Json]:
    return {
        "code": code,
        "severity": "error",
        "file": file,
        "line": line,
        "column": 1,
        "end_line": line,
        "end_column": 1,
        "message": message,
        "help": "run `acrux test` on the set",
        "related": [],
    }


def _shown(values: Mapping[str, Json]) -> str:
    return ", ".join(f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
