"""What the trigger does in the event loop of a triggerer: it waits for runs, and cancels them after a kill."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from dataflow_async import defaults
from dataflow_async.airflow.events import RunEvent, RunReport
from dataflow_async.airflow.hook import DataFlowHook
from dataflow_async.airflow.run_search import RunSearch
from dataflow_async.airflow.run_wait import Log, RunWait, cancel_runs, error_of, run_refs, shown
from dataflow_async.airflow.task_states import TaskKey, TaskStates, TaskStateUnknown, fetch
from dataflow_async.airflow.wait_warnings import WaitWarnings
from dataflow_async.airflow.workflow_wait import WorkflowWait, cancel_unfinished
from dataflow_async.clock import SystemClock
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionRef

Arguments = Mapping[str, Any]
task_states = TaskStates(fetch)
"""What Airflow says about the tasks of this process."""
warnings = WaitWarnings(logging.getLogger("dataflow_async"))
"""What the client warns of while it polls."""


async def event(arguments: Arguments, log: Log) -> RunEvent:
    """Wait for the runs that the arguments of a trigger name, and return what is to be reported to its task."""

    async def wait() -> RunEvent:
        runs: RunWait | WorkflowWait
        if arguments.get("workflow_start") is None:
            runs = RunWait.of(arguments)
            what = _listed(runs.refs)
        else:
            runs = WorkflowWait.of(arguments)
            what = f"the runs of workflow {runs.start.workflow_id}"
        refs = runs.refs if isinstance(runs, RunWait) else ()
        async with DataFlowHook(arguments["conn_id"]).client() as flow:
            log.info("waiting for %s", what)
            with warnings.repeated(refs, log):
                return await runs.event(flow, SystemClock(), log)

    return await _reported(wait, arguments, log)


async def latest_event(arguments: Arguments, log: Log) -> RunEvent:
    """Wait for the latest run of a job in a period, and return what is to be reported to the task of a sensor."""

    async def wait() -> RunEvent:
        search, clock = RunSearch.of(arguments), SystemClock()
        async with DataFlowHook(arguments["conn_id"]).client() as flow:
            run = await search.find(flow, clock, log)
            if run is None:
                return RunEvent((), "deadline")
            log.info("waiting for %s, the latest run", shown(run.ref))
            with warnings.repeated([run.ref], log):
                return await RunWait((run.ref,), search.deadline, cancel_on_deadline=False).event(
                    flow, clock, log
                )

    return await _reported(wait, arguments, log)


async def _reported(wait: Callable[[], Awaitable[RunEvent]], arguments: Arguments, log: Log) -> RunEvent:
    """Return the event of a wait; whatever ends it is reported too, because a trigger that raises fails its task without a word."""
    try:
        return await wait()
    except DataFlowError as error:
        return RunEvent(_reports(arguments), "error", error_of(error))
    except Exception as error:
        log.exception("an unexpected error ended the wait; the runs go on")
        return RunEvent(_reports(arguments), "error", error_of(error))


async def cancel_after_kill(arguments: Arguments, task: object, log: Log) -> None:
    """Cancel the runs if Airflow says that the task has ended; within 30 s, and without raising.

    Args:
        arguments: Those of the trigger.
        task: The task instance of the trigger, where its arguments do not name one.
        log: Where the outcome is logged.
    """
    try:
        async with asyncio.timeout(defaults.KILL_TIMEOUT):
            if await _has_ended(arguments, task, log):
                await _cancel(arguments, log)
    except (DataFlowError, TaskStateUnknown, TimeoutError) as error:
        problem = str(error) or "no answer in time"
        log.warning("the trigger was stopped; runs that are not reported as cancelled go on: %s", problem)


async def _has_ended(arguments: Arguments, task: object, log: Log) -> bool:
    key = TaskKey.of(arguments["task"]) or TaskKey.of(task)
    if key is None:
        raise TaskStateUnknown("the trigger has no ids of its task")
    ended = await task_states.has_ended(key)
    if not ended:
        log.info("the trigger was stopped, and its task goes on: no run is cancelled")
    return ended


async def _cancel(arguments: Arguments, log: Log) -> None:
    """Cancel all runs, each whatever becomes of the others."""
    async with DataFlowHook(arguments["conn_id"]).client() as flow:
        if arguments.get("workflow_start") is not None:
            await cancel_unfinished(flow, WorkflowWait.of(arguments).start, SystemClock(), log)
            return
        await cancel_runs(flow, run_refs(arguments["job_id"], arguments["execution_ids"]), log)


def _reports(arguments: Arguments) -> tuple[RunReport, ...]:
    """Return the runs as far as the arguments name them, without a state."""
    try:
        refs = run_refs(arguments.get("job_id"), arguments.get("execution_ids"))
    except DataFlowError:
        return ()
    return tuple(RunReport(ref.job_id, ref.execution_id) for ref in refs)


def _listed(refs: Sequence[ExecutionRef]) -> str:
    """Return runs in words: many of them would be a line that nobody reads."""
    first = ", ".join(map(shown, refs[: defaults.RUNS_SHOWN]))
    more = len(refs) - defaults.RUNS_SHOWN
    return f"{first} and {more} more" if more > 0 else first
