"""Arguments that come back from Airflow's serialisation, and those that are refused by name."""

from datetime import date, timedelta
from enum import StrEnum

import attrs
import pytest

from dataflow_async import InvalidRequest, JobCondition
from dataflow_async.airflow.arguments import check_arguments


class Text(StrEnum):
    A = "a"


@attrs.define
class Thing:
    a: int = 1


def test_plain_values_are_accepted_however_nested():
    check_arguments({"a": "x", "b": [1, 2.5, None, True, {"c": ["d", {"e": []}]}], "f": {}})


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (date(2026, 11, 29), "x must be str, int, float, bool or None"),
        (timedelta(1), "x must be str"),
        (Thing(), "x must be str"),
        (JobCondition(num_worker=2), "x must be str"),
        (Text.A, "x must be str"),
        ((1, 2), "x must be str"),
        ({1}, "x must be str"),
        (b"a", "x must be str"),
        ([1, {"a": [Thing()]}], "x[1]['a'][0] must be str"),
        ({1: 2}, "keys of x must be text, got 1 of type int"),
        ({"a": {"__classname__": 1}}, "keys of x['a'] must be other names"),
        ({"__id__": 1}, "keys of x must be other names"),
        (float("nan"), "x must be a finite number, got nan"),
        (float("inf"), "x must be a finite number, got inf"),
    ],
)
def test_what_does_not_come_back_is_refused_by_name(value, where):
    with pytest.raises(InvalidRequest) as refused:
        check_arguments({"fine": 1, "x": value})
    assert str(refused.value).startswith(where)
    assert refused.value.field == "x"


def test_a_list_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(InvalidRequest, match="nested 50 deep at most"):
        check_arguments({"x": value})
