"""Which rows of a workflow's list belong to one start of it (contract/notes.md#ruling-74). Pure: rows in, runs out.

executeWorkflow names no run. A row may belong to a start if it was not listed before, is the run of one of the
workflow's jobs, names the trigger that was fired, or none, and is not dated before the start. Where two rows of a job
may, where an earlier start may still bring another one, or where dates contradict that, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.graph import check_parents
from dataflow_async.models.workflow import Workflow
from dataflow_async.wire.server_time import ServerTime
from dataflow_async.workflows.earlier_runs import EarlierRuns, Parents
from dataflow_async.workflows.start import is_long_before
from dataflow_async.workflows.zone import date_of, error_shown_by_end, error_shown_by_future


def job_parents(workflow: Workflow) -> Parents:
    """Read from a workflow's nodes which job follows which; a job that follows only triggers starts at once.

    Raises:
        InvalidRequest: There is no JOB node, a job is deleted or stands in two nodes, or the nodes form a cycle:
            the rows of such a start could not be awaited or distinguished.
    """
    jobs: dict[str, list[str]] = {}
    for index, node in enumerate(workflow.nodes or ()):
        if node.type != "JOB":
            continue
        where = (
            "workflow_id must be of a workflow whose runs can be awaited,"
            f" got {workflow.workflow_id}, which was not started: its nodes[{index}]"
        )
        if not node.id:
            raise InvalidRequest(f"{where} names no job", field="workflow_id")
        if node.is_valid is False:
            raise InvalidRequest(
                f"{where} is job {node.id}, which is deleted (isValid is false)", field="workflow_id"
            )
        if node.id in jobs:
            raise InvalidRequest(
                f"{where} is job {node.id}, which stands in an earlier node too", field="workflow_id"
            )
        jobs[node.id] = node.parent_node_ids or []
    if not jobs:
        raise InvalidRequest(
            f"workflow_id must be of a workflow with a JOB node, got {workflow.workflow_id}, which was not started: it has"
            " no JOB node, so there is no run to wait for",
            field="workflow_id",
        )
    parents = {job: tuple(one for one in following if one in jobs) for job, following in jobs.items()}
    check_parents([{"id": job, "parentNodeIds": following} for job, following in parents.items()])
    return parents


class StartRows:
    """The rows of one start, as far as the lists have shown them.

    A row of one of the jobs is noted either as an earlier one or as one that may belong to the start, never as both. A
    misdated row is an earlier one until dates turn out to be read differently: were it dropped, an earlier start that
    may still bring another run would be overlooked. A row that has ended is not changed any more.

    Args:
        parents: The workflow's jobs.
        terminal_statuses: Statuses that end a run.
        now: Server time before the first row is noted.
        was_before: Returns whether a row was listed before the start, for a start that another process has made.
    """

    def __init__(
        self,
        parents: Parents,
        terminal_statuses: frozenset[str],
        now: ServerTime,
        was_before: Callable[[JobExecution], bool] = lambda _: False,
    ) -> None:
        self._parents = parents
        self._was_before = was_before
        self._terminal = terminal_statuses
        self._earlier = EarlierRuns(terminal_statuses, now.earlier - defaults.EARLIER_RUN_HORIZON)
        self._rows: dict[str, dict[str, JobExecution]] = {job: {} for job in parents}
        self._misdated: dict[str, _MisdatedRow] = {}
        """New rows that are dated before the start or in the future, by id."""
        self._zone_error = 0.0
        """Seconds by which dates are ahead, as far as it is known."""
        self._ended: set[str] = set()
        self._trigger_id: str | None = None
        self._start = now
        self._young: set[str] = set()
        """Ids of rows that were listed before the start and are not long before it."""

    # --- what the lists show -------------------------------------------------------------------------------

    def note_before(self, row: JobExecution) -> None:
        """Record a row that is listed before the start."""
        self._earlier.note(row)
        if not is_long_before(row, self._start):
            self._young.add(row.job_execution_id)

    def before(self) -> frozenset[str]:
        """Return the ids of rows that were listed before the start, without those that are long before it."""
        return frozenset(self._young)

    def begin(self, now: ServerTime) -> None:
        """Record the server time at which the start is sent."""
        self._start = now

    def fired(self, trigger_id: str | None) -> None:
        """Record the trigger that was fired, if the receipt names it."""
        self._trigger_id = trigger_id

    def note(self, row: JobExecution, now: ServerTime) -> None:
        """Record a row that is listed after the start, at ``now``."""
        known_error = self._zone_error
        if (misdated := self._misdated.get(row.job_execution_id)) is not None:
            self._earlier.note(row)
            self._learn_zone(misdated, row, now)
            self._take_if_dated_right(misdated, now)
        elif row.job_execution_id in self._earlier or self._was_before(row):
            self._earlier.note(row)
        elif row.job_id in self._rows and self._is_of_trigger(row.trigger_id):
            if self._is_misdated(row, now):
                self._earlier.note(row)
                running_at = None if self._has_ended(row) else now.earlier
                self._misdated[row.job_execution_id] = _MisdatedRow(row, running_at)
            else:
                self._take(row)
        if self._zone_error != known_error:
            for one in list(self._misdated.values()):
                self._take_if_dated_right(one, now)

    def _take(self, row: JobExecution) -> None:
        """Take a row for one that may belong to the start."""
        self.see(row, row)
        if self._has_ended(row):
            self._ended.add(row.job_execution_id)

    def _take_if_dated_right(self, misdated: _MisdatedRow, now: ServerTime) -> None:
        """Accept a misdated row if its date, in the zone known by now, is between the start and now."""
        row = misdated.row
        if row.job_execution_id in self._misdated and not self._is_misdated(row, now):
            del self._misdated[row.job_execution_id]
            self._earlier.forget(row.job_execution_id)
            self._take(row)

    def _has_ended(self, row: JobExecution) -> bool:
        return row.status in self._terminal

    def _is_misdated(self, row: JobExecution, now: ServerTime) -> bool:
        """Return whether a row's date, to its own granularity, lies before the start or in the future.

        A date in the future shows that dates are off: if one wrong zone explains it, all are read by that.
        """
        date = date_of(row, "createdDate")
        if date is None:
            return False
        if date.at - self._zone_error > now.later + defaults.DATE_PRECISION:
            error = error_shown_by_future(date, self._start, now)
            if error is None:
                return True
            self._zone_error = error
        return date.at - self._zone_error + date.grain <= self._start.earlier

    def _learn_zone(self, misdated: _MisdatedRow, row: JobExecution, now: ServerTime) -> None:
        """Derive the zone of dates from the end of a run that was polled before it ended."""
        misdated.row = row
        if not self._has_ended(row):
            misdated.running_at = now.earlier
            return
        end = date_of(row, "endDate")
        if misdated.has_shown_zone or misdated.running_at is None or end is None:
            return
        error = error_shown_by_end(end, misdated.running_at, now.later)
        if error is not None:
            misdated.has_shown_zone = True
            self._zone_error = error

    def _is_undecided(self, row: JobExecution) -> bool:
        """Return whether a row's date may lie before the start or after it, server time being known too roughly.

        A gateway that sends no ``Date`` leaves server time at what it accepted: our clock, give or take the signature
        window. Nothing contradicts our clock then, so it decides; else no run of such a service could ever be matched.
        """
        start, date = self._start, date_of(row, "createdDate")
        width = start.later - start.earlier
        if date is None or width <= defaults.DATE_PRECISION:
            return False
        if width <= 2 * defaults.SIGNATURE_WINDOW + defaults.DATE_PRECISION:
            return date.at - self._zone_error + date.grain <= start.earlier + width / 2
        return date.at - self._zone_error <= start.later

    def see(self, row: JobExecution, now: JobExecution) -> None:
        """Record the state of a row; once it has ended nothing changes any more."""
        if row.job_execution_id not in self._ended:
            self._rows[row.job_id][row.job_execution_id] = now

    def end(self, row: JobExecution, now: JobExecution) -> None:
        """Record how a row has ended, whatever its status."""
        self.see(row, now)
        self._ended.add(row.job_execution_id)

    # --- what follows from it ------------------------------------------------------------------------------

    @property
    def known(self) -> tuple[JobExecution, ...]:
        """All rows that may belong to the start, in node order."""
        return tuple(row for rows in self._rows.values() for row in rows.values())

    @property
    def running(self) -> list[JobExecution]:
        """Those that have not ended."""
        return [row for rows in self._rows.values() for key, row in rows.items() if key not in self._ended]

    @property
    def missing(self) -> list[str]:
        """Jobs that should have a row by now: they have none, and all that they follow have completed.

        What follows a job that ended otherwise never begins, nor does what follows that.
        """
        completed = {
            job
            for job, rows in self._rows.items()
            for key, row in rows.items()
            if key in self._ended and row.status == ExecutionStatus.COMPLETED
        }
        return [
            job
            for job, parents in self._parents.items()
            if not self._rows[job] and completed.issuperset(parents)
        ]

    @property
    def uncertainties(self) -> list[str]:
        """Why it is uncertain which rows belong to the start, a phrase for each job; empty if it is not."""
        open_jobs = self._earlier.open_jobs(
            self._parents, self._is_of_trigger, self._start.earlier - defaults.EARLIER_RUN_HORIZON
        )
        found = []
        for job, rows in self._rows.items():
            ids = ", ".join(rows)
            if len(rows) > 1:
                found.append(f"job {job} has {len(rows)} new runs ({ids})")
            elif rows and job in open_jobs:
                found.append(
                    f"job {job} has one new run ({ids}), which may follow the earlier run {open_jobs[job]}"
                )
            elif any(map(self._is_undecided, rows.values())):
                found.append(
                    f"job {job} has one new run ({ids}), which may have begun before the start: the service's time is"
                    f" known to {self._start.later - self._start.earlier:.0f} s only"
                )
        return found

    @property
    def misdated(self) -> list[JobExecution]:
        """Rows of missing jobs that are new and misdated, and of which none can show any more how dates are to be read;
        in node order.
        """
        found: list[JobExecution] = []
        for job in self.missing:
            unproven = [
                one.row for one in self._misdated.values() if one.row.job_id == job and not one.has_shown_zone
            ]
            if all(map(self._has_ended, unproven)):
                found += unproven
        return found

    def _is_of_trigger(self, trigger_id: str | None) -> bool:
        """Return whether a run of a trigger may be of the one that was fired; without an id on either side it may."""
        return self._trigger_id is None or trigger_id in {None, self._trigger_id}


class _MisdatedRow:
    """A new row dated before the start or in the future: of an earlier start and listed late, or its date is wrong."""

    __slots__ = ("has_shown_zone", "row", "running_at")

    def __init__(self, row: JobExecution, running_at: float | None) -> None:
        self.row = row
        self.running_at = running_at
        """Server time of the last poll that showed it before its end; None if none did."""
        self.has_shown_zone = False
        """Whether its end has shown how dates are to be read."""
