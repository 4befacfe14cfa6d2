"""One start of a workflow, as far as another process needs it in order to await its runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import frozen

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire.server_time import ServerTime
from dataflow_async.workflows.earlier_runs import Parents
from dataflow_async.workflows.zone import date_of

VERSION = 1


@frozen
class WorkflowStart:
    """A start of a workflow: what it takes to tell its runs from those of other starts.

    ``to_json`` and `from_json` let another process wait for them.

    Attributes:
        workflow_id: The workflow.
        parents: Its jobs as they were when it was started, and the jobs that each of them follows.
        began: Bounds on the service's time at the start; Unix seconds.
        before: Ids of the runs that were listed before the start, without those that are dated more than a day earlier.
        trigger_id: The trigger that was fired; None where the start is not known to be accepted, or names none.
    """

    workflow_id: str
    parents: Parents
    began: ServerTime
    before: frozenset[str]
    trigger_id: str | None = None

    def was_before(self, row: JobExecution) -> bool:
        """Return whether a run was there before the start."""
        return row.job_execution_id in self.before or is_long_before(row, self.began)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that `from_json` reads."""
        return {
            "version": VERSION,
            "workflow_id": self.workflow_id,
            "parents": {job: list(before) for job, before in self.parents.items()},
            "began": [str(bound) for bound in self.began],
            "before": sorted(self.before),
            "trigger_id": self.trigger_id,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return the start that a JSON object holds; members that are not known are ignored.

        Raises:
            InvalidRequest: It is of another version, or no start.
        """
        try:
            _check_version(found["version"])
            earlier, later = found["began"]
            return cls(
                found["workflow_id"],
                {job: tuple(before) for job, before in found["parents"].items()},
                ServerTime(float(earlier), float(later)),
                frozenset(found["before"]),
                found.get("trigger_id"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InvalidRequest(
                f"start must be what WorkflowStart.to_json returned, got {checks.shown(found)}: {problem}",
                field="start",
            ) from None


def _check_version(version: object) -> None:
    if version != VERSION:
        raise ValueError(f"version {version!r}")


def is_long_before(row: JobExecution, began: ServerTime) -> bool:
    """Return whether a run is dated more than a day before a start: more than a wrong zone can be off."""
    date = date_of(row, "createdDate")
    return date is not None and date.at + date.grain <= began.earlier - defaults.DAY
