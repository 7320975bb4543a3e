"""What can be wrong with an expression, before it runs and while it runs. No library, no policy words."""

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """The sort of mistake in an expression."""

    SYNTAX = "syntax"
    UNKNOWN_NAME = "unknown_name"
    TYPE = "type"
    FUNCTION = "function"
    """No function of that name."""
    HAS = "has"
    """`has()` on a declared dotted variable: it compiles, and gives the variable's value instead of a bool."""
    LIMIT = "limit"
    PORTABILITY = "portability"
    """The two engines may judge the expression differently."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake at its place in the text of an expression.

    Attributes:
        kind: the sort of mistake.
        start: offset of the first character, in code points from 0.
        end: offset after the last character.
        message: lower case, one line, no final full stop.
        name: the name in question, where there is one.
        help: what to write instead, where that is known.
    """

    kind: ProblemKind
    start: int
    end: int
    message: str
    name: str | None = None
    help: str | None = None


class ExpressionError(ValueError):
    """An expression that does not compile; `problems` says why, all at once, sorted by place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class EngineUnavailable(RuntimeError):  # noqa: N818 - the name is the room's contract
    """The library behind an engine is not installed; the message says what to install."""


@dataclass(frozen=True, slots=True)
class EvaluationError:
    """What an evaluation gives instead of a value: a value itself, never an exception.

    Attributes:
        message: the engine's own words. They may quote facts: they are for the trace, not for the log of the service.
    """

    message: str
