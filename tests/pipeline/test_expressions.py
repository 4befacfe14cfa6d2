"""Conditions of filters and the text of their values."""

import datetime as dt
import math
from decimal import Decimal

import pytest

from dataflow_async import InvalidRequest
from dataflow_async.pipeline import PipelineError, col
from dataflow_async.pipeline.values import value_text


def test_each_comparison_has_its_operator():
    a = col("a")
    made = [a == 1, a != 1, a < 1, a <= 1, a > 1, a >= 1]
    assert [it.operator for it in made] == ["EQ", "NE", "LT", "LTE", "GT", "GTE"]
    assert [a > 1, a <= 1][0].operator == "GT"


def test_conditions_are_joined_one_way():
    one, two, three = (col(name) == 1 for name in "abc")
    assert [it.column for it in (one & two & three).items] == ["a", "b", "c"]
    assert (one | (two | three)).operator == "OR"
    for make in (lambda: (one & two) | three, lambda: one & (two | three)):
        with pytest.raises(PipelineError, match="got both: write two filters"):
            make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: 1 < col("a") < 3, "condition must be joined by & or |"),
        (lambda: (col("a") == 1) and (col("b") == 2), "condition must be joined by & or |"),
        (lambda: not col("a"), "condition must be joined by & or |"),
        (
            lambda: ~(col("a") == 1),
            "condition must be written without ~, got a negation: use the opposite operator",
        ),
        (lambda: ~((col("a") == 1) | (col("b") == 2)), "condition must be written without ~"),
        (lambda: col("a") == None, "column 'a' must be compared with a value, got None: use sql"),  # noqa: E711
        (lambda: col("a") == col("b"), "must be compared with a value, got another column"),
        (lambda: (col("a") == 1) & col("b"), "condition must be a comparison"),
        (lambda: col("a") & (col("b") == 1), "column 'a' must be compared with a value, got no comparison"),
        (lambda: col(""), "column must be text that is not empty"),
    ],
)
def test_what_is_no_condition_is_refused_at_its_line(make, words):
    with pytest.raises(PipelineError) as caught:
        make()
    assert words in str(caught.value)
    assert f"test_expressions.py:{make.__code__.co_firstlineno} in <lambda>" in str(caught.value)


AWARE = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
NAIVE = AWARE.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (100, "bigint", "100"),
        (1.5, "decimal", "1.5"),
        (Decimal("1.50"), "double", "1.50"),
        ("1e3", "float", "1e3"),
        ("-.5E-3", "double", "-.5E-3"),
        ("2026-01-02 03:00:00.123", "timestamp", "2026-01-02 03:00:00.123"),
        ("2026-01-02T03:00", "datetime", "2026-01-02T03:00"),
        ("2026-01-02 03:00:00+09:00", "timestampwithtimezone", "2026-01-02 03:00:00+09:00"),
        (True, "boolean", "true"),
        ("FALSE", "boolean", "FALSE"),
        (dt.date(2026, 1, 2), "date", "2026-01-02"),
        ("2026-01-02", "date", "2026-01-02"),
        (NAIVE, "timestamp", "2026-01-02 03:00:00"),
        (dt.date(2026, 1, 2), "datetime", "2026-01-02"),
        (AWARE, "timestampwithtimezone", "2026-01-02 03:00:00+00:00"),
        ("", "string", ""),
        ("' OR 1=1 --", "varchar", "' OR 1=1 --"),
        (5, None, "5"),
        ("x", None, "x"),
    ],
)
def test_values_become_text(value, kind, text):
    assert value_text(value, kind, "value") == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (math.nan, "double"),
        (math.inf, None),
        (Decimal("nan"), "decimal"),
        ("nan", "double"),
        (True, "int"),
        (1, "boolean"),
        (AWARE, "timestamp"),
        (AWARE, None),
        (AWARE, "date"),
        ("2026-01-02 03:00:00Z", "timestamp"),
        ("2026-01-02T03:00+09:00", "datetime"),
        ("20260102", "date"),
        ("2026-W01-1", "date"),
        ("2026-1-2", "date"),
        ("20260102T030000", "timestamp"),
        ("2026-01-02 03", "timestamp"),
        ("1_000", "int"),
        (" 5", "int"),
        ("٣", "int"),
        ("0x10", "int"),
        ("", "decimal"),
        (NAIVE, "date"),
        ("2026-13-01", "date"),
        ("noon", "timestamp"),
        ("x", "array"),
        (None, "string"),
        (b"x", None),
    ],
)
def test_values_that_no_column_of_the_type_holds_are_refused(value, kind):
    with pytest.raises(InvalidRequest, match="value"):
        value_text(value, kind, "value")
