"""Where a condition can err: reads of absent facts that nothing guards, and what fails by its values. Pure.

CEL absorbs errors: `false && error` is false and `true || error` is true, on both sides. So each side of `&&` matters
only where the other is not false, and each side of `||` only where the other is not true.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from acrux.cel import Call, Comprehension, Constant, EvaluationError, ListNode, Name, Node, Select, StructNode, children
from acrux.cel.budget import exceeds_budget
from acrux.cel.render import constant_value
from acrux.cel.tree import walk


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a condition's text.

    Attributes:
        name: the fact, function or operator that is meant.
        start: offset of its first character, in code points.
        end: offset after its last character.
    """

    name: str
    start: int
    end: int


Present = frozenset[str]


def unguarded(tree: Node, may_be_absent: Collection[str]) -> tuple[Place, ...]:
    """The reads of facts that may be absent where nothing has asked `"fact" in known` first, in the order of the text.

    INVARIANT (guarded): if this is empty, no absence of those facts makes the condition an error.
    """
    return _Errors(frozenset(may_be_absent), lambda _: False).places(tree)


def may_error(tree: Node, may_be_absent: Collection[str]) -> tuple[Place, ...]:
    """Every place that can make a condition an error, in the order of the text: absences, and what fails by its values.

    Over-approximates: a division is named even where the divisor is never 0.
    """
    found = _Errors(frozenset(may_be_absent), _fails).places(tree)
    heavy = exceeds_budget(tree)
    macros = (
        [Place("macro", node.start, node.end) for node in walk(tree) if isinstance(node, Comprehension)]
        if heavy
        else []
    )
    return tuple(sorted({*found, *macros}, key=lambda place: (place.start, place.end)))


class _Errors:
    """One analysis: which absences matter, and which calls can fail."""

    def __init__(self, may_be_absent: frozenset[str], fails: Callable[[Node], bool]) -> None:
        self._absent = may_be_absent
        self._fails = fails
        self._found: set[Place] = set()

    def places(self, tree: Node) -> tuple[Place, ...]:
        self._visit(tree, frozenset())
        return tuple(sorted(self._found, key=lambda place: (place.start, place.end)))

    def _visit(self, node: Node, present: Present) -> None:
        match node:
            case Name(name=name, local=False) if name in self._absent and name not in present:
                self._found.add(Place(name, node.start, node.end))
            case Call(function="_&&_", args=(left, right)):
                self._visit(left, present | self._unless_false(right))
                self._visit(right, present | self._unless_false(left))
            case Call(function="_||_", args=(left, right)):
                self._visit(left, present | self._unless_true(right))
                self._visit(right, present | self._unless_true(left))
            case Call(function="_?_:_", args=(condition, yes, no)):
                self._visit(condition, present)
                self._visit(yes, present | self._if(condition, outcome=True))
                self._visit(no, present | self._if(condition, outcome=False))
            case _:
                if self._fails(node):
                    self._found.add(Place(_name_of(node), node.start, node.end))
                for child in children(node):
                    self._visit(child, present)

    def _unless_false(self, node: Node) -> Present:
        """The facts that are present wherever the node is true or an error."""
        return self._unless(node, outcome=False)

    def _unless_true(self, node: Node) -> Present:
        """The facts that are present wherever the node is false or an error."""
        return self._unless(node, outcome=True)

    def _unless(self, node: Node, *, outcome: bool) -> Present:
        match node:
            case Constant(value=bool() as value):
                return self._absent if value is outcome else frozenset()
            case Call(function="_&&_" | "_||_" as function, args=(left, right)):
                first, second = self._unless(left, outcome=outcome), self._unless(right, outcome=outcome)
                # `&&` is not false: neither side is. `&&` is not true: one side is not. `||` the other way round.
                return first | second if (function == "_&&_") is not outcome else first & second
            case Call(function="!_", args=(operand,)):
                return self._unless(operand, outcome=not outcome)
            case _:
                return self._guard(node) if outcome is False else frozenset()

    def _if(self, node: Node, *, outcome: bool) -> Present:
        """The facts that are present wherever the node has that outcome, so is no error."""
        match node:
            case Constant(value=bool() as value):
                return frozenset() if value is outcome else self._absent
            case Call(function="_&&_" | "_||_" as function, args=(left, right)):
                first, second = self._if(left, outcome=outcome), self._if(right, outcome=outcome)
                return first | second if (function == "_&&_") is outcome else first & second
            case Call(function="!_", args=(operand,)):
                return self._if(operand, outcome=not outcome)
            case _:
                return self._guard(node) if outcome else frozenset()

    @staticmethod
    def _guard(node: Node) -> Present:
        match node:
            case Call(function="@in", args=(Constant(value=str() as name), Name(name="known", local=False))):
                return frozenset({name})
            case _:
                return frozenset()


