"""From a tree back to CEL text, so that parts without names can be evaluated on their own. No analysis."""

from functools import lru_cache
from typing import Final

from acrux.cel.checking import CheckedExpression, check
from acrux.cel.engine import CelValue, load_engine
from acrux.cel.problems import EvaluationError
from acrux.cel.tree import Call, Comprehension, Constant, ListNode, Name, Node, Select, StructNode, walk

_BINARY: Final = {
    f"_{operator}_": operator for operator in ("&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%")
} | {"@in": "in"}
_RENAMED: Final = {"math.@max": "math.greatest", "math.@min": "math.least"}
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def quoted(value: str) -> str:
    """A text as a CEL string literal."""
    return f'"{value.translate(_ESCAPES)}"'


def render(node: Node) -> str | None:  # noqa: PLR0911 - one return a sort of node
    """CEL text that means the same, or None for what this has no text for (macros, messages)."""
    match node:
        case Constant():
            return _constant(node)
        case Name(name=name):
            return name
        case Select(operand=operand, field=field, test_only=test_only):
            inner = render(operand)
            if inner is None:
                return None
            return f"has(({inner}).{field})" if test_only else f"({inner}).{field}"
        case Call():
            return _call(node)
        case ListNode(elements=elements):
            parts = _all(elements)
            return None if parts is None else f"[{', '.join(parts)}]"
        case StructNode() | Comprehension():
            return None


def _constant(node: Constant) -> str:
    match node.kind:
        case "string":
            return quoted(str(node.value))
        case "bytes" if isinstance(node.value, bytes):
            return 'b"' + "".join(f"\\x{byte:02x}" for byte in node.value) + '"'
        case "uint":
            return f"{node.value!r}u"
        case "bool":
            return "true" if node.value else "false"
        case "null":
            return "null"
        case _:
            return repr(node.value)


def _all(nodes: tuple[Node, ...]) -> list[str] | None:
    parts = [render(node) for node in nodes]
    found = [part for part in parts if part is not None]
    return found if len(found) == len(parts) else None


def _call(node: Call) -> str | None:  # noqa: PLR0911 - one return a form of call
    parts = _all(node.args)
    if parts is None:
        return None
    if node.target is not None:
        target = render(node.target)
        return None if target is None else f"({target}).{node.function}({', '.join(parts)})"
    match node.function, parts:
        case "_?_:_", (condition, yes, no):
            return f"({condition}) ? ({yes}) : ({no})"
        case "_[_]", (container, index):
            return f"({container})[{index}]"
        case (("!_" | "-_"), (operand,)):
            return f"{node.function[0]}({operand})"
        case function, (left, right) if function in _BINARY:
            return f"({left}) {_BINARY[function]} ({right})"
        case function, _:
            return f"{_RENAMED.get(function, function)}({', '.join(parts)})"


@lru_cache(maxsize=4096)
def _evaluated(text: str) -> CelValue | EvaluationError:
    checked = check(text, {})
    if not isinstance(checked, CheckedExpression):
        return EvaluationError(checked[0].message)
    engine = load_engine("google")
    return engine.load(checked, {}).evaluate(engine.activation({}, {}))


def constant_value(node: Node) -> CelValue | EvaluationError:
    """What a part that reads no name evaluates to.

    Returns:
        the value; an error if it has one, if it reads a name, or if it can't be told apart from one that errs.
    """
    if any(isinstance(part, Name) and not part.type.startswith("type(") for part in walk(node)):
        return EvaluationError("reads a name")
    text = render(node)
    return EvaluationError("has no text of its own") if text is None else _evaluated(text)
