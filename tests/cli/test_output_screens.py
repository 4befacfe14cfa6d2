"""Golden screens: what a person sees at 60, 80 and 120 columns. ``WRITE_SCREENS=1`` writes them anew; look at the difference."""

import asyncio
import io
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.cells import cell_len

from dataflow_async import (
    IntervalRow,
    JobExecution,
    JobSettings,
    JobSummary,
    Journal,
    Trigger,
    TriggerRuleInfo,
    WorkflowSummary,
)
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.cli import columns, failures, journal, probing
from dataflow_async.cli.bulk import SUMMARY
from dataflow_async.cli.identity import COLUMNS as IDENTITY
from dataflow_async.cli.output import Format, Output
from dataflow_async.cli.runs import FoundRun
from dataflow_async.cli.screen import Screen
from dataflow_async.wire.server_time import ServerTime
from tests.support.differences import REFUTING
from tests.support.replay import Replay, recorded

SCREENS = Path(__file__).parent / "screens"
KST = timezone(timedelta(hours=9))
NIGHT = datetime(2026, 11, 29, 3, 0, 7, tzinfo=KST)
KOREAN, ENGLISH = "일별_매출_집계_테이블_적재_야간", "orders_rollup_of_the_whole_year_by_region"
HOSTILE = "[red]\x1b[2J=\u202e"


def jobs():
    for number, name in enumerate((KOREAN, ENGLISH, HOSTILE, None)):
        yield JobSummary(
            f"Jq3kT9vLmN2{number}", name, "SCRIPT", "READY", "FAILED" if number else "COMPLETED",
            last_execution_date=NIGHT + timedelta(hours=number) if number < 3 else None,
        )  # fmt: skip


def runs():
    settings = JobSettings(
        num_worker=4, timeout=360, script_path="etl/매출.py", console_log_path="logs/2026/11"
    )
    for number, name in enumerate((KOREAN, ENGLISH)):
        yield FoundRun(
            JobExecution(
                f"r1bwao16T78{number}", "Jq3kT9vLmN21", name, settings, "FAILED" if number else "RUNNING",
                NIGHT, NIGHT, None, "Tq3kT9vLmN21", "매일_새벽_3시", 0.5, 61.25 if number else None,
                parsed_parameters={"day": "2026-11-28", "지점": "부산"}, type="WORKFLOW",
            ),
            12.5 if number else None,
        )  # fmt: skip


def failed(out):
    for found in runs():
        record = found.record()
        record |= {
            "log": "logs/2026/11",
            "rerun": "dataflow-async executions rerun Jq3kT9vLmN21 r1bwao16T780",
        }
        out.text(failures.block(record))


def triggers():
    rule = TriggerRuleInfo("RECURRING", "WEEK", "03:00", ["MONDAY", "FRIDAY"])
    yield Trigger("Tq3kT9vLmN21", "매일_새벽_3시", "SCHEDULED", rule, NIGHT)
    yield Trigger("Tq3kT9vLmN22", "by_hand", "NONE", TriggerRuleInfo("NONE"), NIGHT)


def summary():
    yield {"status": "COMPLETED", "runs": 4990, "shortest": 0.1, "median": 12.5, "longest": 75.0}
    yield {"status": "NOT_LAUNCHED", "runs": 10}


def workflows():
    yield WorkflowSummary(
        "Wq3kT9vLmN21", KOREAN, NIGHT, last_execution_date=NIGHT, trigger_rule_type="RECURRING"
    )
    yield WorkflowSummary("Wq3kT9vLmN22", ENGLISH, NIGHT, trigger_rule_type="NONE")


def dashboard(out):
    counts = {"totalCount": 1240, "completedCount": 1200, "failedCount": 40}
    out.one({"startDate": NIGHT.isoformat(), "endDate": NIGHT.isoformat(), **counts}, columns.DASHBOARD)
    out.rows([IntervalRow(1200, NIGHT, NIGHT), IntervalRow(40, NIGHT, NIGHT)], columns.DAYS)