_OPERATOR_WORDS: Final = {"_[_]": "[]", "_/_": "/", "_%_": "%", "_+_": "+", "_-_": "-", "_*_": "*", "-_": "-"}


def _name_of(node: Node) -> str:
    match node:
        case Call(function=function):
            return _OPERATOR_WORDS.get(function, function.replace("@", ""))
        case Select(field=field):
            return field
        case _:
            return "map"


_NEVER_FAILING: Final = frozenset(
    """
    _==_ _!=_ _<_ _<=_ _>_ _>=_ @in !_ _&&_ _||_ _?_:_ @not_strictly_false size startsWith endsWith contains
    isIP isCIDR dyn type lowerAscii upperAscii trim reverse join strings.quote math.ceil math.floor math.round
    math.trunc math.sign math.isNaN math.isInf math.isFinite math.sqrt
    """.split()  # noqa: SIM905 - a list of words reads better
)
_NEVER_FAILING_OVERLOADS: Final = frozenset(
    """
    add_string add_list add_bytes add_double subtract_double multiply_double divide_double negate_double
    bool_to_string int64_to_string uint64_to_string double_to_string string_to_string int64_to_double
    uint64_to_double double_to_double int64_to_int64 uint64_to_uint64 bool_to_bool timestamp_to_timestamp
    duration_to_duration string_to_bytes bytes_to_bytes timestamp_to_int64 timestamp_to_year timestamp_to_month
    timestamp_to_day_of_year timestamp_to_day_of_month timestamp_to_day_of_month_1_based
    timestamp_to_day_of_week timestamp_to_hours timestamp_to_minutes timestamp_to_seconds
    timestamp_to_milliseconds duration_to_hours duration_to_minutes duration_to_seconds duration_to_milliseconds
    string_index_of_string string_last_index_of_string string_replace_string_string string_split_string
    timestamp_to_string duration_to_string math_abs_double math_@max_double math_@min_double math_@max_int
    math_@min_int math_@max_int_int math_@min_int_int math_@max_double_double math_@min_double_double
    """.split()  # noqa: SIM905 - a list of words reads better
)
_ZONED: Final = "_with_tz"


def _fails(node: Node) -> bool:
    """Whether the node itself can fail on some values of its parts."""
    match node:
        case Call():
            return _call_fails(node)
        case Select(test_only=test_only):
            return not test_only
        case StructNode(message="", entries=entries):
            keys = [entry.key.value for entry in entries if isinstance(entry.key, Constant)]
            return len(keys) != len(entries) or len(set(keys)) != len(keys)
        case StructNode():
            return True
        case Comprehension() | Constant() | Name() | ListNode():
            return False


_ANY_TYPE: Final = frozenset({"_==_", "_!=_", "dyn", "type"})


def _call_fails(node: Call) -> bool:  # noqa: PLR0911 - one return a sort of call
    operands = node.args if node.target is None else (node.target, *node.args)
    if node.function not in _ANY_TYPE and any(operand.type == "dyn" for operand in operands):
        return True
    if operands and isinstance(operands[0], Name) and operands[0].name.startswith("@"):
        return False  # the counter and the list that a macro builds
    if node.function in _NEVER_FAILING:
        return False
    if node.overloads and set(node.overloads) <= _NEVER_FAILING_OVERLOADS:
        return False
    if node.function == "matches" and node.args and isinstance(node.args[-1], Constant):
        pattern = Call(node.start, node.end, "bool", "matches", None, (_EMPTY, node.args[-1]), ())
        return isinstance(constant_value(pattern), EvaluationError)
    if any(overload.endswith(_ZONED) for overload in node.overloads) and isinstance(node.args[-1], Constant):
        moment = Call(node.start, node.end, "timestamp", "timestamp", None, (_MOMENT,), ())
        zoned = Call(node.start, node.end, "int", node.function, moment, node.args, ())
        return isinstance(constant_value(zoned), EvaluationError)
    return isinstance(constant_value(node), EvaluationError)


_EMPTY: Final = Constant(0, 0, "string", "", "string")
_MOMENT: Final = Constant(0, 0, "string", "2026-01-01T00:00:00Z", "string")
