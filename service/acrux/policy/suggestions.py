"""Did-you-mean: the closest of the names that there are. Nothing else."""

from collections.abc import Iterable
from difflib import get_close_matches
from heapq import nlargest
from itertools import takewhile

# Below it, short words suggest each other at random (`mfa` and `phr`).
_LIKENESS = 0.65
# Comparing costs about 10 us a name; a set may have 10,000 clients and as many wrong names.
_MANY = 500


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like a word that was meant to be one of them, or None if none is close.

    The order of the candidates never matters.
    """
    names = sorted(set(candidates))
    folded = word.casefold()
    same = [name for name in names if name.casefold() == folded]
    if same:
        return same[0]
    near = [name for name in names if abs(len(name) - len(word)) <= max(2, len(word) // 2)]
    if len(near) > _MANY:
        near = nlargest(_MANY, near, key=lambda name: _shared_ends(word, name))
    matches = get_close_matches(word, near, n=1, cutoff=_LIKENESS)
    return matches[0] if matches else None


def _shared_ends(word: str, name: str) -> int:
    """How many characters two names share at both ends: a cheap likeness, to choose what is worth comparing."""
    pairs = (zip(word, name, strict=False), zip(reversed(word), reversed(name), strict=False))
    return sum(1 for pair in pairs for _ in takewhile(lambda both: both[0] == both[1], pair))
