"""The probe as a command: progress and a table on the screen, the report in a file."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow_async.cli import resolve
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.output import Column, Format
from dataflow_async.cli.text import escaped
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.findings import Answer, Finding
from dataflow_async.probe.probing import probe
from dataflow_async.probe.report import FORMAT, Report

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context

COLUMNS = [
    Column("ruling", "ruling", right=True),
    Column("answer", "answer"),
    Column("question", "question", elastic=True),
    Column("seen", "seen", elastic=True),
]


async def run(
    context: Context, path: Path, job: str | None = None, timeout: float = 0.0, *, notes: bool = False
) -> None:
    """Probe the account, print the findings and write the report.

    Args:
        context: Service and keys.
        path: The file of the report.
        job: Id or name of a job of which a run is started, after a question.
        timeout: Seconds for which that run is observed.
        notes: Print Markdown for the contract notes instead of the findings as data.
    """
    _check(path)
    job_id = None if job is None else await _confirmed(context, job)
    context.interruption = lambda: "interrupted: nothing was started, and no report is written"
    account = await context.account()
    context.note(f"reading {account}{'; nothing is started or changed' if job_id is None else ''}")
    report = await probe(
        context.keys,
        context.service,
        allow_insecure_http=context.allow_insecure_http,
        job_to_run=job_id,
        timeout=timeout,
        on_answer=partial(_follow, context),
    )
    size = _write(path, report)
    if notes:
        context.out.text(report.notes())
    else:
        context.rows([finding.record() for finding in _in_order(context, report)], COLUMNS)
    counts = Counter(finding.answer for finding in report.findings)
    context.note(", ".join(f"{counts[answer]} {answer}" for answer in Answer))
    context.note(f"report: {path} ({size:,} bytes, without any text of the account)")
    if str(report.facts.get("launch: answer") or "").startswith(("no answer", "5")):
        raise CommandFailed("uncertain: the launch may have started a run", ExitCode.UNCERTAIN)


def _in_order(context: Context, report: Report) -> list[Finding]:
    """Return the findings; for people those first that need attention."""
    if context.output is not Format.TABLE:
        return list(report.findings)
    order = (Answer.REFUTED, Answer.CONFIRMED, Answer.NOT_SEEN)
    return sorted(report.findings, key=lambda finding: order.index(finding.answer))


async def _confirmed(context: Context, word: str) -> str:
    """Return the id of a job once the question whether to run it is answered."""
    async with context.client() as flow:
        found = await resolve.job(flow, word)
        settings = (await flow.jobs.get(found.id)).job_condition
    workers = f"{settings.num_worker} workers" if settings and settings.num_worker else "its workers"
    minutes = f"up to {settings.timeout} minutes" if settings and settings.timeout else "as long as it takes"
    await context.confirm(
        f"start one run of job {found} as it is stored, which costs {workers} for {minutes}, and read the account"
    )
    return found.id


def _follow(context: Context, exchange: Exchange) -> None:
    """Say that a run was started, also in the last words of an interrupted probe."""
    if exchange.question.name != "launch":
        return
    run = exchange.members.get("jobExecutionId")
    if exchange.is_success and isinstance(run, str):
        text = f"run {escaped(run)} was started"
        context.interruption = lambda: f"interrupted: {text} and goes on"
    elif exchange.is_success or not exchange.status or exchange.status >= 500:
        text = "the launch was not answered as it should be: a run may have started"
        context.interruption = lambda: f"interrupted: {text}"
    else:
        text = f"no run was started: the answer was {exchange.status}"
    context.note(text)


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
