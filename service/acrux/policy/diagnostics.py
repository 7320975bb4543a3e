"""What is wrong in a policy set, and where: plain values. No file is read here, and nothing is printed."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`error` keeps a set from loading; `warning` does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a policy file.

    Attributes:
        file: path relative to the set's directory, POSIX form.
        start: code-point offset in the decoded text of `file` (a byte order mark is not counted).
        end: code-point offset, exclusive; equal to `start` for a mere place.
    """

    file: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that belongs to a diagnostic, for example the first of two equal keys."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake, as shown to the author of a policy set.

    Attributes:
        code: `ACX` and four digits; docs/diagnostics.md has the table.
        severity: error or warning.
        span: the characters that are wrong.
        message: lower case, no final full stop, the author's words in backticks.
        help: how to mend it, where that is known.
        related: other places that matter.
    """

    code: str
    severity: Severity
    span: Span
    message: str
    help: str | None = None
    related: tuple[Related, ...] = ()
