"""The engine that decides: Google's C++ runtime through `cel_expr_python`. Checking is next door, in `checking`."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from acrux.cel.checking import CheckedExpression, check
from acrux.cel.engine import Activation, CelValue, Declarations, holdable
from acrux.cel.google_library import ERROR_TYPE, environment
from acrux.cel.problems import EvaluationError, ExpressionError
from acrux.domain.facts import FactValue


class GoogleProgram:
    """A compiled expression of the C++ runtime. One may be shared by threads."""

    __slots__ = ("_eval", "text")

    def __init__(self, text: str, expression: Any) -> None:
        self.text = text
        self._eval = expression.eval

    def matches(self, activation: Activation) -> bool | EvaluationError:
        """See `Program.matches`."""
        try:
            value = self._eval(activation).value()
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is an evaluation error (facts/cel.md)
            return EvaluationError(str(error))
        if value is True or value is False:
            return value
        return self._not_bool(activation)

    def _not_bool(self, activation: Activation) -> EvaluationError:
        value = self.evaluate(activation)
        return value if isinstance(value, EvaluationError) else EvaluationError("the expression gave no bool")

    def evaluate(self, activation: Activation) -> CelValue | EvaluationError:
        """See `Program.evaluate`."""
        try:
            value = self._eval(activation)
            plain = value.plain_value()
            failed = value.type() == ERROR_TYPE
        except Exception as error:  # noqa: BLE001 - as above
            return EvaluationError(str(error))
        return EvaluationError(str(plain)) if failed else _plain(plain)


def _plain(value: Any) -> CelValue:
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return value
        case bytearray():
            return bytes(value)
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _ if hasattr(value, "name") and callable(value.name):
            return str(value.name())
        case _:
            return value  # type: ignore[no-any-return] # datetime and timedelta


class GoogleEngine:
    """`cel_expr_python` behind the `Engine` protocol."""

    name: Literal["google"] = "google"

    def compile(self, text: str, declarations: Declarations) -> GoogleProgram:
        """See `Engine.compile`."""
        checked = check(text, declarations)
        if isinstance(checked, tuple):
            raise ExpressionError(checked)
        return self.load(checked, declarations)

    def load(self, checked: CheckedExpression, declarations: Declarations) -> GoogleProgram:
        """See `Engine.load`."""
        return GoogleProgram(checked.text, environment(declarations).deserialize(checked.serialized))

    def activation(self, facts: Mapping[str, FactValue], declarations: Declarations) -> Activation:
        """See `Engine.activation`."""
        values: dict[str, Any] = {}
        for name, value in facts.items():
            if type(value) is tuple:
                if holdable("".join(value)):
                    values[name] = list(value)
            elif type(value) is not str or holdable(value):
                values[name] = value
        activation: Activation = environment(declarations).Activation(values)
        return activation


ENGINE: Final = GoogleEngine()
