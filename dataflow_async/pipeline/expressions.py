"""Conditions of a filter: ``col("amount") >= 100``."""

from __future__ import annotations

from typing import NoReturn

from attrs import frozen

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.pipeline.refusals import at_users_line
from dataflow_async.pipeline.values import Scalar

SYMBOLS = {"EQ": "==", "NE": "!=", "GT": ">", "LT": "<", "GTE": ">=", "LTE": "<="}
"""Operators of the wire as Python writes them."""


class _NoBool:
    """What has no truth value: ``and``, ``or``, ``not`` and ``1 < col(...) < 3`` would drop a part of it unnoticed."""

    __slots__ = ()

    @at_users_line
    def __bool__(self) -> bool:
        raise InvalidRequest(
            "condition must be joined by & or |, got `and`, `or`, `not` or a chain such as 1 < col('a') < 3"
        )

    @at_users_line
    def __invert__(self) -> NoReturn:
        """Refuse a negation: a filter has none."""
        raise InvalidRequest("condition must be written without ~, got a negation: use the opposite operator")


@frozen(eq=False)
class Condition(_NoBool):
    """One comparison of a column with a value.

    Attributes:
        column: Name of the column.
        operator: EQ, NE, GT, LT, GTE or LTE.
        value: What the column is compared with.
    """

    column: str
    operator: str
    value: Scalar

    def __and__(self, other: Condition | Conditions) -> Conditions:
        """Return the condition that both are met."""
        return joined("AND", self, other)

    def __or__(self, other: Condition | Conditions) -> Conditions:
        """Return the condition that one of them is met."""
        return joined("OR", self, other)


@frozen(eq=False)
class Conditions(_NoBool):
    """Several comparisons that are joined by AND, or by OR.

    Attributes:
        operator: AND or OR.
        items: The comparisons.
    """

    operator: str
    items: tuple[Condition, ...]

    def __and__(self, other: Condition | Conditions) -> Conditions:
        """Return the condition that all are met."""
        return joined("AND", self, other)

    def __or__(self, other: Condition | Conditions) -> Conditions:
        """Return the condition that one of them is met."""
        return joined("OR", self, other)


@at_users_line
def joined(operator: str, *parts: Condition | Conditions) -> Conditions:
    """Return conditions joined by AND or OR.

    Raises:
        PipelineError: A part is joined the other way: a filter joins all its conditions the same way.
    """
    items: list[Condition] = []
    for part in parts:
        if isinstance(part, Condition):
            items.append(part)
        elif not isinstance(part, Conditions):
            raise checks.refuse("condition", part, "a comparison, such as col('amount') >= 100")
        elif part.operator == operator or len(part.items) == 1:
            items += part.items
        else:
            raise InvalidRequest(
                "conditions of one filter must be joined by & only or by | only, got both: write two filters"
            )
    return Conditions(operator, tuple(items))


@frozen(eq=False)
class Column(_NoBool):
    """A column in a condition: compare it with a value by ``==``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.

    Attributes:
        name: Its name.
    """

    name: str

    __hash__ = None  # type: ignore[assignment]  # == makes a condition

    def __eq__(self, value: Scalar) -> Condition:  # type: ignore[override]
        """Return the condition that the column equals a value."""
        return _compared(self.name, "EQ", value)

    def __ne__(self, value: Scalar) -> Condition:  # type: ignore[override]
        """Return the condition that the column differs from a value."""
        return _compared(self.name, "NE", value)

    def __lt__(self, value: Scalar) -> Condition:
        """Return the condition that the column is below a value."""
        return _compared(self.name, "LT", value)

    def __le__(self, value: Scalar) -> Condition:
        """Return the condition that the column is a value or below."""
        return _compared(self.name, "LTE", value)

    def __gt__(self, value: Scalar) -> Condition:
        """Return the condition that the column is above a value."""
        return _compared(self.name, "GT", value)

    def __ge__(self, value: Scalar) -> Condition:
        """Return the condition that the column is a value or above."""
        return _compared(self.name, "GTE", value)

    def __and__(self, other: object) -> NoReturn:
        """Refuse a column without a comparison."""
        _no_comparison(self.name)

    __or__ = __rand__ = __ror__ = __and__


@at_users_line
def col(name: str) -> Column:
    """Return a column to compare: ``col("amount") >= 100``.

    Raises:
        PipelineError: The name is no text.
    """
    return Column(checks.text(name, "column"))


@at_users_line
def _compared(name: str, operator: str, value: Scalar) -> Condition:
    if isinstance(value, Column | Condition | Conditions):
        raise InvalidRequest(
            f"column {name!r} must be compared with a value, got another column or condition: use sql for that"
        )
    if value is None:
        raise InvalidRequest(f"column {name!r} must be compared with a value, got None: use sql for that")
    return Condition(name, operator, value)


@at_users_line
def _no_comparison(name: str) -> NoReturn:
    raise InvalidRequest(f"column {name!r} must be compared with a value, got no comparison")
