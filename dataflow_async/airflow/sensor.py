"""The sensor: waits for a run that somebody else has started, or will start."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout, AirflowSkipException
from attrs import asdict

from dataflow_async import defaults
from dataflow_async.airflow.arguments import check_arguments
from dataflow_async.airflow.events import RunEvent, RunReport, UnknownEvent
from dataflow_async.airflow.hook import DEFAULT_CONN_ID, DataFlowHook
from dataflow_async.airflow.links import LINKS, shown_run
from dataflow_async.airflow.run_search import RunSearch
from dataflow_async.airflow.run_wait import run_refs
from dataflow_async.airflow.trigger import DataFlowLatestRunTrigger, DataFlowRunTrigger
from dataflow_async.client import DataFlow
from dataflow_async.clock import SystemClock
from dataflow_async.errors import DataFlowError, InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.execution import ExecutionStatus, JobExecution

if TYPE_CHECKING:
    from airflow.sdk import Context


class DataFlowJobSensor(BaseSensorOperator):
    """Waits for the end of a run: a given one, or the latest one of a job in a period.

    A run that goes on comes before all that have ended, so that yesterday's or a first attempt's end is never taken for the
    end of the one that runs now. The sensor starts nothing and cancels nothing. It is deferrable by default: while it waits,
    it occupies no worker.

    Its value (XCom) is what is known of the run: ``job_id``, ``execution_id``, ``status``, ``running_minutes``,
    ``log_path``, ``job_name``, ``created``, ``started`` and ``ended``.

    Args:
        job_id: The job; templated.
        job_name: The exact name of the job, instead of its id; if several jobs have it, the runs of all count. Templated.
        execution_id: A run of the job, or the text of a reference to a run; templated.
        conn_id: The connection; None for keys of the environment, a profile file or a server role. Templated.
        window_start: Time from which on the run must have been requested, an aware datetime or ISO 8601; the logical date of
            the dag run unless given, or the time after which it could run. Templated.
        window: Length of the period in which the run must have been requested.
        expected: Statuses that the run may end with; any other one fails the task.
        deferrable: Whether to wait in a triggerer.
        kwargs: Those of every sensor. ``poke_interval``: seconds between two searches for a run that has not begun;
            ``timeout``: seconds after which the task fails for good; ``execution_timeout``: time after which a try fails, kept
            while it is deferred too; ``soft_fail`` and ``never_fail``.

    Raises:
        InvalidRequest: The arguments name no job and no run, or both a job and a name.
        AirflowSensorTimeout: The run has not ended in time.
        AirflowException: It ended otherwise than expected, or can't be waited for; the message says why.
    """

    template_fields: Sequence[str] = ("job_id", "job_name", "execution_id", "conn_id", "window_start")
    ui_color = "#e8f4ee"
    operator_extra_links = LINKS

    def __init__(
        self,
        *,
        job_id: str | None = None,
        job_name: str | None = None,
        execution_id: str | None = None,
        conn_id: str | None = DEFAULT_CONN_ID,
        window_start: datetime | str | None = None,
        window: timedelta = timedelta(seconds=defaults.SENSOR_WINDOW),
        expected: Collection[str] = (ExecutionStatus.COMPLETED,),
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if job_id is not None and job_name is not None:
            raise InvalidRequest(
                "job_id and job_name must not both be given: one names the job", field="job_name"
            )
        if job_id is None and job_name is None and execution_id is None:
            raise InvalidRequest(
                "job_id, job_name or execution_id must name what to wait for", field="job_id"
            )
        self.job_id = job_id
        self.job_name = job_name
        self.execution_id = execution_id
        self.conn_id = conn_id
        self.window_start = window_start
        self.window = window
        self.expected = [str(status) for status in expected]
        self.deferrable = deferrable
        self.shown_run: RunReport | None = None
        """The run that the links of the task lead to."""

    def execute(self, context: Context) -> Any:
        """Wait in a triggerer, or else here.

        Raises:
            TaskDeferred: To wait in a triggerer.
            InvalidRequest: An argument names no run or period, or does not come back from Airflow's serialisation.
        """
        if not self.deferrable:
            return super().execute(context)
        trigger = self._trigger(context, time.time() + self._bound())
        check_arguments(trigger.serialize()[1])
        self.defer(trigger=trigger, method_name="execute_complete")
        raise AssertionError  # pragma: no cover  # defer raises

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what is known of the run, from the event of the trigger.

        Raises:
            AirflowSensorTimeout: It has not ended in time.
            AirflowException: It ended otherwise than expected, or can't be waited for.
        """
        try:
            found = RunEvent.from_event(event)
        except UnknownEvent as unknown:
            self.log.warning("the trigger's event can't be read (%s), so it waits again", unknown)
            return dict(self.execute(context))
        self.shown_run = shown_run(*found.runs)
        if found.ended_by == "deadline":
            problem = f"no end within {self._bound():g} s: {_shown(found.runs)}"
            is_final = self._bound() == self.timeout  # Airflow does not retry after the time-out of a sensor
            self._fail(AirflowSensorTimeout(problem) if is_final else AirflowException(problem))
        if found.error is not None:
            self._fail(AirflowException(f"{found.error.kind}: {found.error.message}"))
        return self._value(found.runs[0])

    def poke(self, context: Context) -> PokeReturnValue:
        """Return whether the run has ended, and what is known of it.

        Raises:
            AirflowException: It ended otherwise than expected.
            DataFlowError: It can't be read, or there is none and the period is over.
        """
        try:
            run = DataFlowHook(self.conn_id).run(lambda flow: self._read(flow, context))
        except DataFlowError as error:
            if not error.is_transient:
                raise
            self.log.warning("the run can't be read now, which is repeated: %s", error)
            return PokeReturnValue(is_done=False)
        if run is None or not run.is_terminal:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._value(RunReport.of(run)))

    def _bound(self) -> float:
        """Return the seconds to wait: Airflow does not enforce ``execution_timeout`` while a task is deferred."""
        limit = self.execution_timeout
        return self.timeout if limit is None else min(self.timeout, limit.total_seconds())

    async def _read(self, flow: DataFlow, context: Context) -> JobExecution | None:
        if self.execution_id is None:
            search = RunSearch.of(self._search(context, None))
            if (run := await search.latest(flow, SystemClock())) is None:
                search.check_period(time.time())
            return run
        (ref,) = run_refs(self.job_id, [self.execution_id])
        return await flow.jobs.execution(ref.job_id, ref.execution_id)

    def _trigger(self, context: Context, deadline: float) -> DataFlowRunTrigger | DataFlowLatestRunTrigger:
        if self.execution_id is None:
            return DataFlowLatestRunTrigger(**self._search(context, deadline))
        (ref,) = run_refs(self.job_id, [self.execution_id])
        self.shown_run = RunReport(ref.job_id, ref.execution_id)
        return DataFlowRunTrigger(
            conn_id=self.conn_id,
            job_id=self.job_id,
            execution_ids=[self.execution_id],
            deadline=deadline,
            cancel_on_kill=False,
            cancel_on_deadline=False,
        )

    def _search(self, context: Context, deadline: float | None) -> dict[str, Any]:
        start = self._window_start(context)
        return {
            "conn_id": self.conn_id,
            "job_id": self.job_id,
            "job_name": self.job_name,
            "window_start": start,
            "window_end": start + self.window.total_seconds(),
            "poll_interval": self.poke_interval,
            "deadline": deadline,
        }

    def _window_start(self, context: Context) -> float:
        """Return the beginning of the period in Unix seconds."""
        start: Any = self.window_start or context.get("logical_date") or context["dag_run"].run_after
        try:
            moment = datetime.fromisoformat(start) if isinstance(start, str) else start
        except ValueError:
            raise checks.refuse("window_start", start, "a datetime or ISO 8601 text") from None
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise checks.refuse("window_start", start, "a time with a zone")
        return moment.timestamp()

    def _value(self, report: RunReport) -> dict[str, Any]:
        self.shown_run = report
        self.log.info("%s", _shown((report,)))
        if report.status not in self.expected:
            self._fail(AirflowException(f"{_shown((report,))}, expected {' or '.join(self.expected)}"))
        return asdict(report)

    def _fail(self, error: AirflowException) -> NoReturn:
        """Raise an error, or skip the task where the sensor is set to that."""
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(str(error)) from error
        raise error


def _shown(reports: Sequence[RunReport]) -> str:
    """Return runs in words."""
    texts = [
        f"run {report.execution_id} of job {report.job_id} is {report.status or 'in an unknown state'}"
        + (f"; its log: {report.log_path}" if report.log_path else "")
        for report in reports
    ]
    return ", ".join(texts) or "there is no run yet"
