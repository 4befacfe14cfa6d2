"""How often runs are polled, and what a wait outlives. Pure: times and chance are arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.errors import DataFlowError, InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.base import Value
from dataflow_async.models.execution import TERMINAL, JobExecution
from dataflow_async.wire.retry import positive
from dataflow_async.wire.run_rows import RunRow

ACTIVE_STATUSES = frozenset({None, "READY", "RUNNING"})
"""Statuses of a run that is known not to have ended; None stands for a 202 without a body."""


def _statuses(value: Iterable[str]) -> frozenset[str]:
    rows = checks.sequence(value, "terminal_statuses")
    return frozenset(checks.text(row, "terminal_statuses") for row in rows) | TERMINAL


def _below_one(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InvalidRequest(
            f"{attribute.name} must be a number from 0 to below 1, got {checks.shown(value)}",
            field=attribute.name,
        )


def _positive_or_none(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        positive(instance, attribute, value)


@frozen(kw_only=True, eq=False, repr=False)
class PollPolicy(Value):
    """How often a run is polled, and which failures a wait outlives."""

    age_divisor: float = attrs.field(default=defaults.POLL_AGE_DIVISOR, validator=positive)
    """A run is polled again after its age divided by this: 4 polls half as often as 8."""
    min_interval: float = attrs.field(default=defaults.POLL_MIN_INTERVAL, validator=positive)
    """Seconds between two polls of a run, at least."""
    max_interval: float = attrs.field(default=defaults.POLL_MAX_INTERVAL, validator=positive)
    """Seconds between two polls of a run, at most."""
    jitter: float = attrs.field(default=defaults.POLL_JITTER, validator=_below_one)
    """Intervals are spread by this share to either side."""
    retry_after_max: float = attrs.field(default=defaults.RETRY_AFTER_MAX, validator=positive)
    """Seconds: the longest pause between two polls that a ``Retry-After`` can ask for (contract/notes.md#ruling-27)."""
    not_found_grace: float = attrs.field(default=defaults.NOT_FOUND_GRACE, validator=positive)
    """Seconds for which a wait outlives 404, counted from the first one since the run was last observed
    (contract/notes.md#ruling-77)."""
    foreign_answer_timeout: float | None = attrs.field(
        default=defaults.FOREIGN_ANSWER_TIMEOUT, validator=_positive_or_none
    )
    """Seconds after which a wait ends that meets nothing but refusals of neither gateway nor service; None for never
    (contract/notes.md#ruling-93)."""
    terminal_statuses: frozenset[str] = attrs.field(default=TERMINAL, converter=_statuses)
    """Statuses that end a wait: the three that are documented, and those given here."""

    def __attrs_post_init__(self) -> None:
        """Refuse bounds the wrong way round."""
        if self.min_interval > self.max_interval:
            raise InvalidRequest(
                f"min_interval must be max_interval ({self.max_interval}) or less, got {self.min_interval}",
                field="min_interval",
            )

    def interval(self, age: float, retry_after: float | None, draw: Callable[[], float]) -> float:
        """Return the seconds until the next poll of a run.

        Args:
            age: Seconds since the first poll.
            retry_after: Seconds a ``Retry-After`` asked for; lengthens up to `retry_after_max`, never shortens.
            draw: Returns a number from 0 to 1.
        """
        return self._spread(self.even_interval(age), retry_after, draw)

    def even_interval(self, age: float) -> float:
        """Return the seconds until the next poll of a run of so many seconds, without jitter."""
        even = age / self.age_divisor
        if even > self.min_interval:
            return min(self.max_interval, even)
        return self.min_interval

    def backoff(self, failures: int, retry_after: float | None, draw: Callable[[], float]) -> float:
        """Return the seconds to hold polls back after so many failures in a row, two or more: doubled by each one more.

        Args:
            failures: How many.
            retry_after: Seconds a ``Retry-After`` asked for, with the last one.
            draw: Returns a number from 0 to 1.
        """
        even = min(self.min_interval * 2.0 ** min(failures - 2, 60), self.max_interval)
        return self._spread(even, retry_after, draw)

    def _spread(self, even: float, retry_after: float | None, draw: Callable[[], float]) -> float:
        jittered = even * self.spread(draw())
        return max(jittered, min(retry_after or 0.0, self.retry_after_max))

    def spread(self, chance: float) -> float:
        """Return what an interval is multiplied by for its jitter, for a number from 0 to 1."""
        return 1 + self.jitter * (2 * chance - 1)

    def is_outage(self, error: DataFlowError) -> bool:
        """Return whether an error says that polls can't be answered now, and nothing about the run."""
        return self.forgives(error, 0.0) and (error.is_foreign or not error.not_found)

    def forgives(self, error: DataFlowError, missing: float, foreign: float = 0.0) -> bool:
        """Return whether a wait outlives an error.

        Args:
            error: The error of a poll.
            missing: Seconds for which a 404 has been the answer.
            foreign: Seconds for which there were only answers of neither gateway nor service.
        """
        if error.is_foreign:
            return self.foreign_answer_timeout is None or foreign < self.foreign_answer_timeout
        if error.not_found:
            return missing < self.not_found_grace
        return not error.ends_wait


Shown: TypeAlias = JobExecution | RunRow
"""A run as a poll has shown it, by its id or on a page."""


def is_suspect(shown: Shown) -> bool:
    """Return whether a run may have ended: its status is unknown, and it has an end date."""
    return shown.status not in ACTIVE_STATUSES and shown.end_date is not None
