"""The one module that imports `cel_expr_python`: environments for a set of declarations. No policy words."""

import threading
from collections import OrderedDict
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_strings

from acrux.cel.engine import Declarations
from acrux.cel.network import NETWORK_FUNCTIONS
from acrux.domain.facts import FactType

_TYPES: Final = {
    FactType.STRING: cel.Type.STRING,
    FactType.BOOL: cel.Type.BOOL,
    FactType.INT: cel.Type.INT,
    FactType.DOUBLE: cel.Type.DOUBLE,
    FactType.TIMESTAMP: cel.Type.TIMESTAMP,
    FactType.DURATION: cel.Type.DURATION,
    FactType.STRING_LIST: cel.Type.List(cel.Type.STRING),
}
_RESULTS: Final = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "string": cel.Type.STRING}
_KEPT_ENVIRONMENTS: Final = 64

ERROR_TYPE: Final[Any] = cel.Type.ERROR


def _network_extension() -> Any:
    overloads: dict[str, list[Any]] = {}
    for entry in NETWORK_FUNCTIONS:
        overload = cel.Overload(
            entry.overload,
            return_type=_RESULTS[entry.result],
            parameters=[cel.Type.STRING] * entry.arity,
            is_member=entry.member,
            impl=entry.function,
        )
        overloads.setdefault(entry.name, []).append(overload)
    return cel.CelExtension("acrux.network", [cel.FunctionDecl(name, found) for name, found in overloads.items()])


class _Environments:
    """Environments by declarations: making one takes 140 microseconds, looking one up must take less than one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_content: OrderedDict[frozenset[tuple[str, FactType]], Any] = OrderedDict()
        # Read and replaced whole, so that threads see a matching pair without a lock.
        self._last: tuple[Declarations | None, Any] = (None, None)

    def get(self, declarations: Declarations) -> Any:
        known, environment = self._last
        if known is declarations:
            return environment
        key = frozenset(declarations.items())
        with self._lock:
            environment = self._by_content.get(key)
            if environment is None:
                environment = cel.NewEnv(
                    variables={name: _TYPES[kind] for name, kind in declarations.items()},
                    extensions=[ext_strings.ExtStrings(), ext_math.ExtMath(), _network_extension()],
                )
                self._by_content[key] = environment
                if len(self._by_content) > _KEPT_ENVIRONMENTS:
                    self._by_content.popitem(last=False)
        self._last = (declarations, environment)
        return environment


_ENVIRONMENTS: Final = _Environments()


def environment(declarations: Declarations) -> Any:
    """The `cel.Env` that declares those names, the string and math extensions and the network functions."""
    return _ENVIRONMENTS.get(declarations)
