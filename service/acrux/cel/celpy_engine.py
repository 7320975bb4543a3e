"""The second, independent engine: `celpy`, interpreted. Only here and in `celpy_values` is it imported. Never checks.

What must not change: only `InterpretedRunner` (the compiled one keeps activations in module globals and mixes up
threads), never `annotations=` (an absent fact would evaluate as its type, which fails open), and silent loggers (they
print facts).
"""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import celpy
from celpy import celtypes
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError, Evaluator

from acrux.cel.celpy_functions import NAMESPACED, STRING_METHODS
from acrux.cel.celpy_values import MENDED, from_celpy, to_celpy
from acrux.cel.checking import CheckedExpression, check
from acrux.cel.engine import Activation, CelValue, Declarations, holdable
from acrux.cel.network import NETWORK_FUNCTIONS
from acrux.cel.problems import EvaluationError, ExpressionError, Problem, ProblemKind
from acrux.domain.facts import FactValue

_LOGGER: Final = logging.getLogger("celpy")
_LOGGER.setLevel(logging.CRITICAL + 1)
_LOGGER.propagate = False


def _plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function on plain values as one on celpy's, which turns `ValueError` and `TypeError` into evaluation errors."""

    def called(*args: Any) -> Any:
        for arg in args:
            if isinstance(arg, CELEvalError):
                return arg
        return to_celpy(function(*(from_celpy(arg) for arg in args)))

    return called


def _without_receiver(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for `math.ceil(x)`, where celpy hands over what `math` is as the first argument."""
    plain = _plain_function(function)
    return lambda _, *args: plain(*args)


_IP_OF_CIDR: Final = "ip of cidr"


def _functions() -> dict[str, Any]:
    found: dict[str, Any] = {name: _plain_function(function) for name, function in STRING_METHODS.items()}
    found |= {qualified: _without_receiver(function) for qualified, function in NAMESPACED.items()}
    for entry in NETWORK_FUNCTIONS:
        if "." in entry.name:
            found[entry.name] = _without_receiver(entry.function)
        else:
            found[_IP_OF_CIDR if entry.overload == "cidr_ip" else entry.name] = _plain_function(entry.function)
    # What the part before the dot evaluates to; nothing reads it.
    found |= {name.partition(".")[0]: celtypes.StringType("") for name in NAMESPACED}
    return found | MENDED


_FUNCTIONS: Final = _functions()


def _qualify(tree: Any) -> None:
    """Keeps apart what celpy knows by its last name only: `math.ceil(x)` and `.ceil()`, `cidr.ip()` and `ip(text)`."""
    for call in tree.find_data("member_dot_arg"):
        receiver, name = call.children[0], call.children[1]
        idents = [part for part in receiver.iter_subtrees() if part.data == "ident"]
        alone = receiver.data == "member" and len(list(receiver.iter_subtrees())) == _LONE_IDENT and len(idents) == 1
        qualified = f"{idents[0].children[0]}.{name}" if alone else ""
        if qualified in _FUNCTIONS:
            call.children[1] = name.update(value=qualified)
        elif name == "ip":
            call.children[1] = name.update(value=_IP_OF_CIDR)


_LONE_IDENT: Final = 3
"""How many trees an identifier alone is made of: member, primary, ident."""


class _Evaluator(Evaluator):
    """Every error as a value where it arises: celpy raises some through `&&` and `||`, which should absorb them."""

    def sub_evaluator(self, ast: Any) -> Evaluator:
        return _Evaluator(ast, activation=self.activation)

    def _visit_tree(self, tree: Any) -> Any:
        # In place of the library's method and not around it: the depth of the stack limits expressions.
        try:
            return getattr(self, tree.data)(tree)
        except CELEvalError as error:
            return error
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            return CELEvalError(str(error), type(error), error.args, tree=tree)


class _Runner(celpy.InterpretedRunner):
    """Interprets, with that evaluator; a new one for each evaluation."""

    def evaluate(self, context: Any) -> Any:
        return _Evaluator(ast=self.ast, activation=self.new_activation()).evaluate(context)


# What celpy needs for a long chain of operators; set once, when this engine is chosen, and never lowered.
sys.setrecursionlimit(max(2500, sys.getrecursionlimit()))


class _Environments(threading.local):
    """One environment for each thread: they must not be shared (facts/cel.md)."""

    def __init__(self) -> None:
        limit = sys.getrecursionlimit()
        self.environment = celpy.Environment(runner_class=_Runner)
        # It has set the limit of the whole process, perhaps lower than somebody needs it.
        sys.setrecursionlimit(limit)


_ENVIRONMENTS: Final = _Environments()
_PARSING: Final = threading.Lock()
"""The parser is one for the whole process."""


class CelpyActivation:
    """The facts as celpy's values, converted once."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


class CelpyProgram:
    """An interpreted expression. One may be shared by threads: each evaluation has an evaluator of its own."""

    __slots__ = ("_runner", "text")

    def __init__(self, text: str, runner: Any) -> None:
        self.text = text
        self._runner = runner

    def _run(self, activation: Activation) -> Any:
        if not isinstance(activation, CelpyActivation):
            raise TypeError("an activation of another engine")
        return self._runner.evaluate(activation.values)

    def evaluate(self, activation: Activation) -> CelValue | EvaluationError:
        """See `Program.evaluate`."""
        try:
            return from_celpy(self._run(activation))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an evaluation error (facts/cel.md)
            return EvaluationError(_words(error))

    def matches(self, activation: Activation) -> bool | EvaluationError:
        """See `Program.matches`."""
        value = self.evaluate(activation)
        if value is True or value is False or isinstance(value, EvaluationError):
            return value
        return EvaluationError("the expression gave no bool")


def _words(error: Exception) -> str:
    """The first part of celpy's arguments: the rest are trees and, in places, whole activations."""
    first = str(error.args[0]) if error.args else type(error).__name__
    return first.partition(" (in activation")[0]


class CelpyEngine:
    """`celpy` behind the `Engine` protocol."""

    name: Literal["celpy"] = "celpy"

    def compile(self, text: str, declarations: Declarations) -> CelpyProgram:
        """See `Engine.compile`."""
        checked = check(text, declarations)
        if isinstance(checked, tuple):
            raise ExpressionError(checked)
        return self.load(checked, declarations)

    def load(self, checked: CheckedExpression, declarations: Declarations) -> CelpyProgram:  # noqa: ARG002 - untyped
        """See `Engine.load`.

        Raises:
            ExpressionError: celpy can't parse what the checker could.
        """
        environment = _ENVIRONMENTS.environment
        try:
            with _PARSING:
                tree = environment.compile(checked.text)
        except (CELParseError, RecursionError) as error:
            problem = Problem(ProblemKind.PORTABILITY, 0, len(checked.text), "the engine `celpy` can't parse this")
            raise ExpressionError((problem,)) from error
        _qualify(tree)
        return CelpyProgram(checked.text, environment.program(tree, functions=_FUNCTIONS))

    def activation(self, facts: Mapping[str, FactValue], declarations: Declarations) -> CelpyActivation:  # noqa: ARG002 - untyped
        """See `Engine.activation`."""
        values: dict[str, Any] = {}
        for name, value in facts.items():
            if isinstance(value, tuple) and not holdable("".join(value)):
                continue
            if isinstance(value, str) and not holdable(value):
                continue
            try:
                values[name] = to_celpy(value)
            except (TypeError, ValueError):
                continue  # out of the range of its type: absent, as the other engine has it
        return CelpyActivation(values)


ENGINE: Final = CelpyEngine()
