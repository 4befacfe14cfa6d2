"""Everything that strikes one request, applied where it belongs on the request's way.

delays and answers before the effect -> the effect, seen through lists -> answers and changes after it -> the sending
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import attrs

from dataflow_async.emulator.api.endpoints import Operation
from dataflow_async.emulator.api.handlers import Call
from dataflow_async.emulator.api.responses import Answer, Refused, not_found
from dataflow_async.emulator.faults.base import (
    Delays,
    Kind,
    Listing,
    Lists,
    Replaces,
    Rewrites,
    Sends,
    Stamps,
    When,
)
from dataflow_async.emulator.faults.kinds.pace import ClockOff
from dataflow_async.emulator.faults.plan import Strike
from dataflow_async.emulator.service import dates
from dataflow_async.emulator.service.state import State

K = TypeVar("K", bound=Kind)
Pause = Callable[[float], Awaitable[None]]
"""Takes seconds."""

_EVERY_ROW = 10**9
_NOTHING = Answer(502, b"")
"""Stands for the answer that a request cut off before its effect will not see."""


@attrs.frozen
class Storm:
    """The strikes on one request."""

    strikes: tuple[Strike, ...]

    names: tuple[str, ...] = attrs.field(init=False)
    """The names of what strikes."""
    clock_off: float = attrs.field(init=False)
    """Seconds that the service's clock is ahead for this request."""

    @names.default
    def _names(self) -> tuple[str, ...]:
        return tuple(strike.kind.name for strike in self.strikes)

    @clock_off.default
    def _clock_off(self) -> float:
        return sum(strike.kind.seconds for strike in self.strikes if isinstance(strike.kind, ClockOff))

    async def before(self, now: float, pause: Pause) -> None:
        """What happens before the effect; raises `Refused` if there is to be none."""
        await self._delay(When.BEFORE, pause)
        for strike in self.strikes:
            if strike.when is When.BEFORE and isinstance(strike.kind, Replaces):
                raise Refused(strike.kind.answer(now))
            if strike.when is When.BEFORE and isinstance(strike.kind, Sends):
                raise Refused(_NOTHING)

    def effect(self, operation: Operation, state: State, call: Call) -> Answer:
        """Do what the call does, and look at lists through the weather."""
        lists = list(self._of(Lists)) if self.strikes else None
        if not lists:
            return operation.effect(state, call)
        if "page" not in call.query:
            return _one(operation, state, call, lists)
        query = {**call.query, "page": 0, "limit": _EVERY_ROW}
        answer = operation.effect(state, attrs.evolve(call, query=query))
        page, limit = call.query["page"], call.query["limit"]
        listing = Listing(answer.body["list"], page * limit, limit, ages=_ages(call))
        for kind, strike in lists:
            kind.arrange(listing, strike.chance)
        rows = listing.rows[listing.first : listing.first + listing.size]
        count = len(listing.rows) if listing.counts_all else len(rows)
        return Answer(answer.status, {"list": rows, "count": count, "page": page, "limit": limit})

    async def after(self, answer: Answer, now: float, pause: Pause) -> Answer:
        """What happens to the answer on its way back."""
        for strike in self.strikes:
            if strike.when is When.AFTER and isinstance(strike.kind, Replaces):
                answer = strike.kind.answer(now)
        for kind, strike in self._of(Rewrites):
            answer = kind.rewrite(answer, strike.chance)
        for stamp, _ in self._of(Stamps):
            answer = attrs.evolve(answer, headers={**answer.headers, **stamp.headers(now)})
        await self._delay(When.AFTER, pause)
        return answer

    def sender(self) -> Sends | None:
        """What puts the answer on the wire in its own way; the first one, if several want to."""
        return next((kind for kind, _ in self._of(Sends)), None)

    async def _delay(self, when: When, pause: Pause) -> None:
        for kind, strike in self._of(Delays):
            if strike.when is when:
                await pause(kind.seconds(strike.chance))

    def _of(self, base: type[K]) -> Iterator[tuple[K, Strike]]:
        return ((strike.kind, strike) for strike in self.strikes if isinstance(strike.kind, base))


CALM = Storm(())


def _ages(call: Call) -> Callable[[dict[str, object]], float]:
    return lambda row: call.now - (dates.parsed(str(row["createdDate"])) or 0.0)


def _one(operation: Operation, state: State, call: Call, lists: list[tuple[Lists, Strike]]) -> Answer:
    """A single thing, which is a list of one: not found if nothing of it is left."""
    answer = operation.effect(state, call)
    listing = Listing([answer.body], 0, 1, ages=_ages(call))
    for kind, strike in lists:
        kind.arrange(listing, strike.chance)
    if not listing.rows:
        raise not_found(list(call.ids.values())[-1])
    return answer
