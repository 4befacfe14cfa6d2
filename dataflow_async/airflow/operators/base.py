"""What the operators have in common: where they launch, how long they wait, and what becomes of a kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn, TypeVar

import attrs
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from dataflow_async import defaults, tasks
from dataflow_async.airflow.arguments import check_arguments
from dataflow_async.airflow.events import RunEvent, RunReport
from dataflow_async.airflow.hook import DEFAULT_CONN_ID, DataFlowHook
from dataflow_async.airflow.links import LINKS
from dataflow_async.airflow.operators.failures import failure_of
from dataflow_async.airflow.run_wait import RunWait, cancel_runs
from dataflow_async.airflow.task_state import TaskStateLaunchStore, TaskTry
from dataflow_async.airflow.task_states import TaskKey, TaskStateUnknown
from dataflow_async.airflow.trigger import DataFlowRunTrigger
from dataflow_async.airflow.worker_task import end_of
from dataflow_async.airflow.worker_thread import WorkerThread
from dataflow_async.airflow.workflow_wait import WorkflowWait, cancel_unfinished
from dataflow_async.client import DataFlow
from dataflow_async.clock import SystemClock
from dataflow_async.errors import DataFlowError, InvalidRequest
from dataflow_async.models.execution import ExecutionRef

T = TypeVar("T")
_WELL = frozenset({"success", "skipped"})
"""States of tasks that are no failure."""


class DataFlowOperator(BaseOperator):
    """The base of the operators.

    Args:
        conn_id: The connection; None for keys of the environment, a profile file or a server role.
        wait_for_completion: Whether the task waits for the end of what it has started.
        deferrable: Whether it waits in a triggerer, which it does by default: a wait occupies no worker then.
        durable: Whether launches are recorded in the task's state before they are sent, so that whichever worker runs the
            next try takes them up.
        timeout: Seconds to wait, or a timedelta; None waits as long as it takes. Airflow's ``execution_timeout`` counts as
            well, also while the task is deferred, where Airflow itself does not enforce it.
        cancel_on_timeout: Whether runs are cancelled that have not ended by then.
        cancel_on_kill: Whether runs are cancelled when a person marks the task as failed, succeeded or skipped meanwhile.
        kwargs: As for every operator.
    """

    template_fields: Sequence[str] = ("conn_id",)
    operator_extra_links = LINKS

    def __init__(
        self,
        *,
        conn_id: str | None = DEFAULT_CONN_ID,
        wait_for_completion: bool = True,
        deferrable: bool = True,
        durable: bool = True,
        timeout: float | timedelta | None = None,
        cancel_on_timeout: bool = True,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.durable = durable
        self.timeout = timeout
        self.cancel_on_timeout = cancel_on_timeout
        self.cancel_on_kill = cancel_on_kill
        self.shown_run: RunReport | None = None
        """The run that the links of the task lead to."""
        self._working: WorkerThread[Any] | None = None

    # --- work in a worker ----------------------------------------------------------------------------------

    @property
    def hook(self) -> DataFlowHook:
        """Return the hook of the connection."""
        return DataFlowHook(self.conn_id)

    def run_here(self, work: Callable[[DataFlow], Awaitable[T]]) -> T:
        """Return the result of ``work(flow)``, run beside the main thread.

        Raises:
            AirflowFailException: It failed, and another try would meet the same.
            AirflowException: It failed, and another try may help.
        """
        return self._result_of(WorkerThread(self.hook.run, work))

    def record_here(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``work()``, which reads and writes the task's state alone, as `run_here`."""
        return self._result_of(WorkerThread(_without_client, lambda _: work()))

    def _result_of(self, thread: WorkerThread[T]) -> T:
        self._working = thread
        try:
            return thread.result()
        except DataFlowError as error:
            raise failure_of(error, durable=self.durable) from None
        finally:
            self._working = None

    def on_kill(self) -> None:
        """Note the signal; whether it means that the run is to be cancelled is found out where the task waits."""
        if (working := self._working) is not None:
            working.interrupt()

    def service(self) -> str:
        """Return the address of the service that the connection names."""
        return self.hook.service()

    def store_of(self, context: Context) -> Callable[[], Awaitable[TaskStateLaunchStore]]:
        """Return a function that opens the launches of the task."""
        return partial(
            TaskStateLaunchStore.open,
            context["task_state_store"],
            service=self.service(),
            by=task_try(context),
            retention=NEVER_EXPIRE,
        )

    # --- waiting -------------------------------------------------------------------------------------------

    def check_serialises(self, context: Context) -> None:
        """Check, before anything is launched, that the arguments of the trigger come back from Airflow's serialisation.

        Raises:
            AirflowFailException: One of them does not.
        """
        given: Any = self.timeout.total_seconds() if isinstance(self.timeout, timedelta) else self.timeout
        if given is not None and not (isinstance(given, int | float) and given > 0):
            raise AirflowFailException(
                f"timeout must be a time or a number of seconds above 0, got {self.timeout!r}"
            )
        try:
            check_arguments(self.trigger(context, [ExecutionRef("job", "run")]).serialize()[1])
        except InvalidRequest as error:
            raise AirflowFailException(str(error)) from None

    def trigger(self, context: Context, refs: Sequence[ExecutionRef], **more: Any) -> DataFlowRunTrigger:
        """Return the trigger that waits for runs."""
        return DataFlowRunTrigger(
            conn_id=self.conn_id,
            execution_ids=[str(ref) for ref in refs],
            deadline=self.deadline(context),
            cancel_on_kill=self.cancel_on_kill,
            cancel_on_deadline=self.cancel_on_timeout,
            task=task_ids(context),
            **more,
        )

    def wait_deferred(self, context: Context, refs: Sequence[ExecutionRef], **more: Any) -> NoReturn:
        """Leave the worker; `execute_complete` is called with the event of the trigger."""
        self.shown_run = self.shown_run or RunReport(refs[0].job_id, refs[0].execution_id)
        self.defer(trigger=self.trigger(context, refs, **more), method_name="execute_complete")

    def run_wait(
        self, context: Context, refs: Sequence[ExecutionRef], refill_delay: float | None = None
    ) -> RunWait:
        """Return the wait for runs, as a trigger would wait."""
        return RunWait(tuple(refs), self.deadline(context), self.cancel_on_timeout, refill_delay)

    async def waited_here(
        self, flow: DataFlow, context: Context, wait: RunWait | WorkflowWait
    ) -> RunEvent | None:
        """Wait in this process, and return what a trigger would report; None where a trigger is to wait.

        Raises:
            AirflowFailException: A person has ended the task; its runs were cancelled.
            AirflowSkipException: As that, where it was marked as success or as skipped.
        """
        if self.deferrable:  # a mark since the beginning: Airflow lets nobody wait for the run then
            await self._cancel_if_ended(flow, context, wait)
            return None
        waiting = tasks.start(wait.event, flow, SystemClock())
        try:
            while not waiting.done():
                if await self._is_interrupted(waiting):
                    self.log.info(
                        "a signal came; its run is cancelled only if the task has been ended from outside"
                    )
                    await self._cancel_if_ended(flow, context, wait)
            return waiting.result()
        finally:
            waiting.cancel()

    async def read_now(self, flow: DataFlow, refs: Sequence[ExecutionRef]) -> RunEvent:
        """Return the state of runs now, in place of an event that can't be read."""
        event = await RunWait(tuple(refs), time.time(), cancel_on_deadline=False).event(flow, SystemClock())
        return attrs.evolve(event, ended_by="terminal") if event.ended_by == "deadline" else event

    def deadline(self, context: Context) -> float | None:
        """Return the Unix time until which runs are waited for; None for as long as it takes.

        ``execution_timeout`` counts from the beginning of the try, also after a deferral, and ends a little earlier: there must
        be time to cancel before Airflow interrupts this process.
        """
        bounds = []
        if self.timeout is not None:
            given = self.timeout.total_seconds() if isinstance(self.timeout, timedelta) else self.timeout
            bounds.append(self.waits_since(context) + given)
        if self.execution_timeout is not None:
            limit = self.execution_timeout.total_seconds()
            margin = min(defaults.TASK_TIMEOUT_MARGIN, limit * defaults.TASK_TIMEOUT_SHARE)
            bounds.append(beginning_of_try(context) + limit - margin)
        return min(bounds, default=None)

    def waits_since(self, context: Context) -> float:  # noqa: ARG002  # others of this kind count from the try's beginning
        """Return the Unix time from which ``timeout`` counts: now, when the run is launched."""
        return time.time()

    # --- kills ---------------------------------------------------------------------------------------------

    async def _cancel_if_ended(self, flow: DataFlow, context: Context, wait: RunWait | WorkflowWait) -> None:
        """Cancel the runs of a wait if a person has ended the task.

        Raises:
            AirflowFailException: It was marked as failed, or deleted.
            AirflowSkipException: It was marked as success or as skipped.
        """
        ended = await self._end_by_person(context)
        if ended is None:
            return
        await self._cancel(flow, wait)
        problem = AirflowSkipException if ended in _WELL else AirflowFailException
        raise problem(f"the task was ended from outside ({ended}), and its runs were cancelled")

    async def _is_interrupted(self, waiting: asyncio.Task[RunEvent]) -> bool:
        """Return at the next signal, or False at the end of the wait."""
        assert self._working is not None  # noqa: S101  # the wait is its work
        interrupted = self._working.interrupted
        signal = tasks.start(interrupted.wait)
        await asyncio.wait([waiting, signal], return_when=asyncio.FIRST_COMPLETED)
        signal.cancel()
        interrupted.clear()
        return not waiting.done()

    async def _end_by_person(self, context: Context) -> str | None:
        """Return the state in which a person has ended the task; None where it goes on, or that is not known.

        A signal alone does not mean an end: it also comes when the supervisor is stopped gracefully, or can't reach the API
        server for a while, and the task goes on then. After a clear the next try takes up the run.
        """
        if not self.cancel_on_kill:
            return None
        key = TaskKey.of(task_ids(context))
        assert key is not None  # noqa: S101  # it has all its ids
        try:
            return await end_of(key)
        except TaskStateUnknown as problem:
            self.log.warning(
                "Airflow does not say whether the task has been ended from outside; its runs go on: %s",
                problem,
            )
            return None

    async def _cancel(self, flow: DataFlow, wait: RunWait | WorkflowWait) -> None:
        """Cancel runs, as far as it takes no longer than Airflow lets this process live."""
        try:
            async with asyncio.timeout(defaults.TASK_KILL_TIMEOUT / 2):
                if isinstance(wait, WorkflowWait):
                    await cancel_unfinished(flow, wait.start, SystemClock(), self.log)
                else:
                    await cancel_runs(flow, wait.refs, self.log)
        except (DataFlowError, TimeoutError) as problem:
            self.log.warning(
                "runs were not cancelled, and may go on: %s", str(problem) or "no answer in time"
            )


