"""Injects the faults of one request at their points on its path.

delays and refusals before the effect -> the effect, with changed lists -> changes of the answer -> delays -> sending
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.endpoints import Endpoint
from dataflow_async.emulator.api.handlers.request import ValidRequest
from dataflow_async.emulator.api.responses import Answer, Refused, not_found
from dataflow_async.emulator.faults.base import (
    Delays,
    FaultType,
    ListModel,
    Lists,
    Replaces,
    Rewrites,
    Sends,
    Stamps,
    When,
)
from dataflow_async.emulator.faults.plan import InjectedFault
from dataflow_async.emulator.service import dates
from dataflow_async.emulator.service.state import State

K = TypeVar("K", bound=FaultType)
Pause = Callable[[float], Awaitable[None]]
"""Waits a number of seconds."""

_NOTHING = Answer(502, b"")
"""The answer of a request whose connection ends before its effect; it is never sent."""


@attrs.frozen
class FaultInjector:
    """Injects the faults of one request, each at its point on the request's path.

    Always true: a fault with ``when=before`` that replaces or breaks the answer leaves no effect, and one with ``when=after`` acts on
    the answer of an effect that has happened. This is what `verify_history` relies on.
    """

    injected: tuple[InjectedFault, ...]

    names: tuple[str, ...] = attrs.field(init=False)
    """The names of the injected faults."""
    clock_off: float = attrs.field(init=False)
    """Seconds that the service's clock is ahead for this request; below 0 it is behind."""

    @names.default
    def _names(self) -> tuple[str, ...]:
        return tuple(fault.kind.name for fault in self.injected)

    @clock_off.default
    def _clock_off(self) -> float:
        return sum(fault.kind.clock_off for fault in self.injected)

    async def before(self, now: float, pause: Pause) -> None:
        """Inject the faults before the effect; raise `Refused` if there is to be no effect."""
        await self._delay(When.BEFORE, pause)
        for fault in self.injected:
            if fault.when is When.BEFORE and isinstance(fault.kind, Replaces):
                raise Refused(fault.kind.answer(now))
            if fault.when is When.BEFORE and isinstance(fault.kind, Sends):
                raise Refused(_NOTHING)

    def effect(self, endpoint: Endpoint, state: State, request: ValidRequest) -> Answer:
        """Carry out the call, and inject the faults of lists into its answer."""
        lists = list(self._of(Lists)) if self.injected else None
        if not lists:
            return endpoint.effect(state, request)
        if "page" not in request.query:
            return _one(endpoint, state, request, lists)
        query = {**request.query, "page": 0, "limit": defaults.MAX_WHOLE}
        answer = endpoint.effect(state, request._replace(query=query))
        page, limit = request.query["page"], request.query["limit"]
        model = ListModel(answer.body["list"], page * limit, limit, ages=_ages(request))
        for kind, fault in lists:
            kind.change(model, fault.chance)
        rows = model.rows[model.first : model.first + model.size]
        count = {"page": len(rows), "total": len(model.rows), "nothing": -1}[model.counted]
        return Answer(answer.status, {"list": rows, "count": count, "page": page, "limit": limit})

    async def after(self, answer: Answer, now: float, pause: Pause) -> Answer:
        """Return the answer after the faults that follow the effect."""
        for fault in self.injected:
            if fault.when is When.AFTER and isinstance(fault.kind, Replaces):
                answer = fault.kind.answer(now)
        for kind, fault in self._of(Rewrites):
            answer = kind.rewrite(answer, fault.chance)
        for stamp, _ in self._of(Stamps):
            answer = attrs.evolve(answer, headers={**answer.headers, **stamp.headers(now)})
        await self._delay(When.AFTER, pause)
        return answer

    def sender(self) -> Sends | None:
        """Return the first fault that sends the answer itself, or None."""
        return next((kind for kind, _ in self._of(Sends)), None)

    async def _delay(self, when: When, pause: Pause) -> None:
        for kind, fault in self._of(Delays):
            if fault.when is when:
                await pause(kind.seconds(fault.chance))

    def _of(self, base: type[K]) -> Iterator[tuple[K, InjectedFault]]:
        return ((fault.kind, fault) for fault in self.injected if isinstance(fault.kind, base))


NO_FAULTS = FaultInjector(())


def _ages(request: ValidRequest) -> Callable[[dict[str, object]], float]:
    return lambda row: request.now - (dates.parsed(str(row["createdDate"])) or 0.0)


def _one(
    endpoint: Endpoint, state: State, request: ValidRequest, lists: list[tuple[Lists, InjectedFault]]
) -> Answer:
    """Return a single thing, treated as a list of one: not found if a fault removes it."""
    answer = endpoint.effect(state, request)
    model = ListModel([answer.body], 0, 1, ages=_ages(request))
    for kind, fault in lists:
        kind.change(model, fault.chance)
    if not model.rows:
        raise not_found(list(request.ids.values())[-1])
    return answer
