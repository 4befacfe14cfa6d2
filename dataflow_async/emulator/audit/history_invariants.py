"""The invariants of a history; each function yields what violates the sentence of its docstring."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import attrs

from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    Event,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
)

_RANKS = {"READY": 0, "RUNNING": 1, "COMPLETED": 2, "FAILED": 2, "CANCELED": 2}
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELED"})
_WRITES = {"create": "created", "update": "updated", "delete": "deleted", "cancel": "canceled"}
_EFFECT = {"executeJob": "launched", "executeWorkflow": "started"}
_REFUSING = frozenset({"429", "401", "302"})
"""Faults that refuse a call before it reaches the service."""


Findings = Iterator[tuple[str, tuple[Any, ...]]]
"""Pairs of a sentence and its evidence."""


@attrs.define
class HistoryIndex:
    """The events of a history, by request and by run."""

    events: list[Event]
    received: dict[int, RequestReceived] = attrs.field(factory=dict)
    of_request: dict[int, list[Event]] = attrs.field(factory=lambda: defaultdict(list))
    """The events of each request, in order."""
    of_run: dict[str, list[tuple[Event, str]]] = attrs.field(factory=lambda: defaultdict(list))
    """The changes and reported statuses of each run, each event with its word for the run."""
    launches: dict[str, StateChanged] = attrs.field(factory=dict)

    @classmethod
    def of(cls, history: Iterable[Event]) -> "HistoryIndex":
        """Return the index of a history."""
        index = cls(list(history))
        for event in index.events:
            if not isinstance(event, ServerStarted) and event.request is not None:
                index.of_request[event.request].append(event)
            match event:
                case RequestReceived():
                    index.received.setdefault(event.request, event)
                case StateChanged(resource="execution"):
                    index.of_run[event.resource_id].append((event, event.what))
                    if event.what in {"launched", "restored"}:
                        index.launches.setdefault(event.resource_id, event)
                case StatusReported():
                    for execution_id, status in event.statuses:
                        index.of_run[execution_id].append((event, status))
        return index

    def operation(self, request: int) -> str:
        """Return the operationId of a request; empty if it has none."""
        return (self.received[request].operation if request in self.received else None) or ""

    def answered_whole(self, effect: StateChanged) -> bool:
        """Return whether the client received the complete answer to the request of this change."""
        return effect.request is not None and any(
            isinstance(event, AnswerSent) and not event.faults for event in self.of_request[effect.request]
        )


def numbers_have_no_gaps(index: HistoryIndex) -> Findings:
    """Events are numbered from 1 without gaps: none is missing, and none is there twice."""
    for expected, event in enumerate(index.events, 1):
        if event.number != expected:
            yield f"event {expected} is missing or out of order", (event,)
            return


def requests_are_received_first(index: HistoryIndex) -> Findings:
    """The first event of a request is its reception, and it is received once."""
    for request, events in index.of_request.items():
        if (
            not isinstance(events[0], RequestReceived)
            or sum(isinstance(it, RequestReceived) for it in events) > 1
        ):
            yield f"request {request} was not received once and first", tuple(events)


def signatures_are_checked_once(index: HistoryIndex) -> Findings:
    """The signature of each request is checked once, before anything else happens."""
    for request, events in index.of_request.items():
        if [it for it in events[1:2] if isinstance(it, SignatureChecked)] != [
            it for it in events if isinstance(it, SignatureChecked)
        ] or not any(isinstance(it, SignatureChecked) for it in events):
            yield (
                f"request {request} did not have its signature checked once, and before anything else",
                tuple(events),
            )


def effects_need_a_signature(index: HistoryIndex) -> Findings:
    """Nothing changes, and nothing is reported, for a request whose signature was not accepted."""
    for request, events in index.of_request.items():
        accepted = any(isinstance(it, SignatureChecked) and it.objection is None for it in events)
        if not accepted and (done := [it for it in events if isinstance(it, StateChanged | StatusReported)]):
            yield f"request {request} had an effect without an accepted signature", (*done,)


def requests_end_once(index: HistoryIndex) -> Findings:
    """Each request is answered once or lost once, unless the server was restarted meanwhile."""
    starts = [event.number for event in index.events if isinstance(event, ServerStarted)]
    for request, events in index.of_request.items():
        ends = [it for it in events if isinstance(it, AnswerSent | AnswerLost)]
        interrupted = not ends and starts and events[-1].number < starts[-1]
        if len(ends) != 1 and not interrupted:
            yield f"request {request} ended {len(ends)} times", tuple(ends or events)


def nothing_follows_the_end(index: HistoryIndex) -> Findings:
    """A request has no effect after its answer."""
    for request, events in index.of_request.items():
        ended = False
        for event in events:
            if ended and isinstance(event, StateChanged | StatusReported | SignatureChecked):
                yield f"request {request} went on after its end", (event,)
            ended = ended or isinstance(event, AnswerSent | AnswerLost)


def requests_do_what_they_are_for(index: HistoryIndex) -> Findings:
    """A request has at most one effect, that of its operation; only a workflow starts several runs."""
    for request, events in index.of_request.items():
        effects = [it for it in events if isinstance(it, StateChanged)]
        operation = index.operation(request)
        meant = effect_of(operation)
        if operation == "executeWorkflow":
            effects = [it for it in effects if it.what != "launched"]
        if len(effects) > 1 or any(it.what != meant for it in effects):
            yield (
                f"request {request} ({operation or 'no call'}) had an effect that is not its own",
                (*effects,),
            )


def answers_agree_with_effects(index: HistoryIndex) -> Findings:
    """A success without injected faults has had its effect; a refusal has had none."""
    for request, events in index.of_request.items():
        effects = [it for it in events if isinstance(it, StateChanged)]
        meant = effect_of(index.operation(request))
        for answer in (it for it in events if isinstance(it, AnswerSent)):
            refused = not answer.faults and answer.status >= 400
            if (refused or _REFUSING & set(answer.faults)) and effects:
                yield f"request {request} was refused and had an effect", (*effects, answer)
            if not answer.faults and answer.status < 300 and meant and not effects:
                yield f"request {request} succeeded without an effect", (answer,)


def effect_of(operation: str) -> str | None:
    """Return the change that a successful call makes; None for a call that only reads."""
    return _EFFECT.get(operation) or _WRITES.get(operation[:6])


def runs_are_launched_once(index: HistoryIndex) -> Findings:
    """An execution id belongs to one launch, or to a saved state, and no event names a run before it."""
    for execution_id, events in index.of_run.items():
        launches = [event for event, word in events if word == "launched"]
        launches = launches or [event for event, word in events if word == "restored"][:1]
        if len(launches) != 1 or events[0][0] is not launches[0]:
            yield f"the run {execution_id} was not launched once and first", tuple(it for it, _ in events)


def runs_belong_to_one_job(index: HistoryIndex) -> Findings:
    """Every change of a run is made under the job that it was launched for."""
    for execution_id, launch in index.launches.items():
        effects = [it for it, _ in index.of_run[execution_id] if isinstance(it, StateChanged)]
        if strange := [it for it in effects if it.job_id != launch.job_id]:
            yield f"the run {execution_id} of the job {launch.job_id} has another job too", (launch, *strange)


def statuses_only_move_forward(index: HistoryIndex) -> Findings:
    """A run is READY, then RUNNING, then has one end; an unknown status proves nothing."""
    for execution_id, events in index.of_run.items():
        reported = [
            (event, word) for event, word in events if isinstance(event, StatusReported) and word in _RANKS
        ]
        for (before, old), (after, new) in pairwise(reported):
            if _RANKS[new] < _RANKS[old] or (old in ENDED and new != old):
                yield f"the run {execution_id} went from {old} to {new}", (before, after)


def ended_runs_are_not_canceled(index: HistoryIndex) -> Findings:
    """No cancel is accepted once the end of a run was reported."""
    for execution_id, events in index.of_run.items():
        over = None
        for event, word in events:
            if word == "canceled" and over is not None:
                yield f"the run {execution_id} was canceled after its end", (over, event)
            if isinstance(event, StatusReported) and word in ENDED:
                over = event


HISTORY_INVARIANTS: tuple[Callable[[HistoryIndex], Findings], ...] = (
    numbers_have_no_gaps,
    requests_are_received_first,
    signatures_are_checked_once,
    effects_need_a_signature,
    requests_end_once,
    nothing_follows_the_end,
    requests_do_what_they_are_for,
    answers_agree_with_effects,
    runs_are_launched_once,
    runs_belong_to_one_job,
    statuses_only_move_forward,
    ended_runs_are_not_canceled,
)
