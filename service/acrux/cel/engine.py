"""The seam between the rooms above and a CEL library: what an engine promises. Implementations stand beside it."""

import importlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from acrux.cel.problems import EngineUnavailable, EvaluationError
from acrux.domain.facts import FactType, FactValue

if TYPE_CHECKING:
    from acrux.cel.checking import CheckedExpression

CelValue: TypeAlias = bool | int | float | str | bytes | datetime | timedelta | list[Any] | dict[Any, Any] | None
"""What an expression gives, as plain Python values."""

Declarations: TypeAlias = Mapping[str, FactType]
"""The names that expressions may read, with their types. Engines remember a mapping by identity: never change one."""

ENGINE_NAMES: tuple[Literal["google"], Literal["celpy"]] = ("google", "celpy")


class Activation(Protocol):
    """The facts of one decision, converted once for an engine and shared by its programs. Opaque."""


class Program(Protocol):
    """A compiled expression. May be shared by threads. Never raises for what facts hold."""

    @property
    def text(self) -> str:
        """The expression as it was written."""

    def evaluate(self, activation: Activation) -> CelValue | EvaluationError:
        """The value, whatever its type. An absent fact is an error that only `&&`, `||`, `?:` and macros can absorb."""

    def matches(self, activation: Activation) -> bool | EvaluationError:
        """The value where it is a bool; anything else, and whatever the library raises, is an `EvaluationError`."""


class Engine(Protocol):
    """A CEL library. May be shared by threads."""

    @property
    def name(self) -> Literal["google", "celpy"]:
        """How settings and the command line call it."""

    def compile(self, text: str, declarations: Declarations) -> Program:
        """A program for an expression.

        Raises:
            ExpressionError: it does not compile; the problems are those of `check`.
        """

    def load(self, checked: "CheckedExpression", declarations: Declarations) -> Program:
        """A program for an expression that `check` passed with the same declarations; much faster than `compile`."""

    def activation(self, facts: Mapping[str, FactValue], declarations: Declarations) -> Activation:
        """The facts for evaluation. A fact that is not there is absent; so is a string that the engines can't hold."""


def load_engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        EngineUnavailable: there is no such engine, or its library is not installed here; the message says what to do.
    """
    modules = {"google": "acrux.cel.google_engine", "celpy": "acrux.cel.celpy_engine"}
    if name not in modules:
        raise EngineUnavailable(f"no engine `{name}`: choose `google` or `celpy`")
    try:
        module = importlib.import_module(modules[name])
    except ImportError as error:
        package = {"google": "cel-expr-python", "celpy": "cel-python"}[name]
        raise EngineUnavailable(
            f"the engine `{name}` needs `{package}`: pip install 'acrux[service]' "
            "(where there is no wheel of it, set ACRUX_CEL_ENGINE to the other engine)"
        ) from error
    engine: Engine = module.ENGINE
    return engine


def holdable(value: str) -> bool:
    """Whether a text reaches both engines unchanged: no NUL (the C++ runtime cuts there) and no lone surrogate."""
    if value.isascii():
        return "\0" not in value
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value
