"""The operator that runs one workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from dataflow_async import defaults
from dataflow_async.airflow.events import RunEvent, UnknownEvent
from dataflow_async.airflow.links import shown_run
from dataflow_async.airflow.operators.base import DataFlowOperator, has_state, launched_in_time, task_try
from dataflow_async.airflow.operators.failures import require_success
from dataflow_async.airflow.workflow_launching import (
    StartedWorkflow,
    StartRecord,
    WorkflowLauncher,
    known_runs,
)
from dataflow_async.airflow.workflow_wait import WorkflowWait
from dataflow_async.client import DataFlow
from dataflow_async.models.execution import ExecutionStatus
from dataflow_async.workflows.start import WorkflowStart


class DataFlowRunWorkflowOperator(DataFlowOperator):
    """Starts a workflow once, whatever becomes of workers, and waits for the run of each of its jobs.

    What was listed before the start is recorded in the task's state before it is sent. A retry takes up the start of an
    earlier try: it waits for one that goes on, reports one whose runs have completed, and starts the workflow again only
    after one that failed. A clear starts it again once the last start has ended. Where it is not known whether a start has
    happened, its runs are searched; while none is listed, the task fails rather than start the workflow a second time.

    The return value, and so the XCom, is a dict: ``workflow_id``, ``trigger_id``, and ``runs``, a list with a dict for each
    job, as `DataFlowRunJobOperator` returns one. ``trigger_id`` is None where the start is not recorded and the task was deferred.

    Args:
        workflow_id: The workflow; its start trigger must be a manual or an event one.
        payload: A note about the caller, as for ``workflows.execute``.
        visibility_delay: Seconds after a lost answer until which a run may be listed.
        kwargs: As `DataFlowOperator`, and as for every operator.
    """

    template_fields: Sequence[str] = ("conn_id", "workflow_id", "payload")
    template_fields_renderers = {"payload": "json"}  # noqa: RUF012  # as Airflow declares it

    def __init__(
        self,
        *,
        workflow_id: str,
        payload: Mapping[str, Any] | None = None,
        visibility_delay: float = defaults.VISIBILITY_DELAY,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.payload = payload
        self.visibility_delay = visibility_delay

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the workflow, or take up the start of an earlier try, and wait for its runs; called by Airflow."""
        if self.durable and not has_state(context):
            raise AirflowFailException(
                "durable must be False here, got True: this Airflow keeps no state of tasks, so nothing shows whether an"
                " earlier try has started the workflow"
            )
        self.check_serialises(context)
        started = self.run_here(partial(self._started, context))
        self.log.info(
            "workflow %s %s",
            self.workflow_id,
            "was started by an earlier try" if started.attached else "is started",
        )
        if started.event is not None:
            return self._concluded(context, started.start, started.event)
        if not self.wait_for_completion:
            return self._outcome(started.start, RunEvent((), "terminal"))
        self._wait_deferred(context, started.start)
        raise AssertionError  # pragma: no cover  # deferring raises

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Conclude the task with the event of its trigger; called by Airflow."""
        start = self._recorded(context)
        try:
            return self._concluded(context, start, RunEvent.from_event(event))
        except UnknownEvent as problem:
            self.log.warning(
                "the trigger's event can't be read (%s); the runs themselves are read instead", problem
            )
        if start is None:
            raise AirflowException(
                "the trigger's event can't be read, and the start is not recorded: look at the workflow"
            )
        found = self.run_here(lambda flow: known_runs(flow, start))
        if found.ended_by == "terminal":
            return self._concluded(context, start, found)
        self._wait_deferred(context, start)
        raise AssertionError  # pragma: no cover  # deferring raises

    # --- starting and waiting ------------------------------------------------------------------------------

    async def _started(self, context: Context, flow: DataFlow) -> StartedWorkflow:
        """Return the start, with its end if this process waits for that."""
        if self.durable:
            launcher = WorkflowLauncher(flow, self._record(context), task_try(context), self.visibility_delay)
            started = await launched_in_time(launcher.start(self.workflow_id, self.payload))
        else:
            starting = flow.begin_workflow(self.workflow_id, payload=self.payload)
            started = StartedWorkflow(await launched_in_time(starting, durable=False))
        if started.event is not None or not self.wait_for_completion:
            return started
        wait = WorkflowWait(started.start, self.deadline(context), self.cancel_on_timeout)
        return attrs.evolve(started, event=await self.waited_here(flow, context, wait))

    def _wait_deferred(self, context: Context, start: WorkflowStart) -> None:
        trigger = self.trigger(context, [], workflow_id=self.workflow_id, workflow_start=start.to_json())
        self.defer(trigger=trigger, method_name="execute_complete")

    def _record(self, context: Context) -> StartRecord:
        return StartRecord(context["task_state_store"], self.service(), NEVER_EXPIRE)

    def _recorded(self, context: Context) -> WorkflowStart | None:
        last = self.record_here(self._record(context).read) if self.durable else None
        return None if last is None else last.start

    # --- the end -------------------------------------------------------------------------------------------

    def _concluded(self, context: Context, start: WorkflowStart | None, event: RunEvent) -> dict[str, Any]:
        """Return the outcome of a start whose runs have completed.

        Raises:
            AirflowException: One has not.
        """
        self.shown_run = shown_run(*event.runs)
        cancelled = any(run.status == ExecutionStatus.CANCELED for run in event.runs)
        if self.durable and self.record_here(partial(self._is_replaced, context, event)) and cancelled:
            self.log.info("it was cancelled to be replaced, and is started again")
            return self.execute(context)
        require_success(event)
        return self._outcome(start, event)

    async def _is_replaced(self, context: Context, event: RunEvent) -> bool:
        """Record how a start has ended, and return whether another one is due if it was cancelled."""
        record = self._record(context)
        last = await record.read()
        if last is None:
            return False
        late = event.ended_by == "deadline" and self.cancel_on_timeout
        if event.ended_by == "terminal":
            await record.write(attrs.evolve(last, phase="ended", runs=event.runs))
        elif late:
            await record.write(attrs.evolve(last, superseded=True))
        return not late and last.superseded

    def _outcome(self, start: WorkflowStart | None, event: RunEvent) -> dict[str, Any]:
        return {
            "workflow_id": self.workflow_id if start is None else start.workflow_id,
            "trigger_id": None if start is None else start.trigger_id,
            "runs": [attrs.asdict(run) for run in event.runs],
        }
