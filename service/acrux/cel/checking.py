"""Type-checks an expression, always with `cel_expr_python`; gives the tree to analyse. Evaluates nothing."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from acrux.cel.decode import decode
from acrux.cel.engine import Declarations
from acrux.cel.growth import MAY_GROW, TEXT_BUDGET, largest_text
from acrux.cel.messages import problems_of
from acrux.cel.problems import EngineUnavailable, Problem, ProblemKind
from acrux.cel.tree import Name, Node, Select, walk

MAXIMUM_BYTES: Final = 4096
"""How long an expression may be in UTF-8 (policy-language.md)."""

TYPE_NAMES: Final = {"BOOL": "bool", "INT": "int", "DOUBLE": "double", "STRING": "string"}
"""Types that need no tree to be named."""
_TOO_LARGE: Final = f"the expression may make a text of more than {TEXT_BUDGET} characters"
_HAS: Final = re.compile(r"\bhas\b")


@dataclass(frozen=True, slots=True)
class CheckedExpression:
    """An expression that type-checks. Pickles small: the tree is decoded again where it is wanted.

    Attributes:
        text: as it was written.
        result_type: `bool`, `list(string)`, ...
        serialized: the checked expression as `Engine.load` takes it.
    """

    text: str
    result_type: str
    serialized: bytes = field(repr=False)
    _tree: Node | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def tree(self) -> Node:
        """The syntax tree, decoded on first use."""
        if self._tree is None:
            object.__setattr__(self, "_tree", decode(self.serialized, self.text))
        if self._tree is None:  # pragma: no cover - for the type checker
            raise AssertionError
        return self._tree

    def __reduce__(self) -> tuple[type["CheckedExpression"], tuple[str, str, bytes]]:
        return type(self), (self.text, self.result_type, self.serialized)


def check(  # noqa: PLR0911 - one return a sort of mistake
    text: str, declarations: Declarations
) -> CheckedExpression | tuple[Problem, ...]:
    """Parses and type-checks an expression.

    Args:
        text: the expression.
        declarations: the names that it may read.

    Returns:
        the checked expression, or all of its problems, sorted by place.

    Raises:
        EngineUnavailable: `cel_expr_python` is not installed here.
    """
    impossible = _impossible(text)
    if impossible is not None:
        return (impossible,)
    environment = _environment(declarations)
    from acrux.cel.literals import MAY_CONVERT, literal_problems  # noqa: PLC0415 - it imports the library too

    misused = _misused_has(text, declarations, environment) if _HAS.search(text) else ()
    try:
        compiled = environment.compile(text)
        serialized = compiled.serialize()
    except RuntimeError as error:
        found = problems_of(str(error), text, declarations)
        if not misused:
            return found
        # `has(user.id) && true` is one mistake: the type error beside it follows from it.
        rest = (problem for problem in found if problem.kind is not ProblemKind.TYPE)
        return tuple(sorted((*misused, *rest), key=lambda problem: (problem.start, problem.end)))
    if misused:
        return misused
    checked = CheckedExpression(text, TYPE_NAMES.get(compiled.return_type().name(), ""), serialized)
    if not checked.result_type:
        checked = CheckedExpression(text, checked.tree.type, serialized)
    if MAY_GROW.search(text) and largest_text(checked.tree) > TEXT_BUDGET:
        return (Problem(ProblemKind.LIMIT, 0, len(text), _TOO_LARGE),)
    if MAY_CONVERT.search(text):
        return literal_problems(checked.tree) or checked
    return checked


def _environment(declarations: Declarations) -> Any:
    try:
        from acrux.cel.google_library import environment  # noqa: PLC0415 - platforms without a wheel import this room too
    except ImportError as error:
        raise EngineUnavailable(
            "checking expressions needs `cel-expr-python`: pip install 'acrux[service]' where there is a wheel of it"
        ) from error
    return environment(declarations)


def _impossible(text: str) -> Problem | None:
    """What must not reach the C++ parser."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        return Problem(ProblemKind.SYNTAX, error.start, error.end, "not a Unicode character")
    if size > MAXIMUM_BYTES:
        return Problem(
            ProblemKind.LIMIT, 0, len(text), f"the expression has {size} bytes, at most {MAXIMUM_BYTES} are allowed"
        )
    nul = text.find("\0")
    if nul >= 0:
        return Problem(ProblemKind.SYNTAX, nul, nul + 1, "unexpected character NUL")
    return None


def _misused_has(text: str, declarations: Declarations, environment: Any) -> tuple[Problem, ...]:
    """`has(client.id)`: in the checked tree it is the variable itself, so it is looked for before checking."""
    try:
        parsed = decode(environment.compile(text, disable_check=True).serialize(), text)
    except RuntimeError:
        return ()
    found = []
    for node in walk(parsed):
        if isinstance(node, Select) and node.test_only:
            name = _dotted(node)
            if name in declarations:
                start = max(text.rfind("has", 0, node.start + 1), 0)
                found.append(
                    Problem(
                        ProblemKind.HAS,
                        start,
                        node.end,
                        f"`has()` can't ask whether `{name}` is there",
                        name,
                        f'write `"{name}" in known`',
                    )
                )
    return tuple(sorted(found, key=lambda problem: problem.start))


def _dotted(node: Node) -> str | None:
    match node:
        case Name(name=name, local=False):
            return name
        case Select(operand=operand, field=name):
            before = _dotted(operand)
            return None if before is None else f"{before}.{name}"
        case _:
            return None
