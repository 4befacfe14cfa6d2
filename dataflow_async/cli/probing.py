"""The probe as a command: progress and a table on the screen, the report in a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.output import Column
from dataflow_async.probe.findings import Answer
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


async def run(context: Context, path: Path) -> None:
    """Probe the account, print the findings and write the report."""
    _check(path)
    context.note(f"reading {await context.account()}; nothing is started or changed")
    report = await probe(context.keys, context.service, allow_insecure_http=context.allow_insecure_http)
    size = _write(path, report)
    context.rows([finding.record() for finding in report.findings], COLUMNS)
    counts = Counter(finding.answer for finding in report.findings)
    context.note(", ".join(f"{counts[answer]} {answer}" for answer in Answer))
    context.note(f"report: {path} ({size:,} bytes, without any text of the account)")


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
