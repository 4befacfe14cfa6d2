"""What a trigger reports to the task that it resumes: how runs ended, or why they are no longer waited for.

A trigger and the task that it resumes may be of different versions of this package, because workers and triggerers are
updated one after the other. So an event has a version; members that are not known are ignored, and only JSON is in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self, TypeAlias, TypeVar, cast

from attrs import NOTHING, AttrsInstance, asdict, fields, frozen

from dataflow_async.models.execution import JobExecution
from dataflow_async.models.moment import Moment

VERSION = 1
"""Raised when a reader of the version before would misunderstand an event."""

EndedBy: TypeAlias = Literal["terminal", "some", "deadline", "error"]
"""``"terminal"``: all runs ended; ``"some"``: some did, and no more was asked for; ``"deadline"``: the time was over; ``"error"``:
they can't be waited for."""

Member = TypeVar("Member", bound=AttrsInstance)

_ENDED_BY = ("terminal", "some", "deadline", "error")


class UnknownEvent(ValueError):
    """An event that this version can't read: of a later version, or no event of ours."""


@frozen
class RunReport:
    """One run, as its trigger saw it last.

    Attributes:
        job_id: The job; for a run of a workflow, the job of its node.
        execution_id: The run.
        status: As the service wrote it; None if it was never seen.
        running_minutes: Minutes run, as the service counts them.
        log_path: Where its log is in Object Storage.
        job_name: Name of the job.
        created: When it was requested, ISO 8601, or as the service wrote it.
        started: When it began to run; as ``created``.
        ended: When it ended; as ``created``.
    """

    job_id: str
    execution_id: str
    status: str | None = None
    running_minutes: float | None = None
    log_path: str | None = None
    job_name: str | None = None
    created: str | None = None
    started: str | None = None
    ended: str | None = None

    @classmethod
    def of(cls, execution: JobExecution) -> Self:
        """Return the report of a run."""
        settings, minutes = execution.job_condition, execution.running_time
        log_path = None if settings is None else settings.console_log_path or settings.log_path
        return cls(
            execution.job_id,
            execution.job_execution_id,
            None if execution.status is None else str(execution.status),
            minutes if minutes is not None and math.isfinite(minutes) else None,
            log_path,
            execution.job_name,
            _text(execution.created_date),
            _text(execution.start_date),
            _text(execution.end_date),
        )


@frozen
class RunError:
    """Why runs are no longer waited for.

    Attributes:
        kind: Class name of the error, such as ``"AuthenticationFailed"``.
        message: Its text.
    """

    kind: str
    message: str


@frozen
class RunEvent:
    """What a trigger yields, once.

    Attributes:
        runs: All runs that it was given, in that order.
        ended_by: Why it yields.
        error: Where that is ``"error"``: what happened.
    """

    runs: tuple[RunReport, ...]
    ended_by: EndedBy
    error: RunError | None = None

    def to_event(self) -> dict[str, Any]:
        """Return the JSON object for a ``TriggerEvent``."""
        return {
            "version": VERSION,
            "runs": [asdict(run) for run in self.runs],
            "ended_by": self.ended_by,
            "error": None if self.error is None else asdict(self.error),
        }

    @classmethod
    def from_event(cls, event: object) -> Self:
        """Return the event that a JSON object holds; members that are not known are ignored.

        Raises:
            UnknownEvent: It is of a later version, or no event of ours.
        """
        if not isinstance(event, Mapping):
            raise UnknownEvent(f"event must be an object, got {type(event).__name__}")
        if event.get("version") != VERSION:
            raise UnknownEvent(f"version must be {VERSION}, got {event.get('version')!r}")
        ended_by, runs, error = event.get("ended_by"), event.get("runs"), event.get("error")
        if ended_by not in _ENDED_BY:
            raise UnknownEvent(f"ended_by must be one of {', '.join(_ENDED_BY)}, got {ended_by!r}")
        if not isinstance(runs, list):
            raise UnknownEvent(f"runs must be a list, got {type(runs).__name__}")
        return cls(
            tuple(_read(RunReport, run, "runs") for run in runs),
            cast("EndedBy", ended_by),
            None if error is None else _read(RunError, error, "error"),
        )


def _read(kind: type[Member], found: object, name: str) -> Member:
    """Return the value that an object holds, without the members that this version does not have.

    Raises:
        UnknownEvent: It lacks a member, or is no object.
    """
    if not isinstance(found, Mapping):
        raise UnknownEvent(f"{name} must hold objects, got {type(found).__name__}")
    known = {it.name: found[it.name] for it in fields(kind) if it.name in found}
    missing = [it.name for it in fields(kind) if it.default is NOTHING and it.name not in known]
    if missing:
        raise UnknownEvent(
            f"{name} must hold {', '.join(missing)}, got {', '.join(map(str, found)) or 'nothing'}"
        )
    return kind(**known)


def _text(moment: Moment | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
