"""DataFlow, the client: builds its parts and offers their methods."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from dataflow_async import defaults, tasks
from dataflow_async.bulk.options import BulkOptions, checked, takes_bulk_options
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.credentials import CredentialsChain
from dataflow_async.errors import RunRef
from dataflow_async.key_source import KeyFetcher, KeySource, no_source
from dataflow_async.models import checks
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.models.run_refs import ref_of, refs_of
from dataflow_async.polling.wait_arguments import check_wait, checked_timeout
from dataflow_async.resources.jobs import Condition, Jobs
from dataflow_async.resources.raw_call import send_raw
from dataflow_async.transport import proxies, settings
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire.request import origin_and_prefix
from dataflow_async.wire.retry import RetryPolicy
from dataflow_async.wire.signature import Sealed

if TYPE_CHECKING:
    import aiohttp

    from dataflow_async.bulk.factory import BulkFactory
    from dataflow_async.bulk.launch_source import Launches
    from dataflow_async.bulk.run import BulkRun
    from dataflow_async.polling.finished_runs import FinishedRuns
    from dataflow_async.polling.policy import PollPolicy
    from dataflow_async.polling.stats import PollStats
    from dataflow_async.polling.tracker import Tracker
    from dataflow_async.polling.waiter import OnChange, Waiter
    from dataflow_async.resources.dashboard import Dashboard
    from dataflow_async.resources.triggers import Triggers
    from dataflow_async.resources.workflows import Workflows
    from dataflow_async.workflows.runner import WorkflowRunner
    from dataflow_async.workflows.start import WorkflowStart


URL_NAME = "NCLOUD_DATAFLOW_URL"


# Longer than other classes because users read its docstrings; its methods forward to their packages.
class DataFlow:
    """A client of NAVER Cloud Platform Data Flow, for one event loop.

    Use it as ``async with DataFlow() as flow:``, or keep it and call `aclose` at the end.

    Args:
        credentials: `Credentials`, or any object with ``async def get() -> Credentials``; else environment,
            profile file and server role are searched at the first call
            (contract/notes.md#ruling-80, contract/notes.md#ruling-83).
        base_url: With or without ``/api/v1``; else ``NCLOUD_DATAFLOW_URL``, else the public host
            (contract/notes.md#ruling-8).
        max_concurrency: Calls in flight at once, all callers together; lowered automatically on a 429.
        timeout: Seconds per attempt.
        retry: How failed calls are retried.
        poll: How often runs are polled.
        session: An aiohttp session to use; it is never closed by us.
        proxy: URL of an HTTP proxy; False for none. By default ``https_proxy``, ``http_proxy``, ``all_proxy`` and
            ``no_proxy`` are read, once, as urllib reads them; not for loopback, nor for a session passed in.
        ssl: How to check the service's certificate and identify to it, such as
            ``ssl.create_default_context(cafile="proxy-ca.pem")``.
        allow_insecure_http: Whether ``base_url`` may be ``http:`` off loopback, such as an emulator's in another
            container. Whoever is on the way can read the calls, change them, and repeat them for minutes.
        max_idle: Seconds for which a connection may have been idle when a creating call is sent on it; servers
            close idle ones, and a call that is sent meanwhile is lost. 0 takes a new connection for every creating call
            (contract/notes.md#ruling-98).
        max_body: Bytes an answer may have after decompression; what is larger counts as lost.
        user_agent_suffix: Text to add to the user agent.
        clock: The clock to use, for tests; the system's unless given.

    Attributes:
        jobs: Jobs and their runs: create, get, list, update, verify, execute, read and cancel runs, delete.
        workflows: Workflows: create, get, list, update, execute, list their runs, delete.
        triggers: Triggers that start workflows: create, get, list, delete.
        dashboard: Counts of runs in a period, and how long they took.

    Raises:
        InvalidRequest: An argument is out of range; the message names it.
    """

    jobs: Jobs

    def __init__(
        self,
        credentials: KeySource | None = None,
        *,
        base_url: str | None = None,
        max_concurrency: int = defaults.MAX_CONCURRENCY,
        timeout: float = defaults.ATTEMPT_TIMEOUT,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        session: aiohttp.ClientSession | None = None,
        proxy: str | Literal[False] | None = None,
        ssl: SSLContext | None = None,
        allow_insecure_http: bool = False,
        max_idle: float = defaults.MAX_IDLE,
        max_body: int = defaults.MAX_BODY,
        user_agent_suffix: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._base_url = os.environ.get(URL_NAME) or defaults.BASE_URL if base_url is None else base_url
        # The frames of an error must hold neither keys nor a proxy's password: some tools print them.
        if credentials is not None and (problem := no_source(credentials)):
            del credentials
            raise problem
        proxy = Sealed(proxy) if isinstance(proxy, str) else proxy
        self._clock = SystemClock() if clock is None else settings.clock(clock)
        source = CredentialsChain(clock=self._clock) if credentials is None else credentials
        retry = RetryPolicy() if retry is None else settings.instance(retry, RetryPolicy, "retry")
        origin, self._prefix = origin_and_prefix(
            self._base_url, allow_insecure_http=settings.flag(allow_insecure_http, "allow_insecure_http")
        )
        self._session = Session(
            origin,
            timeout=checks.positive(timeout, "timeout"),
            given=session,
            proxy=proxies.chosen(proxy, origin, borrowed=session is not None),
            tls=None if ssl is None else settings.instance(ssl, SSLContext, "ssl"),
            user_agent_suffix=user_agent_suffix,
            max_idle=checks.at_least_zero(max_idle, "max_idle"),
            max_body=checks.whole(max_body, "max_body", 1, 2**63 - 1),
            clock=self._clock,
        )
        self._calls = CallPipeline(
            self._session,
            KeyFetcher(source, self._clock),
            prefix=self._prefix,
            max_concurrency=checks.whole(max_concurrency, "max_concurrency", 1, defaults.LARGEST_CONCURRENCY),
            timeout=timeout,
            retry=retry,
            clock=self._clock,
        )
        self._background = tasks.Background()
        self.jobs = Jobs(self._calls)
        if poll is not None:
            from dataflow_async.polling.policy import PollPolicy

            self._poll = settings.instance(poll, PollPolicy, "poll")
        self._retry = retry
        self._bulk: BulkFactory | None = None
        """Made for the first bulk run, as the other parts below are made with their first use: many clients need few."""

    def __repr__(self) -> str:
        """Show the address; no keys."""
        return f"<DataFlow {self._base_url}>"

    # --- parts that are loaded with their first use --------------------------------------------------------

    @cached_property
    def workflows(self) -> Workflows:
        """The workflows of the account."""
        from dataflow_async.resources.workflows import Workflows

        return Workflows(self._calls)

    @cached_property
    def triggers(self) -> Triggers:
        """The triggers of the account."""
        from dataflow_async.resources.triggers import Triggers

        return Triggers(self._calls)

    @cached_property
    def dashboard(self) -> Dashboard:
        """Counts of runs in a period, and how long they took."""
        from dataflow_async.resources.dashboard import Dashboard

        return Dashboard(self._calls)

    @cached_property
    def _poll(self) -> PollPolicy:
        from dataflow_async.polling.policy import PollPolicy

        return PollPolicy()

    @cached_property
    def _tracker(self) -> Tracker:
        from dataflow_async.polling.polls import Polls
        from dataflow_async.polling.tracker import Tracker

        return Tracker(Polls(self._calls), self._poll, self._clock, self._poll_capacity)

    @cached_property
    def _waiter(self) -> Waiter:
        from dataflow_async.polling.waiter import Waiter

        return Waiter(self._tracker, self.jobs, self._poll, self._background.start)

    # --- waiting -------------------------------------------------------------------------------------------

    async def wait(
        self,
        execution: JobExecution | RunRef,
        *,
        timeout: float | None = None,
        on_change: OnChange | None = None,
        cancel_on_timeout: bool = False,
        cancel_on_cancel: bool = False,
        check: bool = True,
    ) -> JobExecution:
        """Wait for the end of a run, and return it. Transient errors do not end the wait.

        Args:
            execution: The run, or a reference to it, from this process or another one.
            timeout: Seconds to wait; None waits as long as it takes. The first poll is made at once.
            on_change: Called with the run whenever its status has changed; an awaitable that it returns is awaited, and
                cancelled when the time is over.
            cancel_on_timeout: Cancel the remote run when the time is over; up to 3 s are spent on it, what takes
                longer goes on in the background.
            cancel_on_cancel: Cancel the remote run when this wait is cancelled.
            check: Raise unless the run ended COMPLETED.

        Raises:
            ExecutionFailed: The run ended in another way than COMPLETED or CANCELED.
            ExecutionCanceled: The run was cancelled.
            WaitTimeout: The time is over; the run goes on unless ``cancel_on_timeout``.
            DataFlowError: An error that does not pass: bad request, keys, permission, quota, a 404 that stays.
        """
        check_wait(
            timeout,
            on_change,
            cancel_on_timeout=cancel_on_timeout,
            cancel_on_cancel=cancel_on_cancel,
            check=check,
        )
        return await self._waiter.wait(
            ref_of(execution),
            timeout=timeout,
            on_change=on_change,
            cancel_on_timeout=cancel_on_timeout,
            cancel_on_cancel=cancel_on_cancel,
            check=check,
        )

    async def wait_all(
        self,
        executions: Iterable[JobExecution | RunRef],
        *,
        timeout: float | None = None,
        check: bool = True,
    ) -> list[JobExecution]:
        """Wait for the end of many runs, and return them in the order given.

        Args:
            executions: Runs or references to them; 100,000 are supported.
            timeout: Seconds to wait, counted for each run from now on.
            check: Raise unless all ended COMPLETED.

        Raises:
            DataFlowError: As `wait`, for the first run in order that did not end well; only after all are over.
        """
        checks.flag(check, "check")
        return await self._waiter.wait_all(refs_of(executions), timeout=checked_timeout(timeout), check=check)

    def as_finished(
        self, executions: Iterable[JobExecution | RunRef], *, timeout: float | None = None
    ) -> FinishedRuns:
        """Iterate over many runs in the order they end, however they end.

        An error that ends the wait for one of them (`WaitTimeout`, a 404 that stays) is raised in its turn, and the
        iteration can be continued. Leaving it early ends the waits for the others.

        Args:
            executions: Runs or references to them; 100,000 are supported.
            timeout: Seconds to wait, counted for each run from the first iteration on.
        """
        return self._waiter.as_finished(refs_of(executions), timeout=checked_timeout(timeout))

    @property
    def poll_stats(self) -> PollStats:
        """Return what waiting has cost so far: runs polled, polls, requests."""
        return self._tracker.stats

    def watch(self, execution: JobExecution | RunRef) -> AsyncGenerator[JobExecution, None]:
        """Iterate over the changes of a run, from its present state to its end.

        Raises:
            DataFlowError: While iterating: an error that does not pass, as for `wait`.
        """
        return self._waiter.changes(ref_of(execution))

    async def run(
        self,
        job_id: str,
        *,
        condition: Condition | None = None,
        parameters: Mapping[str, str] | None = None,
        trigger_id: str | None = None,
        workflow_id: str | None = None,
        extra: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        on_change: OnChange | None = None,
        cancel_on_timeout: bool = False,
        cancel_on_cancel: bool = False,
        check: bool = True,
    ) -> JobExecution:
        """Start a run and wait for its end: ``jobs.execute``, then `wait`. Every argument is checked before.

        Raises:
            DataFlowError: As both. Whatever is raised once the launch was accepted, cancellation included, has
                ``may_have_run`` True and carries ``execution_ref``: wait for that run, don't launch again.
        """
        check_wait(
            timeout,
            on_change,
            cancel_on_timeout=cancel_on_timeout,
            cancel_on_cancel=cancel_on_cancel,
            check=check,
        )
        execution = await self.jobs.execute(
            job_id,
            condition=condition,
            parameters=parameters,
            trigger_id=trigger_id,
            workflow_id=workflow_id,
            extra=extra,
        )
        try:
            return await self.wait(
                execution,
                timeout=timeout,
                on_change=on_change,
                cancel_on_timeout=cancel_on_timeout,
                cancel_on_cancel=cancel_on_cancel,
                check=check,
            )
        except BaseException as error:
            from dataflow_async.models.launch import after_launch

            after_launch(error, execution.ref)
            raise

    async def run_workflow(
        self, workflow_id: str, *, timeout: float | None = None, payload: Mapping[str, Any] | None = None
    ) -> list[JobExecution]:
        """Start a workflow now and wait for the run of each of its jobs, those that follow others included.

        The service names no run when it starts a workflow (contract/notes.md#ruling-74): the runs of this start are those
        that were not listed before and are not dated before it. Jobs that follow one that did not complete are not
        waited for. Overlapping starts of one workflow can't be distinguished.

        Args:
            workflow_id: The workflow; its start trigger must be a manual or an event one
                (contract/notes.md#ruling-75).
            timeout: Seconds to wait after the start, all jobs together; None waits as long as it takes.
            payload: A note about the caller, as for ``workflows.execute``.

        Returns:
            One run for each JOB node, in node order, all COMPLETED.

        Raises:
            InvalidRequest: The workflow has no JOB node, a deleted job, or a job in two nodes; it was not started.
            ResponseLost: The answer to the start was lost; it may have started and is not sent again.
            LaunchUncertain: Several runs could belong to this start, or dates and server time leave open whether one
                does; ``candidates`` holds them.
            ExecutionFailed: A run ended in another way than COMPLETED or CANCELED: the first one in node order,
                once all have ended that can. ``executions`` holds what is known of all.
            ExecutionCanceled: As above, for a run that was cancelled.
            WaitTimeout: The time is over; the runs go on. ``executions`` holds what is known of them.
            DataFlowError: An error that does not pass, as for `wait`; ``may_have_run`` is True once it was started.
        """
        self._check_payload(payload)
        return await self._workflow_runner().run(
            workflow_id, timeout=checked_timeout(timeout), payload=payload
        )

    async def begin_workflow(
        self,
        workflow_id: str,
        *,
        payload: Mapping[str, Any] | None = None,
        before_start: Callable[[WorkflowStart], Awaitable[None]] | None = None,
    ) -> WorkflowStart:
        """Start a workflow now, and return what `follow_workflow` needs to wait for its runs, here or in another process.

        Args:
            workflow_id: The workflow, as for `run_workflow`.
            payload: A note about the caller, as for ``workflows.execute``.
            before_start: Awaited with the start before it is sent, to record it: whoever finds the record and no
                ``trigger_id`` in it does not know whether it was sent.

        Raises:
            InvalidRequest: The workflow has no JOB node, a deleted job, or a job in two nodes; it was not started.
            ResponseLost: The answer to the start was lost; it may have started and is not sent again.
            DataFlowError: It was not started, unless ``may_have_run``.
        """
        self._check_payload(payload)
        checks.callback(before_start, "before_start")
        return await self._workflow_runner().begin(workflow_id, payload=payload, before_start=before_start)

    async def follow_workflow(
        self, workflow_start: WorkflowStart, *, timeout: float | None = None
    ) -> list[JobExecution]:
        """Wait for the runs of a workflow that `begin_workflow` has started; as `run_workflow` after its start.

        Args:
            workflow_start: The start; it has a form in JSON.
            timeout: Seconds to wait, all jobs together; None waits as long as it takes, 0 polls once.

        Raises:
            DataFlowError: As `run_workflow`. ``executions`` holds the runs that are known.
        """
        from dataflow_async.workflows.start import WorkflowStart

        settings.instance(workflow_start, WorkflowStart, "workflow_start")
        return await self._workflow_runner().follow(workflow_start, timeout=checked_timeout(timeout))

    def _check_payload(self, payload: Mapping[str, Any] | None) -> None:
        from dataflow_async.resources.workflows import payload_headers

        payload_headers(payload)

    def _workflow_runner(self) -> WorkflowRunner:
        from dataflow_async.workflows.runner import WorkflowRunner

        async def finish(ref: ExecutionRef, *, timeout: float | None) -> JobExecution:
            return await self.wait(ref, timeout=timeout, check=False)

        interval = self._calls.gateway_clock.interval
        return WorkflowRunner(self.workflows, finish, self._poll, self._clock, interval)

    # --- bulk ----------------------------------------------------------------------------------------------

    @takes_bulk_options
    def run_all(
        self, launches: Launches, *, cancel_runs_on_exit: bool = False, **options: Unpack[BulkOptions]
    ) -> BulkRun:
        """Start and await many runs; iterate over the result for an outcome of each, in the order they end.

        Launches are taken one by one. One that fails is an outcome and does not end the others: only an error that every
        launch would meet (keys, permission, quota) ends the run, after the outcomes of all that are in flight.

        With a journal the run survives the death of its process: the same launches with the same journal continue
        where it stopped. Launches that ended before have their outcome with ``resumed``, and running ones are awaited
        again. A launch whose answer was lost is reconciled with the service's lists, and reported if they prove
        nothing; it is never launched again on a guess.

        Args:
            launches: An iterable or async iterable of `Launch`.
            cancel_runs_on_exit: Cancel remote runs still awaited when the iteration is left.
            **options: As `BulkOptions` says.

        Raises:
            InvalidRequest: An argument is out of range, or needs a journal. While iterating: the journal is held
                by another run, or of another service or account; a key comes twice, or stands in the journal
                with other settings.
            JournalError: While iterating: the journal can't be written.
            DataFlowError: While iterating: an error that every launch would meet.
        """

        async def finish(execution: JobExecution) -> JobExecution:
            return await self.wait(execution, cancel_on_cancel=cancel_runs_on_exit)

        checks.flag(cancel_runs_on_exit, "cancel_runs_on_exit")
        return self._bulk_factory().run(launches, finish, checked("run_all", launches, options))

    @takes_bulk_options
    def launch_all(self, launches: Launches, **options: Unpack[BulkOptions]) -> BulkRun:
        """Start many runs without waiting for their ends; iterate for an outcome of each, in the order of the answers.

        An outcome's status is that of the run as it was started; a `run_all` with the same journal waits for the ends
        later.

        Args:
            launches: An iterable or async iterable of `Launch`.
            **options: As `BulkOptions` says.

        Raises:
            DataFlowError: As `run_all`.
        """
        return self._bulk_factory().run(launches, None, checked("launch_all", launches, options))

    def _bulk_factory(self) -> BulkFactory:
        if self._bulk is None:
            from dataflow_async.bulk.factory import BulkFactory

            self._bulk = BulkFactory(
                self._base_url,
                self._calls,
                self.jobs,
                self._retry,
                self._poll,
                self._clock,
                lambda: self._session.last_answer_at,
            )
        return self._bulk

    # --- everything else -----------------------------------------------------------------------------------

    async def request(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, json: Any = None
    ) -> Any:
        """Send a signed call that has no method here; return the JSON of its answer, or None for no body.

        A POST or PATCH counts as creating: it is never retried on a guess.

        Args:
            method: GET, HEAD, POST, PUT, PATCH or DELETE.
            path: The whole path, ``/api/v1/...``, never a URL; ``%XX`` escapes in it are kept.
            query: Names and values; None values are left out.
            json: Body to send.

        Raises:
            InvalidRequest: Any of these is malformed; nothing was sent.
            DataFlowError: Any other of the tree.
        """
        return await send_raw(self._calls, self._prefix, method, path, query, json)

    def _poll_capacity(self) -> int:
        """Return how many polls may be in flight: half of all calls, so that launches are not delayed."""
        return max(1, self._calls.limiter.capacity // 2)

    async def aclose(self) -> None:
        """Stop bulk runs, finish what is in flight, close the session if it is ours; within 35 seconds, whatever hangs."""
        loop = asyncio.get_running_loop()
        until = loop.time() + defaults.CLOSING
        # The tasks of a closed loop are gone with it.
        pools = () if self._bulk is None else self._bulk.pools
        runs = [run for run in pools if not run.loop.is_closed()]
        for run in runs:
            run.abandon()
        closing = [tasks.start(run.aclose) for run in runs]
        if "_tracker" in vars(self):  # a client that has waited for nothing has none
            closing.append(tasks.start(self._tracker.aclose))
        try:
            if closing:
                await asyncio.wait(closing, timeout=defaults.CLOSING)
            if self._background.tasks:
                remaining = min(defaults.CANCEL_TIMEOUT, max(until - loop.time(), 0.0))
                await asyncio.wait(self._background.tasks, timeout=remaining)
        finally:
            unfinished = [*self._background.tasks, *(task for task in closing if not task.done())]
            for task in unfinished:
                task.cancel()
            await self._calls.aclose()
            await self._session.aclose()
            if unfinished:
                await asyncio.wait(unfinished, timeout=defaults.CLOSING_STEP)
        for task in closing:
            if task.done() and not task.cancelled():
                task.result()

    async def __aenter__(self) -> Self:
        """Close at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, however the block was left."""
        await self.aclose()
