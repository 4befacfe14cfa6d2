"""Runs a probe: opens a session, sends the questions, and makes the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from dataflow_async import defaults
from dataflow_async._version import __version__
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.key_source import KeyFetcher, KeySource
from dataflow_async.probe.exchange import Exchange, Question
from dataflow_async.probe.facts import Facts
from dataflow_async.probe.idle import hold
from dataflow_async.probe.questions import Interview, read_account
from dataflow_async.probe.report import Report
from dataflow_async.probe.sender import Ended, Sender
from dataflow_async.probe.with_runs import RunWatch
from dataflow_async.transport import proxies
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.wire.request import origin_and_prefix


async def probe(
    credentials: KeySource,
    base_url: str = defaults.BASE_URL,
    *,
    allow_insecure_http: bool = False,
    job_to_run: str | None = None,
    timeout: float = defaults.PROBE_TIMEOUT,
    run_timeout: float = defaults.PROBE_RUN_TIMEOUT,
    hold_idle: float = defaults.PROBE_IDLE,
    clock: Clock | None = None,
    on_answer: Callable[[Exchange], None] = lambda _: None,
) -> Report:
    """Read an account and report what its answers say about the contract notes; nothing is started unless a job is named.

    Args:
        credentials: Where the keys come from.
        base_url: Address of the service.
        allow_insecure_http: Whether it may be ``http:`` off loopback.
        job_to_run: Id of a job of which one run is started, as it is stored, and cancelled once it has ended. It costs money.
        timeout: Seconds in which the questions that only read are asked; what is not asked by then is not seen.
        run_timeout: Seconds for which that run is observed.
        hold_idle: Seconds for which a connection is held idle, to see whether it stays open.
        clock: The clock to use, for tests.
        on_answer: Called with each answer.

    Raises:
        DataFlowError: The first question is refused or not answered, or there are no keys. Whatever happens after the first
            answer, there is a report.
    """
    clock = clock or SystemClock()
    origin, prefix = origin_and_prefix(base_url, allow_insecure_http=allow_insecure_http)
    proxy = proxies.chosen(None, origin, borrowed=False)
    session = Session(origin, timeout=defaults.PROBE_QUESTION_TIMEOUT, proxy=proxy, clock=clock)
    keys = KeyFetcher(credentials, clock)
    deadline = clock.monotonic() + timeout
    sender = Sender(session=session, keys=keys, prefix=prefix, clock=clock, deadline=deadline)

    async def send(question: Question) -> Exchange:
        exchange = await sender.send(question)
        on_answer(exchange)
        return exchange

    interview = Interview(send)
    watch = None if job_to_run is None else RunWatch(interview, clock, job_to_run, run_timeout)
    end: Ended | None = None
    idle: Facts = {"connection: kept idle": None}
    try:
        await read_account(interview, datetime.fromtimestamp(clock.time(), UTC))
        idle["connection: kept idle"] = await hold(interview, session, clock, _periods(hold_idle))
        if watch is not None:
            sender.deadline = clock.monotonic() + run_timeout + defaults.PROBE_OUTAGE
            await watch.observe()
    except Ended as ended:
        end = ended
        if not interview.exchanges and end.error is not None:
            raise end.error from None
    finally:
        await keys.aclose()
        await session.aclose()
    access_key = keys.last.access_key if keys.last else ""
    host = urlsplit(origin).hostname or ""
    more = watch.facts() if watch is not None and watch.launch is not None else None
    return Report.of(interview.exchanges, __version__, access_key, host, idle=idle, more=more, ended=end)


def _periods(longest: float) -> set[float]:
    """Return for how long connections are held idle: as long as a launch may rely on, and as long as is asked for."""
    return {min(defaults.PROBE_IDLE, longest), longest}
