"""The probe as a command: progress and a table on the screen, the report in a file."""

from __future__ import annotations

import json
from asyncio import create_task, sleep
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from attrs import define, field

from dataflow_async import DecodeError, defaults
from dataflow_async.cli import resolve
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode, exit_code, next_step
from dataflow_async.cli.output import Column, Format
from dataflow_async.cli.text import escaped, one_line
from dataflow_async.cli.waiting import command_line
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.findings import Answer
from dataflow_async.probe.probing import probe
from dataflow_async.probe.report import FORMAT, Report
from dataflow_async.probe.with_runs import ENDED

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context

COLUMNS = [
    Column("ruling", "ruling", right=True),
    Column("answer", "answer"),
    Column("question", "question", elastic=True),
    Column("seen", "seen", elastic=True),
    Column("why", "why", wide=True),
    Column("next", "next", wide=True),
]
LINE_EVERY = 25.0
"""Seconds between two lines of a probe: a pipe gets one at least every 30."""


async def run(
    context: Context,
    path: Path,
    job: str | None = None,
    *,
    timeout: float,
    run_timeout: float = 0.0,
    hold_idle: float | None = None,
    notes: bool = False,
) -> None:
    """Probe the account, print the findings and write the report.

    Args:
        context: Service and keys.
        path: The file of the report.
        job: Id or name of a job of which a run is started, after a question.
        timeout: Seconds in which the questions that only read are asked.
        run_timeout: Seconds for which that run is observed.
        hold_idle: Seconds for which a connection is held idle; None for as long as a launch may rely on.
        notes: Print Markdown for the contract notes instead of the findings as data.
    """
    _check(path)
    job_id = None if job is None else await _confirmed(context, job)
    context.interruption = lambda: _interruption(context, job_id)
    account = await context.account()
    context.note(f"reading {account}{'; nothing is started or changed' if job_id is None else ''}")
    follower = Follower(context, job_id or "", timeout)
    lines = create_task(follower.tick())
    try:
        report = await probe(
            context.keys,
            context.service,
            allow_insecure_http=context.allow_insecure_http,
            job_to_run=job_id,
            timeout=timeout,
            run_timeout=run_timeout,
            hold_idle=defaults.PROBE_IDLE if hold_idle is None else hold_idle,
            on_answer=follower.follow,
        )
    finally:
        lines.cancel()
    size = _write(path, report)
    _print(context, report, notes=notes)
    context.note(f"report: {path} ({size:,} bytes, without any text of the account)")
    follower.conclude()
    _end(report, has_lost_job=job is not None and job_id is None)


def _print(context: Context, report: Report, *, notes: bool) -> None:
    if notes:
        context.out.text(report.notes())
    else:
        context.rows(records(report, context.output), COLUMNS)
    for finding in report.findings:
        if finding.answer is Answer.REFUTED and context.output is Format.TABLE and not notes:
            step = f"; {finding.next}" if finding.next else ""
            context.note(f"ruling {finding.ruling} is refuted: {finding.seen}{step}")
    counts = Counter(finding.answer for finding in report.findings)
    context.note(", ".join(f"{counts[answer]} {answer}" for answer in Answer))


def _end(report: Report, *, has_lost_job: bool) -> None:
    """End with the exit code of what went wrong, once everything that was seen is written."""
    if str(report.facts.get("launch: answer") or "").startswith(("no answer", "5")):
        raise CommandFailed("uncertain: the launch may have started a run", ExitCode.UNCERTAIN)
    if report.incomplete:
        code = ExitCode.TIMED_OUT if report.error is None else exit_code(report.error)
        reason = f": {one_line(report.error)}" if report.error else ""
        step = next_step(report.error) if report.error else "give it a longer --timeout"
        raise CommandFailed(f"incomplete: {report.incomplete}{reason}{'; ' if step else ''}{step}", code)
    if has_lost_job:
        raise CommandFailed("incomplete: no run was started")


def records(report: Report, output: Format) -> list[dict[str, Any]]:
    """Return the findings; for people those first that need attention, and the reason where nothing was seen."""
    if output is not Format.TABLE:
        return [finding.record() for finding in report.findings]
    order = (Answer.REFUTED, Answer.CONFIRMED, Answer.NOT_SEEN)
    ordered = sorted(report.findings, key=lambda finding: order.index(finding.answer))
    return [finding.record() | {"seen": finding.seen or f"({finding.why})"} for finding in ordered]


