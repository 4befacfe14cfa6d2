"""May a failed attempt be repeated, and after how long? Values in, values out."""

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
    """How failed calls are repeated. Which may be is not a setting: see `may_repeat`."""

    max_attempts: int = attrs.field(default=defaults.MAX_ATTEMPTS, validator=_at_least(1))
    """Tries in all, the first included; 1 repeats nothing."""
    backoff_base: float = attrs.field(default=defaults.BACKOFF_BASE, validator=positive)
    """Seconds; the n-th pause is drawn from 0 to ``backoff_base * 2**n``, capped."""
    backoff_max: float = attrs.field(default=defaults.BACKOFF_MAX, validator=positive)
    """Seconds: the longest pause of our own choice."""
    retry_after_max: float = attrs.field(default=defaults.RETRY_AFTER_MAX, validator=positive)
    """Seconds: the longest pause on the server's word."""
    total_timeout: float = attrs.field(default=defaults.TOTAL_TIMEOUT, validator=positive)
    """Seconds over all attempts and pauses, from the first slot; time spent queueing does not count."""
    budget: int = attrs.field(default=defaults.RETRY_BUDGET, validator=_at_least(0))
    """Budget of the client: a repeat costs 5, after a time-out 10; successes refill it; empty repeats nothing."""

    def pause(self, repeat: int, retry_after: float | None, draw: Callable[[], float]) -> float:
        """Give the seconds before repeat number ``repeat`` (from 0): full jitter.

        ``retry_after`` lengthens, never shortens. ``draw`` gives a number from 0 to 1.
        """
        own = draw() * min(self.backoff_max, self.backoff_base * 2.0 ** min(repeat, 60))
        return max(own, min(retry_after or 0.0, self.retry_after_max))


def may_repeat(effect: Effect, error: DataFlowError) -> bool:
    """Return whether a call with this effect may be sent again after this error.

    A creating call may only where the answer proves that nothing happened.
    """
    return error.is_transient and not (effect is Effect.CREATES and error.effect_unknown)


def proves_done(operation: Operation[Any], error: DataFlowError) -> bool:
    """Whether an error that met a repeated call says that an earlier, unclear attempt had worked (ruling 29).

    The service alone knows: a gateway that has no such URL, or a proxy's page, proves nothing (ruling 99).
    """
    return isinstance(error, operation.done_by) and error.source == "service"


class RetryBudget:
    """Tokens that repeats are paid with, so that a dead service is not met with three times the load."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tokens = capacity

    def spend(self, error: DataFlowError) -> int | None:
        """Take the price of a repeat after ``error`` and give it, or None if there is too little left."""
        price = defaults.RETRY_COST_AFTER_TIMEOUT if error.timed_out else defaults.RETRY_COST
        if self.tokens < price:
            return None
        self.tokens -= price
        return price

    def refund(self, paid: int) -> None:
        """A call succeeded: give back what its last repeat took, or 1 if it took none."""
        self.tokens = min(self.capacity, self.tokens + (paid or 1))