def task_ids(context: Context) -> dict[str, Any]:
    """Return the ids of a task instance, as triggers take them."""
    ti = context["ti"]
    return {
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "map_index": -1 if ti.map_index is None else ti.map_index,
        "try_number": ti.try_number,
    }


def has_state(context: Context) -> bool:
    """Return whether Airflow keeps a state for this task."""
    return context.get("task_state_store") is not None


def beginning_of_run(context: Context) -> float:
    """Return when the Dag run began, Unix seconds: nothing of its tasks was launched before."""
    run = context["dag_run"]
    moments = [moment for moment in (run.start_date, run.run_after) if moment is not None]
    return min(moment.timestamp() for moment in moments)


def beginning_of_try(context: Context) -> float:
    """Return when the try began, Unix seconds; Airflow keeps that over deferrals."""
    began: float = context["ti"].start_date.timestamp()
    return began


def task_try(context: Context) -> TaskTry:
    """Return the try that runs now."""
    ti = context["ti"]
    return TaskTry(ti.try_number, ti.max_tries)


def _without_client(work: Callable[[Any], Awaitable[T]]) -> T:
    async def whole() -> T:
        return await work(None)

    return asyncio.run(whole())


async def launched_in_time(starting: Awaitable[T], *, durable: bool = True) -> T:
    """Return what a launch returns.

    Raises:
        AirflowException: It takes too long; the next try takes it up.
        AirflowFailException: It takes too long, and nothing shows the next try whether it has started.
    """
    try:
        async with asyncio.timeout(defaults.TASK_LAUNCH_TIMEOUT):
            return await starting
    except TimeoutError:
        if not durable:
            raise AirflowFailException(
                f"no run is known after {defaults.TASK_LAUNCH_TIMEOUT:g} s, and one may have started: look for it in the console"
            ) from None
        raise AirflowException(
            f"no run is known after {defaults.TASK_LAUNCH_TIMEOUT:g} s; what is known is recorded for the next try"
        ) from None