async def _confirmed(context: Context, word: str) -> str | None:
    """Return the id of a job once the question whether to run it is answered; None if this library can't read the job."""
    try:
        async with context.client() as flow:
            found = await resolve.job(flow, word)
            settings = (await flow.jobs.get(found.id)).job_condition
    except DecodeError as error:
        context.note(f"--with-runs is left out, no run is started: {one_line(error)}")
        return None
    workers = f"{settings.num_worker} workers" if settings and settings.num_worker else "its workers"
    minutes = f"up to {settings.timeout} minutes" if settings and settings.timeout else "as long as it takes"
    await context.confirm(
        f"start one run of job {found} as it is stored, which costs {workers} for {minutes}, and read the account"
    )
    return found.id


def _interruption(context: Context, job_id: str | None) -> str:
    """Say what is true until the launch is answered."""
    if job_id is None:
        return "interrupted: nothing was started, and no report is written"
    runs = command_line(context, "executions", "list", job_id)
    return f"interrupted: no report is written; a run may have been started: {runs}"


@define
class Follower:
    """Says how the probe goes on, and what it has started; also in the last words of an interrupted probe."""

    context: Context
    job_id: str
    timeout: float
    began: float = field(factory=monotonic)
    answers: int = 0
    latest: str = ""
    """The last question that was answered."""
    run_id: str = ""
    """The run that was started."""
    status: Any = None
    """Its status when it was last seen."""

    async def tick(self) -> None:
        """Print a line now and then, until cancelled."""
        while True:
            await sleep(LINE_EVERY)
            self.context.note(self.line())

    def line(self) -> str:
        """Return where the probe is."""
        seconds = monotonic() - self.began
        if self.run_id:
            return f"{seconds:.0f} s: run {escaped(self.run_id)} is {escaped(str(self.status))}"
        latest = f", the last was '{self.latest}'" if self.latest else ""
        return f"{seconds:.0f} s of at most {self.timeout:g}: {self.answers} questions are answered{latest}"

    def follow(self, exchange: Exchange) -> None:
        """Take an answer."""
        self.answers += 1
        self.latest = exchange.question.name
        if self.latest == "launch":
            self._launched(exchange)
        elif self.run_id and self.latest == "launched run" and exchange.is_success:
            self._seen(exchange.members.get("status", self.status))

    def _launched(self, exchange: Exchange) -> None:
        run = exchange.members.get("jobExecutionId")
        if exchange.is_success and isinstance(run, str | int):
            self.run_id, self.status = str(run), exchange.members.get("status")
            text = f"run {escaped(self.run_id)} was started"
            self.context.interruption = lambda: f"interrupted: {text} and goes on: {self._show_command()}"
        elif exchange.is_success or not exchange.status or exchange.status >= 500:
            text = "the launch was not answered as it should be: a run may have started"
            runs = command_line(self.context, "executions", "list", self.job_id)
            self.context.interruption = lambda: f"interrupted: {text}: {runs}"
            text += f"; look for it: {runs}"
        else:
            text = f"no run was started: the answer was {exchange.status}"
        self.context.note(text)

    def _seen(self, status: Any) -> None:
        if status != self.status:
            self.status = status
            self.context.note(f"run {escaped(self.run_id)} is {escaped(str(status))}")

    def _show_command(self) -> str:
        return command_line(self.context, "executions", "show", self.job_id, self.run_id)

    def conclude(self) -> None:
        """Say what may go on although the probe ends."""
        if self.run_id and not (isinstance(self.status, str) and self.status in ENDED):
            self.context.note(
                f"run {escaped(self.run_id)} was not seen to end and may go on, which costs money; look at it: {self._show_command()}"
            )


def _check(path: Path) -> None:
    """Refuse to replace a file that is no report."""
    if not path.exists():
        return
    try:
        known = json.loads(path.read_text("utf-8")).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        known = False
    if not known:
        raise CommandFailed(f"refused: {path} is no report of a probe and would be replaced", ExitCode.USAGE)


def _write(path: Path, report: Report) -> int:
    try:
        return path.write_text(report.text(), "utf-8")
    except OSError as error:
        raise CommandFailed(f"can't write {path}: {error.strerror or error}") from None
