"""The operator that runs many jobs in one task."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dataflow_async import defaults
from dataflow_async.airflow.bulk_launching import BulkLauncher, ItemEnd, Wave, item_name
from dataflow_async.airflow.events import RunEvent, UnknownEvent
from dataflow_async.airflow.links import shown_run
from dataflow_async.airflow.operators.base import beginning_of_try, has_state, launched_in_time, task_try
from dataflow_async.airflow.operators.launches import DataFlowLaunchOperator, found_job
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED
from dataflow_async.client import DataFlow
from dataflow_async.models import checks
from dataflow_async.models.execution import ExecutionStatus
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch

_HOW_TO_DECIDE = (
    f". No second one was started for an UNCERTAIN one; to decide these yourself, write an object into the task's state under"
    f" {FINDING!r}, with the id of the run or {NOT_STARTED!r} for each key, and clear the task"
)
_OUT_OF_TIME = ". The time was over before all were launched"
_MEMBERS = ("job_id", "job_name", "parameters", "condition", "key")


class DataFlowBulkOperator(DataFlowLaunchOperator):
    """Runs many jobs in one task, with one trigger for all of them: for more runs than tasks should be mapped.

    Launches and runs are recorded as those of `DataFlowRunJobOperator`, one by one: a retry launches only those that did not
    complete. ``max_in_flight`` runs are started at first, and others within half a minute of the end of one. The task fails
    once all have ended that can, if one did not complete. ``timeout`` is for all together, from the beginning of the try. With
    ``wait_for_completion=False`` it waits until all are launched.

    The return value, and so the XCom, is a list with a dict for each launch, in order: ``key``, ``job_id``, ``execution_id``,
    ``status``, ``running_minutes`` and ``log_path``, which is None where a run was read through a list, as of many it is.

    Args:
        launches: One dict for each run: ``job_id`` or ``job_name``, and any of ``parameters``, ``condition`` and ``key``. Its
            key names a launch within the task, by its place unless given: a retry recognizes it by that.
        max_in_flight: Runs that may go on at a time.
        kwargs: As `DataFlowLaunchOperator`, `DataFlowOperator`, and as for every operator. It is durable always.
    """

    template_fields: Sequence[str] = ("conn_id", "launches", "correlation_parameter")
    template_fields_renderers = {"launches": "json"}  # noqa: RUF012  # as Airflow declares it

    def __init__(
        self,
        *,
        launches: Sequence[Mapping[str, Any]],
        max_in_flight: int = defaults.MAX_IN_FLIGHT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.launches = launches
        self.max_in_flight = max_in_flight

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Launch, or take up the runs of an earlier try, and wait for all of them; called by Airflow."""
        self._check(context)
        return self._proceed(context)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Record which runs have ended, and start others in their place; called by Airflow."""
        try:
            self._record(context, RunEvent.from_event(event))
        except UnknownEvent as problem:
            self.log.warning(
                "the trigger's event can't be read (%s); the runs themselves are read instead", problem
            )
            self._record(context, self.run_here(partial(self._read, context)))
        return self._proceed(context)

    # --- wave by wave --------------------------------------------------------------------------------------

    def _proceed(self, context: Context) -> list[dict[str, Any]]:
        """Launch wave after wave, and conclude when nothing is in flight any more."""
        problems: dict[str, str] = {}
        while True:
            wave, event = self.run_here(partial(self._wave, context, problems))
            for name, problem in wave.problems.items():
                self.log.error("launch %s has no run: %s", name, problem)
            problems.update(wave.problems)
            self.log.info("%d runs go on", len(wave.refs))
            if event is not None:
                self._record(context, event)
            elif self._waits_for(wave):
                self.wait_deferred(context, wave.refs, refill_delay=_refill_delay(wave))
            elif not wave.problems:
                return self._concluded(context, problems)

    async def _wave(
        self, context: Context, problems: Mapping[str, str], flow: DataFlow
    ) -> tuple[Wave, RunEvent | None]:
        """Return the next wave, and how it has ended if this process waits for that."""
        launches = await self._resolved(flow)
        launcher = self._launcher(context, max_in_flight=0 if self._is_late(context) else None)
        wave = await launched_in_time(launcher.next_wave(flow, launches, problems))
        if not self._waits_for(wave):
            return wave, None
        return wave, await self.waited_here(
            flow, context, self.run_wait(context, wave.refs, _refill_delay(wave))
        )

    def _is_late(self, context: Context) -> bool:
        """Return whether the time is over, so that nothing is launched any more."""
        deadline = self.deadline(context)
        return deadline is not None and time.time() >= deadline

    def _waits_for(self, wave: Wave) -> bool:
        """Return whether runs are to be awaited: until all have ended, or else until all are launched."""
        return bool(wave.refs) and (self.wait_for_completion or wave.has_more)

    def waits_since(self, context: Context) -> float:
        """Return the beginning of the try, which all launches have in common."""
        return beginning_of_try(context)

    def _record(self, context: Context, event: RunEvent) -> None:
        """Record how runs have ended.

        Raises:
            AirflowException: The time is over, or they can't be waited for.
        """
        self.shown_run = shown_run(*event.runs)
        late = event.ended_by == "deadline"
        counts = Counter(str(run.status) for run in event.runs)
        self.log.info("runs by status: %s", dict(counts))
        record = self._launcher(context).record_ends
        self.record_here(partial(record, event.runs, superseded=late and self.cancel_on_timeout))
        if event.error is not None:
            raise AirflowException(
                f"runs can't be waited for any more, and go on: {event.error.kind}: {event.error.message}"
            )
        if late:
            raise AirflowException(f"runs had not ended in time: {dict(counts)}")

    async def _read(self, context: Context, flow: DataFlow) -> RunEvent:
        """Return the runs in flight as the service shows them now."""
        wave = await self._launcher(context, max_in_flight=0).next_wave(flow, await self._resolved(flow))
        return await self.read_now(flow, wave.refs)

    def _concluded(self, context: Context, problems: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return how all launches have ended.

        Raises:
            AirflowException: One did not complete.
        """

        async def ends(flow: DataFlow) -> list[ItemEnd]:
            return await self._launcher(context).ends(await self._resolved(flow))

        found = self.run_here(ends)
        bad = [
            end
            for end in found
            if end.execution_id is None
            or (self.wait_for_completion and end.status != ExecutionStatus.COMPLETED)
        ]
        if bad:
            shown = "; ".join(
                f"{end.key}: {end.status}, run {end.execution_id or '-'} of job {end.job_id}"
                + (f" ({problems[end.key]})" if end.key in problems else "")
                for end in bad[: defaults.FAULTS_SHOWN]
            )
            statuses = {end.status for end in bad}
            late = NOT_LAUNCHED in statuses and self._is_late(context)
            raise AirflowException(
                f"{len(bad)} of {len(found)} launches did not complete: {shown}"
                + (_OUT_OF_TIME if late else "")
                + (_HOW_TO_DECIDE if UNCERTAIN in statuses else "")
            )
        return [attrs.asdict(end) for end in found]

    # --- launches ------------------------------------------------------------------------------------------

    def _check(self, context: Context) -> None:
        """Check what does not depend on the service.

        Raises:
            AirflowFailException: An argument can't be used.
        """
        if not self.durable or not has_state(context):
            raise AirflowFailException(
                "durable must be True for many launches, in an Airflow that keeps the state of tasks"
            )
        if type(self.max_in_flight) is not int or self.max_in_flight < 1:
            raise AirflowFailException(
                f"max_in_flight must be a number from 1, got {checks.shown(self.max_in_flight)}"
            )
        names = [item_name(launch.get("key"), number) for number, launch in enumerate(self._items())]
        if repeated := [name for name, count in Counter(names).items() if count > 1]:
            raise AirflowFailException(f"launches must have keys of their own, got {repeated[0]!r} twice")
        self.check_launches(context)

    def _items(self) -> list[Mapping[str, Any]]:
        """Return the launches as they were given.

        Raises:
            AirflowFailException: One of them is none.
        """
        if not isinstance(self.launches, list | tuple) or not self.launches:
            raise AirflowFailException(f"launches must be a list of dicts, got {checks.shown(self.launches)}")
        for number, launch in enumerate(self.launches):
            if not isinstance(launch, Mapping) or not set(launch) <= set(_MEMBERS):
                raise AirflowFailException(
                    f"launches[{number}] must be a dict with {', '.join(_MEMBERS)}, got {checks.shown(launch)}"
                )
            key = launch.get("key")
            if key is not None and not (isinstance(key, str) and key):
                raise AirflowFailException(f"key of launches[{number}] must be text, got {checks.shown(key)}")
            if (launch.get("job_id") is None) == (launch.get("job_name") is None):
                raise AirflowFailException(f"launches[{number}] must have job_id or job_name, and not both")
        return list(self.launches)

    async def _resolved(self, flow: DataFlow) -> dict[str, Launch]:
        """Return the launches by name, with the ids of jobs that are given by name."""
        ids: dict[str, str] = {}
        found = {}
        for number, item in enumerate(self._items()):
            job_id = await found_job(flow, item.get("job_id"), item.get("job_name"), ids)
            if item.get("job_name") is not None:
                ids[item["job_name"]] = job_id
            found[item_name(item.get("key"), number)] = Launch(
                job_id, parameters=item.get("parameters") or None, condition=item.get("condition") or None
            )
        return found

    def _launcher(self, context: Context, max_in_flight: int | None = None) -> BulkLauncher:
        return BulkLauncher(
            self.store_of(context),
            task_try(context),
            self.name_of_task(context),
            self.launch_options(),
            self.max_in_flight if max_in_flight is None else max_in_flight,
            {item_name(None, number) for number, it in enumerate(self._items()) if it.get("key") is None},
        )


def _refill_delay(wave: Wave) -> float | None:
    """Return how long after the first end others are started; None where none are left, so that all are waited for."""
    return defaults.BULK_REFILL_DELAY if wave.has_more else None
