"""Launch what a file lists, with a journal: the same command again goes on where it was stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from dataflow_async import (
    DataFlow,
    DataFlowError,
    ExecutionStatus,
    Journal,
    JournalError,
    Launch,
    Outcome,
    OutcomeStatus,
)
from dataflow_async.cli import resolve
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.launches import LaunchFile
from dataflow_async.cli.output import Column, Format, minutes
from dataflow_async.cli.screen import Screen
from dataflow_async.cli.summary import Row, Summary
from dataflow_async.cli.text import escaped, one_line, shell_quoted

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context

_SHOWN = 10
"""Outcomes that did not end well and are shown one by one; the journal has them all."""
_REMEMBERED = 100_000
"""Runs of earlier processes whose times are read from the service at the end."""
_TICK = 1.0
_IDLE = "interrupted: no launch is under way; the same command again goes on"
_STREAMED = frozenset({Format.JSONL, Format.CSV})
OUTCOME = [
    Column("key", "key"),
    Column("status", "status"),
    Column("run", "jobExecutionId"),
    Column("job id", "jobId"),
    Column("minutes", "runningTime"),
    Column("resumed", "resumed"),
    Column("error", "error"),
]
SUMMARY = [
    Column("outcome", "status"),
    Column("runs", "runs", right=True),
    Column("shortest", "shortest", minutes, right=True),
    Column("median", "median", minutes, right=True),
    Column("longest (min:sec)", "longest", minutes, right=True),
]
_RERUN = (
    ExecutionStatus.COMPLETED,
    ExecutionStatus.FAILED,
    ExecutionStatus.CANCELED,
    OutcomeStatus.UNCERTAIN,
    "NOT_FOUND",
)


def checked_rerun(words: Collection[str], journal: Path) -> list[str]:
    """Return the statuses to launch anew; a word that no launch can have ended with is refused.

    Raises:
        CommandFailed: A word is neither a status of the library's nor one of this journal's.
    """
    known = {str(word) for word in _RERUN} | set(_counts(journal))
    found = [word if word in known else word.upper() for word in words]
    for word in found:
        if word not in known:
            raise CommandFailed(
                f"--rerun must be one of {', '.join(map(str, _RERUN))}, got {escaped(word)}", ExitCode.USAGE
            )
    return found


def _is_there(journal: Path) -> bool:
    """Whether there is something to read; a process that is killed at its start leaves an empty file."""
    return journal.exists() and (not journal.is_file() or journal.stat().st_size > 0)


def _counts(journal: Path) -> dict[str, int]:
    if not _is_there(journal):
        return {}
    with Journal.open(journal) as opened:
        return opened.counts()


@define(kw_only=True)
class Bulk:
    """One run of the command.

    Args:
        context: What commands share.
        file: The launches.
        journal: File of the journal.
        settings: Arguments of ``DataFlow.run_all``.
    """

    context: Context
    file: LaunchFile
    journal: Path
    settings: dict[str, Any]
    _open: int = field(default=0, init=False)
    """Launches that were submitted and have no outcome."""
    _lost: Lost | None = field(default=None, init=False)
    _bad: list[Outcome] = field(factory=list, init=False)
    _unrecorded: list[Outcome] = field(factory=list, init=False)
    """Launches whose end the journal could not take, unfinished ones at most."""
    _resumed: int = field(default=0, init=False)
    _untimed: dict[str, dict[str, str]] = field(factory=dict, init=False)
    """Runs that an earlier process has seen end, by job, with their status: their times are not in the journal."""

    async def run(self) -> None:
        """Launch and await everything.

        Raises:
            CommandFailed: Something did not end COMPLETED.
        """
        context = self.context
        total = self.file.checked_count()
        if not total:
            context.note(f"{self.file.name} lists no launches")
            return
        async with context.client() as flow:
            await self._name_jobs(flow)
            if context.dry_run:
                await self._show_first(flow, total)
            await context.confirm(f"launch {total} runs, which cost money,")
            context.note(f"{total} launches to {await context.account()}, journal {self.journal}", "bold")
            summary = Summary()
            try:
                await self._play(flow, total, summary)
            except DataFlowError as error:
                self._show(summary)
                raise self._broken_off(error) from None
            await self._time(flow, summary)
        self._show(summary)
        self._end(summary)

    def _broken_off(self, error: DataFlowError) -> Exception:
        """Return why not all was launched.

        A journal that can't be written loses nothing: it holds what was intended, and the runs it lacks are named here.
        """
        if not isinstance(error, JournalError):
            return error
        lost = self._runs_to_record()
        for key, run_id in lost.items():
            words = ("journal", "resolve", str(self.journal), key, "--run", run_id)
            self.context.note(f"started, and not recorded: {shell_quoted('dataflow-async', *words)}")
        code = ExitCode.UNCERTAIN if self._open or self._unrecorded else ExitCode.ERROR
        first = "record what is named here, " if lost else ""
        step = f"free some space, {first}then the same command goes on"
        return CommandFailed(f"{one_line(error)}; {step}", code)

    def _runs_to_record(self) -> dict[str, str]:
        """Return the runs by key of which the journal holds the intent alone."""
        known: set[str | None] = set()
        with suppress(DataFlowError), Journal.open(self.journal) as journal:
            known = {entry.execution_id for entry in journal.rows()}
        runs = {it.key: it.execution.job_execution_id for it in self._unrecorded if it.execution}
        return {key: run for key, run in runs.items() if run not in known}

    async def _name_jobs(self, flow: DataFlow) -> None:
        for name in list(self.file.jobs):
            self.file.jobs[name] = (await resolve.job(flow, name)).id

    async def _show_first(self, flow: DataFlow, total: int) -> None:
        """Print the request of the first launch: the others differ by what the file says."""
        launch = next(self.file.launches())
        name = self.settings["correlation_parameter"]
        parameters = {**(launch.parameters or {}), **({name: launch.key} if name and launch.key else {})}
        self.context.note(f"the first of {total} launches:")
        await self.context.change(
            flow,
            lambda flow: flow.jobs.execute(
                launch.job_id,
                condition=launch.condition,
                parameters=parameters or None,
                trigger_id=launch.trigger_id,
                workflow_id=launch.workflow_id,
            ),
        )

    async def _play(self, flow: DataFlow, total: int, summary: Summary) -> None:
        self.context.interruption, self.context.forced_interruption = self._stopped, self._forced_interruption
        screen = Screen(stderr=True)
        lost = self._lost = find_lost(self.journal, self.settings["visibility_delay"])
        with screen.progress(total, lost.line) as view:
            outcomes = flow.run_all(
                self._submitted(),
                journal=self.journal,
                on_progress=view.show,
                total=total,
                **self.settings,
            )
            async with _ticking(view.tick), outcomes:
                async for outcome in outcomes:
                    self._open -= 1
                    lost.keys.discard(outcome.key)
                    self._take(summary, outcome)

    def _submitted(self) -> Iterator[Launch]:
        for launch in self.file.launches():
            self._open += 1
            yield launch

    def _take(self, summary: Summary, outcome: Outcome) -> None:
        if isinstance(outcome.error, JournalError):
            self._unrecorded.append(outcome)
            return
        summary.add(outcome)
        self._resumed += outcome.resumed
        run = outcome.execution
        if (
            outcome.resumed
            and run is not None
            and run.running_time is None
            and len(self._untimed) < _REMEMBERED
        ):
            self._untimed.setdefault(run.job_id, {})[run.job_execution_id] = str(outcome.status)
        if outcome.error is not None and len(self._bad) < _SHOWN:
            self._bad.append(outcome)
        if self.context.output in _STREAMED:
            self.context.out.stream(_record(outcome), OUTCOME)

    async def _time(self, flow: DataFlow, summary: Summary) -> None:
        """Read the times of runs that ended under an earlier process: their median belongs to the whole."""
        for job_id, statuses in self._untimed.items():
            async for run in flow.jobs.executions(job_id):
                if run.job_execution_id in statuses:
                    summary.time(statuses[run.job_execution_id], run)

    def _show(self, summary: Summary) -> None:
        rows = list(summary.rows())
        context = self.context
        if context.output in _STREAMED or not rows:
            return
        if context.output is Format.TABLE and not context.query:
            context.rows([_row(row) for row in rows], SUMMARY)
            context.note(f"{summary.worker_minutes:.1f} worker-minutes spent")
            if self._resumed:
                context.note(f"{self._resumed} of them were in the journal before")
        else:
            record = {
                "outcomes": [_row(row) for row in rows],
                "resumed": self._resumed,
                "workerMinutes": round(summary.worker_minutes, 2),
            }
            context.one(record, [Column("outcomes", "outcomes")])

    def _end(self, summary: Summary) -> None:
        counts = {row.status: row.count for row in summary.rows()}
        bad = sum(counts.values()) - counts.get(ExecutionStatus.COMPLETED, 0)
        if not bad:
            return
        for outcome in self._bad:
            error = one_line(outcome.error) if outcome.error is not None else ""
            self.context.note(f"{escaped(outcome.key)}: {error}")
        if bad > len(self._bad):
            more = shell_quoted("dataflow-async", "journal", str(self.journal), "--rows")
            self.context.note(f"and {bad - len(self._bad)} more: {more}")
        words = ", ".join(f"{count} {escaped(status)}" for status, count in counts.items())
        raise CommandFailed(
            f"not all ended COMPLETED: {words}{self._next_step(counts)}", exit_code_of(counts)
        )

    def _next_step(self, counts: Mapping[str, int]) -> str:
        """Say how the launches that did not complete are launched again."""
        if counts.get(OutcomeStatus.UNCERTAIN):
            found_out = shell_quoted("dataflow-async", "journal", "resolve", str(self.journal))
            return f"; look what became of uncertain ones, and record it: {found_out} KEY ..."
        anew = [status for status in (ExecutionStatus.FAILED, ExecutionStatus.CANCELED) if counts.get(status)]
        again = "".join(f" --rerun {status}" for status in anew)
        return (
            f"; the same command launches them again with{again}" if again else "; the same command goes on"
        )

    @property
    def _is_idle(self) -> bool:
        """Whether no launch is under way, of this process or of an earlier one."""
        return not self._open and not (self._lost and self._lost.keys)

    def _stopped(self) -> str:
        if self._is_idle:
            return _IDLE
        lost = len(self._lost.keys) if self._lost else 0
        unknown = f", of {lost} it is not known whether they have started" if lost else ""
        return f"interrupted: up to {self._open} launched runs go on{unknown}; the same command again takes them up"

    def _forced_interruption(self) -> str:
        if self._is_idle:
            return _IDLE
        return (
            f"interrupted: {self._open} launches have no end yet, and some may not be answered; what has started goes on;"
            " the same command again finds out, and takes it up"
        )


def exit_code_of(counts: dict[str, int]) -> ExitCode:
    """Return the exit code for outcomes by status; what may have started and is lost comes first."""
    if counts.get(OutcomeStatus.UNCERTAIN):
        return ExitCode.UNCERTAIN
    if set(counts) <= {ExecutionStatus.COMPLETED, OutcomeStatus.NOT_LAUNCHED}:
        return ExitCode.ERROR
    return ExitCode.RUN_FAILED


def _record(outcome: Outcome) -> dict[str, Any]:
    run = outcome.execution
    return {
        "key": outcome.key,
        "status": str(outcome.status),
        "jobId": outcome.launch.job_id,
        "jobExecutionId": run.job_execution_id if run else None,
        "runningTime": run.running_time if run else None,
        "resumed": outcome.resumed,
        "error": one_line(outcome.error) if outcome.error is not None else None,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "status": row.status,
        "runs": row.count,
        "shortest": row.shortest,
        "median": row.median,
        "longest": row.longest,
    }


@asynccontextmanager
async def _ticking(tick: Any) -> AsyncIterator[None]:
    """Call a function every second during the block: time passes also where nothing happens."""

    async def go_on() -> None:
        while True:
            await asyncio.sleep(_TICK)
            tick()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@define
class Lost:
    """Launches of an earlier process whose answer never came, until their outcome is known."""

    keys: set[str]
    settled_at: float
    """Monotonic time from which a run that is not listed counts as not started."""

    def line(self) -> str:
        """Say what is waited for; nothing where nothing is."""
        seconds = self.settled_at - time.monotonic()
        if not self.keys or seconds < -_LISTING:
            return ""
        what = f"{len(self.keys)} lost launches"
        if seconds > 0:
            return f"searching for {what}: those not listed in {seconds:.0f} s have not started"
        return f"searching for {what}: reading the lists"


_LISTING = 30.0
"""Seconds after the countdown for which the lists are read: what has no outcome then has a run, and is awaited."""


def find_lost(path: Path, delay: float) -> Lost:
    """Read the launches whose answer never came from a journal, if there is one."""
    now, keys, age = time.time(), set(), delay
    if _is_there(path):
        with Journal.open(path) as journal:
            if journal.counts().keys() & {"intent", "unknown"}:
                for entry in journal.rows():
                    if entry.state in {"intent", "unknown"}:
                        keys.add(entry.key)
                        age = min(age, now - entry.sent_by if entry.sent_by is not None else 0.0)
    return Lost(keys, time.monotonic() + max(delay - max(age, 0.0), 0.0))
