"""Whether a failed attempt may be retried, and after how long: exponential backoff with full jitter. Values in, values out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.errors import DataFlowError
from dataflow_async.models import checks
from dataflow_async.models.base import Value
from dataflow_async.wire.operation import Effect, Operation


def positive(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Refuse a setting that is not a finite number above 0 (an attrs validator)."""
    checks.positive(value, attribute.name)


def _at_least(low: int) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        checks.whole(value, attribute.name, low, 2**31 - 1)

    return check


@frozen(kw_only=True, eq=False, repr=False)
class RetryPolicy(Value):
    """How failed calls are retried. Which may be is not a setting: a launch or a create is retried only where it provably had no effect."""

    max_attempts: int = attrs.field(default=defaults.MAX_ATTEMPTS, validator=_at_least(1))
    """Attempts in all, the first included; 1 means no retry."""
    backoff_base: float = attrs.field(default=defaults.BACKOFF_BASE, validator=positive)
    """Seconds; the n-th pause is random, from 0 to ``backoff_base * 2**n``, capped."""
    backoff_max: float = attrs.field(default=defaults.BACKOFF_MAX, validator=positive)
    """Seconds: the longest pause without a ``Retry-After``."""
    retry_after_max: float = attrs.field(default=defaults.RETRY_AFTER_MAX, validator=positive)
    """Seconds: the longest pause that a ``Retry-After`` of the server can cause."""
    total_timeout: float = attrs.field(default=defaults.TOTAL_TIMEOUT, validator=positive)
    """Seconds over all attempts and pauses, from the moment it leaves the concurrency limiter's queue."""
    budget: int = attrs.field(default=defaults.RETRY_BUDGET, validator=_at_least(0))
    """Budget of the client: a retry costs 5, after a time-out 10; successes refill it; an empty one allows no retry."""

    def pause(self, repeat: int, retry_after: float | None, draw: Callable[[], float]) -> float:
        """Return the seconds before retry number ``repeat`` (from 0): full jitter.

        ``retry_after`` lengthens, never shortens. ``draw`` returns a number from 0 to 1.
        """
        own = draw() * min(self.backoff_max, self.backoff_base * 2.0 ** min(repeat, 60))
        return max(own, min(retry_after or 0.0, self.retry_after_max))


def may_repeat(effect: Effect, error: DataFlowError) -> bool:
    """Return whether a call with this effect may be sent again after this error.

    A creating call may only where the answer proves that nothing happened.
    """
    return error.is_transient and not (effect is Effect.CREATES and error.effect_unknown)


def proves_done(operation: Operation[Any], error: DataFlowError) -> bool:
    """Return whether the error of a repeated call says that an earlier, unclear attempt had worked.

    Only an answer of the service does: a gateway that has no such URL, or a proxy's page, proves nothing.
    """
    return isinstance(error, operation.done_by) and error.source == "service"


class RetryBudget:
    """Tokens that retries cost, so that a dead service does not get three times the load.

    Always true: ``tokens`` lies between 0 and ``capacity``. All calls of a client share one budget.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tokens = capacity

    def spend(self, error: DataFlowError) -> int | None:
        """Take the price of a retry after ``error`` and return it; None if too few tokens remain."""
        price = defaults.RETRY_COST_AFTER_TIMEOUT if error.timed_out else defaults.RETRY_COST
        if self.tokens < price:
            return None
        self.tokens -= price
        return price

    def refund(self, paid: int) -> None:
        """Put back what the last retry of a successful call took, or 1 if it took none."""
        self.tokens = min(self.capacity, self.tokens + (paid or 1))
