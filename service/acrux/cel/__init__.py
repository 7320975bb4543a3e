"""CEL: checking, the syntax tree, two engines. The only room that imports a CEL library; no policy words enter."""

from acrux.cel.checking import MAXIMUM_BYTES, CheckedExpression, check
from acrux.cel.engine import ENGINE_NAMES, Activation, CelValue, Declarations, Engine, Program, load_engine
from acrux.cel.portability import portability_problems
from acrux.cel.problems import EngineUnavailable, EvaluationError, ExpressionError, Problem, ProblemKind
from acrux.cel.tree import (
    Call,
    Comprehension,
    Constant,
    Entry,
    ListNode,
    Macro,
    Name,
    Node,
    Select,
    StructNode,
    children,
    macro_of,
    walk,
)

__all__ = [
    "ENGINE_NAMES",
    "MAXIMUM_BYTES",
    "Activation",
    "Call",
    "CelValue",
    "CheckedExpression",
    "Comprehension",
    "Constant",
    "Declarations",
    "Engine",
    "EngineUnavailable",
    "Entry",
    "EvaluationError",
    "ExpressionError",
    "ListNode",
    "Macro",
    "Name",
    "Node",
    "Problem",
    "ProblemKind",
    "Program",
    "Select",
    "StructNode",
    "check",
    "children",
    "load_engine",
    "macro_of",
    "portability_problems",
    "walk",
]
