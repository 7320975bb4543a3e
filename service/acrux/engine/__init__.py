"""The room that decides: candidates, evaluation, combination, traces. No YAML, no HTTP, no SQL, no clock."""

from acrux.domain.asking import UnmappedRequestedAcr
from acrux.engine.answer import decision_to_json
from acrux.engine.ceiling import Ceiling
from acrux.engine.conclude import NO_FLOOR, Floor
from acrux.engine.decider import Decider, prepare
from acrux.engine.explanation import Explanation, explanation_to_json

__all__ = [
    "NO_FLOOR",
    "Ceiling",
    "Decider",
    "Explanation",
    "Floor",
    "UnmappedRequestedAcr",
    "decision_to_json",
    "explanation_to_json",
    "prepare",
]