def probed():
    """The findings about an account that differs from the notes."""
    replay = Replay(recorded(), launch={})
    for number in (33, 72, 96):
        REFUTING[number](replay)
    return probing.records(replay.report(), Format.TABLE)


TABLES = {"jobs", "executions", "triggers", "workflows", "summary", "dashboard", "probe"}
DRAWN = {
    "probe": lambda out: out.rows(probed(), probing.COLUMNS),
    "jobs": lambda out: out.rows(jobs(), columns.JOBS),
    "job": lambda out: out.one(next(jobs()), columns.JOB),
    "executions": lambda out: out.rows([it.record() for it in runs()], columns.RUNS),
    "execution": lambda out: out.one(next(runs()).record(), columns.RUN),
    "failed": failed,
    "triggers": lambda out: out.rows(triggers(), columns.TRIGGERS),
    "workflows": lambda out: out.rows(workflows(), columns.WORKFLOWS),
    "dashboard": dashboard,
    "summary": lambda out: out.rows(summary(), SUMMARY),
    "identity": lambda out: out.one(
        {
            "service": "https://dataflow.apigw.ntruss.com",
            "accessKey": "ncp_...",
            "clockSkew": 3700,
            "reading": "no",
        },
        IDENTITY,
    ),
}


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard output a terminal of some columns."""

    def make(width):
        monkeypatch.setattr("sys.stdout", Terminal())
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("COLUMNS", str(width))

    return make


WIDTHS = pytest.mark.parametrize("width", [60, 80, 120])


def printed():
    return re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue())


def check(name, width):
    shown = printed()
    golden = SCREENS / f"{name}-{width}.txt"
    if os.environ.get("WRITE_SCREENS"):
        golden.write_text(shown, "utf-8")
    assert shown == golden.read_text("utf-8")
    assert "\x1b" not in shown
    return shown.splitlines()


@WIDTHS
@pytest.mark.parametrize("name", DRAWN)
def test_a_screen_is_the_golden_one(terminal, name, width):
    terminal(width)
    DRAWN[name](Output())
    lines = check(name, width)
    if name in TABLES:
        assert max(map(cell_len, lines)) <= width


@WIDTHS
def test_columns_line_up_whatever_the_width_of_letters(terminal, width):
    terminal(width)
    Output().rows(jobs(), columns.JOBS)
    lines = printed().splitlines()
    begins = {cell_len(line[: line.index("SCRIPT")]) for line in lines if "SCRIPT" in line}
    assert begins == {lines[0].index("type")}


@WIDTHS
def test_the_journal_of_a_bulk_run(terminal, width, tmp_path, monkeypatch):
    async def write():
        writer = await JournalWriter.open("days.db", base_url="https://ncloud", access_key="ACCESS-KEY-ID")
        noon = NIGHT.timestamp()
        for key, status in ((KOREAN, "COMPLETED"), ("2026-01-02", "FAILED")):
            await writer.intend(key, "Jq3kT9vLmN21", bytes(16), None, ServerTime(noon, noon))
            await writer.accepted(key, 1, "r1bwao16T780", at=noon, created=None)
            await writer.ended(key, 1, status, noon + 90)
        await writer.intend("2026-01-03", "Jq3kT9vLmN21", bytes(16), None, ServerTime(noon, noon))
        await writer.aclose()

    monkeypatch.chdir(tmp_path)
    asyncio.run(write())
    terminal(width)
    with Journal.open("days.db") as opened:
        journal.show(Screen(), opened, rows=True, status=None)
    monkeypatch.setattr("sys.stdout", Terminal(printed().replace(f"{tmp_path}/", "")))
    lines = check("journal", width)
    assert max(map(cell_len, lines[8:])) <= max(width, 65 + cell_len(KOREAN))
    assert [line.split()[0] for line in lines[-3:]] == (["11-29"] if width == 60 else ["2026-11-29"]) * 3
