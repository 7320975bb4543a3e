"""The extension functions of the second engine where the common suite does not reach."""

import math

import pytest

from acrux.cel import celpy_functions as functions


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: functions.char_at("abc", 4),
        lambda: functions.char_at("abc", -1),
        lambda: functions.index_of("abc", "a", 4),
        lambda: functions.last_index_of("abc", "a", -1),
        lambda: functions.substring("abc", 2, 1),
        lambda: functions.substring("abc", 0, 4),
        lambda: functions.greatest([]),
        lambda: functions.least([]),
        lambda: functions.absolute(-(2**63)),
        lambda: functions.shift_left(1, -1),
        lambda: functions.shift_right(1, -1),
    ],
)
def test_what_the_extension_refuses_raises(wrong):
    """LAW: an index outside the text, an empty list, an overflow are ValueErrors, which the engine makes errors of."""
    with pytest.raises(ValueError, match=r"\w"):
        wrong()


def test_numbers_without_value_pass_through():
    """LAW: rounding and sign leave NaN and infinities alone and keep the sign of zero."""
    ceil = functions.NAMESPACED["math.ceil"]
    assert math.isnan(ceil(math.nan))
    assert ceil(-math.inf) == -math.inf
    assert math.copysign(1, ceil(-0.5)) == -1
    assert math.isnan(functions.sign(math.nan))
    assert functions.sign(-3) == -1
    assert functions.sign(0.5) == 1.0
    assert math.isnan(functions.sqrt(-1))


def test_halves_round_away_from_zero():
    """LAW: `math.round` is not Python's."""
    rounded = functions.NAMESPACED["math.round"]
    assert [rounded(value) for value in (0.5, 1.5, 2.5, -0.5, -2.5, 0.49999999999999994)] == [1, 2, 3, -1, -3, 0]
