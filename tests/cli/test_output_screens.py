"""Golden screens: what a person sees at 80 and 120 columns. ``WRITE_SCREENS=1`` writes them anew; look at the difference."""

import io
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.cells import cell_len

from dataflow_async import JobExecution, JobSettings, JobSummary, Trigger, TriggerRuleInfo, WorkflowSummary
from dataflow_async.cli import columns, failures
from dataflow_async.cli.bulk import SUMMARY
from dataflow_async.cli.identity import COLUMNS as IDENTITY
from dataflow_async.cli.output import Output
from dataflow_async.cli.runs import FoundRun

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


DRAWN = {
    "jobs": lambda out: out.rows(jobs(), columns.JOBS),
    "job": lambda out: out.one(next(jobs()), columns.JOB),
    "executions": lambda out: out.rows([it.record() for it in runs()], columns.RUNS),
    "execution": lambda out: out.one(next(runs()).record(), columns.RUN),
    "failed": failed,
    "triggers": lambda out: out.rows(triggers(), columns.TRIGGERS),
    "workflows": lambda out: out.rows([WorkflowSummary("Wq3kT9vLmN21", KOREAN, NIGHT)], columns.WORKFLOWS),
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


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", DRAWN)
def test_a_screen_is_the_golden_one(monkeypatch, name, width):
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    DRAWN[name](Output())
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    golden = SCREENS / f"{name}-{width}.txt"
    if os.environ.get("WRITE_SCREENS"):
        golden.write_text(shown, "utf-8")
    assert shown == golden.read_text("utf-8")
    assert "\x1b" not in shown
    if name in {"jobs", "triggers", "workflows", "summary"}:
        assert max(map(cell_len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", ["jobs", "executions"])
def test_a_narrow_terminal_breaks_no_line(monkeypatch, name):
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    DRAWN[name](Output())
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert max(map(cell_len, lines)) <= 60, "\n".join(lines)
    assert all(" 11-29 0" in line for line in lines[1:3])
