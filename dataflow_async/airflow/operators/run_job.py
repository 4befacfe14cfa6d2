"""The operator that runs one job."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dataflow_async import defaults
from dataflow_async.airflow.events import RunEvent, RunReport, UnknownEvent
from dataflow_async.airflow.launching import (
    Started,
    TaskLauncher,
    end_of_run,
    launched_once,
)
from dataflow_async.airflow.lineage import Lineage, lineage_of
from dataflow_async.airflow.operators.base import (
    beginning_of_run,
    has_state,
    launched_in_time,
    task_try,
)
from dataflow_async.airflow.operators.failures import require_success
from dataflow_async.airflow.operators.launches import DataFlowLaunchOperator, found_job
from dataflow_async.airflow.unrecorded import UnrecordedLauncher
from dataflow_async.client import DataFlow
from dataflow_async.models.execution import TERMINAL, ExecutionStatus
from dataflow_async.models.launch import Launch


class DataFlowRunJobOperator(DataFlowLaunchOperator):
    """Runs a job once, whatever becomes of workers, and waits for its end.

    The launch is recorded in the task's state before it is sent. A retry takes up the run of an earlier try: it waits for
    one that goes on, reports one that has completed, and launches another one only for one that failed or was cancelled. A
    clear launches another one for any run that has ended. Where it is not known whether a launch has started, its run is
    searched, by ``correlation_parameter`` or by evidence; while nothing is proven, the task fails rather than start a second
    run.

    The return value, and so the XCom, is a dict: ``job_id``, ``execution_id``, ``status``, ``running_minutes``, ``log_path``,
    ``job_name``, ``created``, ``started`` and ``ended``.

    Args:
        job_id: The job; or ``job_name``.
        job_name: The job's exact name.
        parameters: Parameters of a SCRIPT job, text to text.
        condition: Settings of this run by the wire's names, such as ``{"numWorker": 4}``.
        kwargs: As `DataFlowLaunchOperator`, `DataFlowOperator`, and as for every operator.
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "job_id",
        "job_name",
        "parameters",
        "condition",
        "correlation_parameter",
    )
    template_fields_renderers = {"parameters": "json", "condition": "json"}  # noqa: RUF012  # as Airflow declares it

    def __init__(
        self,
        *,
        job_id: str | None = None,
        job_name: str | None = None,
        parameters: Mapping[str, str] | None = None,
        condition: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.job_name = job_name
        self.parameters = parameters
        self.condition = condition

    def execute(self, context: Context) -> dict[str, Any]:
        """Launch, or take up the run of an earlier try, and wait for its end; called by Airflow."""
        self._check(context)
        outcome = self.run_here(partial(self._start, context))
        if isinstance(outcome, RunEvent):
            return self._concluded(context, outcome)
        self._log_started(outcome)
        execution = outcome.execution
        if execution.is_terminal:
            return self._concluded(context, RunEvent((RunReport.of(execution),), "terminal"))
        if not self.wait_for_completion:
            return attrs.asdict(RunReport.of(execution))
        self.wait_deferred(context, [execution.ref])
        raise AssertionError  # pragma: no cover  # deferring raises

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Conclude the task with the event of its trigger; called by Airflow."""
        try:
            return self._concluded(context, RunEvent.from_event(event))
        except UnknownEvent as problem:
            self.log.warning(
                "the trigger's event can't be read (%s); the run itself is read instead", problem
            )
        return self._taken_up(context)

    def get_openlineage_facets_on_complete(self, _task_instance: object) -> Lineage:
        """Return what the job reads and writes; called where Airflow's OpenLineage provider is installed."""
        run = self.shown_run
        if run is None:
            return Lineage()
        job = self.hook.run(lambda flow: flow.jobs.get(run.job_id))
        return lineage_of(job.nodes, run, self.service())

    # --- launching -----------------------------------------------------------------------------------------

    def _check(self, context: Context) -> None:
        """Check, before anything is sent, what does not depend on the service.

        Raises:
            AirflowFailException: An argument can't be used.
        """
        if (self.job_id is None) == (self.job_name is None):
            raise AirflowFailException("job_id must be given, or job_name, and not both")
        self.check_launches(context)

    async def _start(self, context: Context, flow: DataFlow) -> Started | RunEvent:
        """Return the run, or how it has ended if this process waits for that."""
        started = await launched_in_time(self._launched(context, flow), durable=self.durable)
        if not self.wait_for_completion or started.execution.is_terminal:
            return started
        if not self.deferrable:
            self._log_started(started)
        wait = self.run_wait(context, [started.execution.ref])
        return await self.waited_here(flow, context, wait) or started

    async def _launched(self, context: Context, flow: DataFlow) -> Started:
        launch = Launch(
            await found_job(flow, self.job_id, self.job_name),
            parameters=self.parameters or None,
            condition=self.condition or None,
        )
        if not self.durable:
            return await launched_once(flow, launch)
        if not has_state(context):
            by, name, options = task_try(context), self.name_of_task(context), self.launch_options()
            return await UnrecordedLauncher(flow, by, name, beginning_of_run(context), options).start(launch)
        return await self._launcher(context, flow).start(launch)

    def _launcher(self, context: Context, flow: DataFlow) -> TaskLauncher:
        return TaskLauncher(
            flow,
            self.store_of(context),
            task_try(context),
            self.name_of_task(context),
            self.launch_options(),
        )

    def _log_started(self, started: Started) -> None:
        execution, settings = started.execution, started.execution.job_condition
        self.shown_run = RunReport.of(execution)
        self.log.info(
            "run %s of job %s (%s) is %s; %s; settings: %s",
            execution.job_execution_id,
            execution.job_name or self.job_name or "-",
            execution.job_id,
            execution.status,
            "an earlier try has launched it" if started.attached else "it was launched now",
            None if settings is None else settings.raw,
        )

    # --- the end -------------------------------------------------------------------------------------------

    def _concluded(self, context: Context, event: RunEvent) -> dict[str, Any]:
        """Return the outcome of a run that has completed.

        Raises:
            AirflowException: It has not.
        """
        if len(event.runs) != 1:  # the trigger could not read what it is to wait for
            require_success(event)
            raise AirflowException(f"the event must be about one run, got {len(event.runs)}")
        run = self._with_log_path(*event.runs)
        event = attrs.evolve(event, runs=(run,))
        self.shown_run = run
        self.log.info("outcome: %s", attrs.asdict(run))
        replaced = self.durable and has_state(context) and self._record_end(context, event, run)
        if replaced and run.status == ExecutionStatus.CANCELED:
            self.log.info("it was cancelled to be replaced; another run is launched")
            return self.execute(context)
        require_success(event)
        return attrs.asdict(run)

    def _with_log_path(self, run: RunReport) -> RunReport:
        """Return a run that has ended with the path of its log, which a list of runs does not show, if it can be read."""
        if run.log_path is not None or run.status not in TERMINAL:
            return run

        async def read(flow: DataFlow) -> RunReport:
            async with asyncio.timeout(defaults.LOG_PATH_TIMEOUT):
                return RunReport.of(await flow.jobs.execution(run.job_id, run.execution_id))

        try:
            return attrs.evolve(run, log_path=self.run_here(read).log_path)
        except (AirflowException, TimeoutError) as problem:
            self.log.info("the path of the log can't be read: %s", str(problem) or "no answer in time")
            return run

    def _record_end(self, context: Context, event: RunEvent, run: RunReport) -> bool:
        """Record how the run ended, and return whether another one is due if it was cancelled."""
        gave_up = event.ended_by == "deadline" and self.cancel_on_timeout
        record = partial(end_of_run, self.store_of(context), run.execution_id, run.status, superseded=gave_up)
        return self.record_here(record) and event.ended_by != "deadline"

    def _taken_up(self, context: Context) -> dict[str, Any]:
        """Conclude with the run as it is recorded and as the service shows it now; wait on if it has not ended."""
        if not self.durable or not has_state(context):
            raise AirflowException(
                "the trigger's event can't be read, and the run is not recorded: look at the job"
            )

        async def current(flow: DataFlow) -> Started:
            return await self._launcher(context, flow).current()

        execution = self.run_here(current).execution
        if execution.is_terminal:
            return self._concluded(context, RunEvent((RunReport.of(execution),), "terminal"))
        self.wait_deferred(context, [execution.ref])
        raise AssertionError  # pragma: no cover  # deferring raises
