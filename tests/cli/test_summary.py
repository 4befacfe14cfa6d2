"""Counting and wording, without a service."""

import pytest
from rich.console import Console

from dataflow_async import ExecutionFailed, ExecutionStatus, JobExecution, Launch, Outcome, Progress
from dataflow_async.cli.output import minutes as duration
from dataflow_async.cli.screen import counts, outcome_table
from dataflow_async.cli.summary import Row, Summary
from dataflow_async.cli.text import one_line


def outcome(key, status, minutes=None):
    run = JobExecution("run", "job", status=status, running_time=minutes)
    return Outcome(key, Launch("job"), execution=run, status=status)


def test_outcomes_are_counted_by_status():
    summary = Summary()
    for number, minutes in enumerate([3.0, 1.0, 2.0]):
        summary.add(outcome(str(number), ExecutionStatus.COMPLETED, minutes))
    summary.add(outcome("unread", "BURNT"))
    summary.add(outcome("bad", ExecutionStatus.CANCELED, 0.5))
    summary.add(Outcome("unsent", Launch("job"), status="NOT_LAUNCHED"))
    assert list(summary.rows()) == [
        Row("COMPLETED", 3, 1.0, 2.0, 3.0),
        Row("BURNT", 1, None, None, None),
        Row("CANCELED", 1, 0.5, 0.5, 0.5),
        Row("NOT_LAUNCHED", 1, None, None, None),
    ]
    assert summary.failed is not None
    assert summary.failed.key == "unread"


def test_nothing_failed_and_nothing_ran():
    summary = Summary()
    assert list(summary.rows()) == []
    summary.add(outcome("good", ExecutionStatus.COMPLETED, 1.0))
    assert summary.failed is None


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (None, "-"),
        (0, "0:00"),
        (0.33, "0:20"),
        (0.9999, "1:00"),
        (59.5, "59:30"),
        (60, "1:00:00"),
        (1440, "24:00:00"),
    ],
)
def test_durations(minutes, text):
    assert duration(minutes) == text


def test_the_table_fits_a_narrow_terminal(capsys):
    rows = [Row("COMPLETED", 100_000, 0.1, 600.0, 1440.0), Row("NOT_LAUNCHED", 3, None, None, None)]
    Console(width=72).print(outcome_table(rows))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["outcome", "runs", "shortest", "median", "longest", "(min:sec)"],
        ["COMPLETED", "100000", "0:06", "10:00:00", "24:00:00"],
        ["NOT_LAUNCHED", "3", "-", "-", "-"],
    ]


def test_counts_stay_in_their_columns():
    def at(running, completed, failed, uncertain=0):
        return counts(
            Progress(
                total=1000, submitted=0, launched=running, running=running, completed=completed, failed=failed,
                uncertain=uncertain, rate=running / 10, eta=None,
            )
        )  # fmt: skip

    early, late = at(1, 0, 0), at(64, 936, 12)
    assert early.split() == ["1", "launched", "1", "running", "0", "completed", "0", "failed", "0.1/s"]
    assert len(early) == len(late)
    assert early.index("failed") == late.index("failed")
    assert "2 uncertain" in at(0, 1, 1, 2)


def test_an_error_takes_one_line_and_no_control_characters():
    error = ExecutionFailed(JobExecution("r\nun\x1b[31m", "job", status="FAILED"))
    assert one_line(error) == "ExecutionFailed: execution r un [31m of job job ended FAILED"
