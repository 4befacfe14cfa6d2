"""What becomes of a launch in each kind of faults: README's table, row by row, over real connections."""

import re
from pathlib import Path

import attrs
import pytest

from dataflow_async import DataFlowError, Launch
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived, StateChanged
from dataflow_async.emulator.audit.verify import read_journal, verify_history
from tests.support.clocks import LeapClock

README = (Path(__file__).parents[2] / "docs" / "pages" / "guides" / "bulk.md").read_text("utf-8")
PATIENCE = 1.0
"""Seconds until the client gives a silent server up."""


@attrs.frozen
class Row:
    what: str
    again: str
    """Whether it is sent again at once."""
    alone: str
    """Its outcome without a journal."""
    recorded: str
    """Its outcome with one."""


def table():
    head = "| what happens to a launch in `run_all` |"
    _, rule, *lines = README[README.index(head) :].split("\n\n")[0].splitlines()
    assert rule == "| --- | --- | --- | --- |"
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines]


UNANSWERED = "nobody listens, and nothing has answered this client yet"
WEATHER = {
    UNANSWERED: "getJobs refuse 3600 x1",
    "the connection is reset before the service acts": "executeJob reset before x1",
    "the connection is reset after the service has acted": "executeJob reset after x1",
    "no answer in time, and the service has not acted": "executeJob stall-headers before x1",
    "no answer in time, and the service has acted": "executeJob stall-headers after x1",
    "half an answer": "executeJob half-body x1",
    "an answer that is no HTTP": "executeJob garbage after x1",
    "429 with code 410 or 420, three times": "executeJob 429 410 x2; executeJob 429 420 x1",
    "429 with code 400: the quota is used up": "executeJob 429 400",
    "503 with code 500, and the service has not acted": "executeJob 503 before x1",
    "504 with code 510, and the service has acted": "executeJob 504 after x1",
    "500 with code 900, and the service has not acted": "executeJob 500 before x1",
    "401 with code 200, and our clock is 6 minutes off": "clock -6min",
    "401 with code 200, and the gateway's time does not help": "executeJob 401 skew=400",
    "302": "executeJob 302",
}


def test_the_table_has_every_fault_type_and_no_other():
    assert [row.what for row in table()] == list(WEATHER)


@attrs.define
class Result:
    outcomes: list
    error: DataFlowError | None
    requests: int
    runs: int
    violations: list


async def under_faults(faults, **asked):
    """One launch, in this faults, seen from both sides."""
    async with Emulator(speed=1000) as server:
        settings = {"clock": LeapClock(), "timeout": PATIENCE}
        async with server.client(**settings) as flow:
            job = await flow.jobs.create("stock_import", type="SCRIPT")
        server.faults.parse(faults)
        error, outcomes = None, []
        async with server.client(**settings) as flow:
            if "getJobs" in faults:
                with pytest.raises(DataFlowError):
                    await flow.jobs.page()
            launch = Launch(job.job_id, parameters={"day": "1"}, key="day-1")
            try:
                async for outcome in flow.run_all([launch], **asked):
                    outcomes.append(outcome)
            except DataFlowError as problem:
                error = problem
    requests = [
        it for it in server.history if isinstance(it, RequestReceived) and it.operation == "executeJob"
    ]
    runs = [it for it in server.history if isinstance(it, StateChanged) and it.what == "launched"]
    journal = read_journal(asked["journal"]) if "journal" in asked else None
    return Result(outcomes, error, len(requests), len(runs), verify_history(server.history, journal))


def agrees(result, promised):
    """Whether one outcome, and the end of the run, are what a cell promises."""
    (status,) = re.findall(r"`(\w+)`", promised)
    assert [outcome.status for outcome in result.outcomes] == [status]
    (outcome,) = result.outcomes
    assert (outcome.error is None) == (status == "COMPLETED")
    assert outcome.error is None or outcome.error.may_have_run == (status == "UNCERTAIN")
    if "the run ends" in promised:
        assert result.error is outcome.error or result.error.status == 302
    else:
        assert result.error is None


@pytest.mark.parametrize("row", table(), ids=lambda row: row.what)
async def test_without_a_journal(row):
    result = await under_faults(WEATHER[row.what])
    agrees(result, row.alone)
    if row.what != UNANSWERED:
        assert (result.requests > 1) == row.again.startswith("yes")
    assert result.runs == (
        "has acted" in row.what or "answer" in row.alone or "COMPLETED" in row.recorded
    ) - ("sent again" in row.recorded)
    assert result.violations == []


@pytest.mark.parametrize("form", [{}, {"correlation_parameter": "key"}], ids=str)
@pytest.mark.parametrize("row", table(), ids=lambda row: row.what)
async def test_with_a_journal(row, form, tmp_path):
    path = tmp_path / "backfill.db"
    result = await under_faults(WEATHER[row.what], journal=path, visibility_delay=1.0, **form)
    agrees(result, row.recorded)
    if "sent again" in row.recorded:
        assert result.requests == 2
    if "is found" in row.recorded:
        assert result.requests == 1
    assert result.runs == ("COMPLETED" in row.recorded)
    assert result.violations == []
