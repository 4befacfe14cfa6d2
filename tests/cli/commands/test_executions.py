"""``dataflow-async executions``: runs found, explained, awaited, cancelled and repeated."""

import json

import pytest

from dataflow_async import JobExecution
from tests.cli.shell import data, invoke


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.fixture
def job_id(emulator):
    return emulator.create_job("stock_import")


def started(job="stock_import", *words):
    return data("jobs", "run", job, *words)["jobExecutionId"]


def ended(emulator, job_id, *outcomes):
    """Runs of a job that end so, the oldest first."""
    emulator.script(job_id, [(outcome, seconds) for outcome, seconds in outcomes])
    runs = [started(job_id) for _ in outcomes]
    for run in runs:
        invoke(
            "executions", "wait", job_id, run, code=0 if outcomes[runs.index(run)][0] == "COMPLETED" else 5
        )
    return runs


# --- lists ---------------------------------------------------------------------------------------------------


def test_runs_are_listed_the_newest_first_beside_the_usual_time(emulator, job_id):
    runs = ended(emulator, job_id, ("COMPLETED", 60), ("FAILED", 6), ("COMPLETED", 60))
    rows = data("executions", "list", "stock_import")
    assert [row["jobExecutionId"] for row in rows] == runs[::-1]
    assert [row["usualRunningTime"] for row in rows] == [pytest.approx(1, abs=0.1)] * 3
    head, *lines = invoke("executions", "list", "stock_import").stdout.splitlines()
    assert head.split() == ["run", "job", "status", "created", "(KST)", "min:sec", "usual"]
    assert len(lines) == 3
    assert len(data("executions", "list", job_id, "--limit", 2)) == 2


def test_all_jobs_of_a_period_in_one_state(emulator, job_id):
    other = emulator.create_job("other")
    (failed,) = ended(emulator, job_id, ("FAILED", 1))
    ended(emulator, other, ("COMPLETED", 1))
    rows = data("executions", "list", "--all-jobs", "--since", "24h", "--status", "failed")
    assert [(row["jobExecutionId"], row["jobName"]) for row in rows] == [(failed, "stock_import")]
    assert data("executions", "list", "--all-jobs", "--since", "2090-01-01") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name jobs, or give --all-jobs"),
        (("stock_import", "--all-jobs"), "name jobs, or give --all-jobs"),
        (
            ("--all-jobs", "--status", "FAILD"),
            "READY, RUNNING, COMPLETED, FAILED, CANCELED, got FAILD",
        ),
        (("--all-jobs", "--since", "yesterday"), "an age like 24h or 7d, or a date"),
    ],
)
def test_a_list_that_can_not_be_is_a_usage_error(job_id, words, says):
    assert says in invoke("executions", "list", *words, code=2).stderr


# --- what failed ---------------------------------------------------------------------------------------------


def test_what_failed_comes_with_its_reason_and_the_command_that_runs_it_again(emulator, job_id):
    ended(emulator, job_id, ("COMPLETED", 60))
    emulator.script(job_id, [("FAILED", 6)])
    run = started("stock_import", "-p", "day=2026-01-01", "--workers", 4)
    invoke("executions", "wait", job_id, run, code=5)
    result = invoke("executions", "failed")
    assert result.stderr == f"1 FAILED since 24h at {emulator.url} with access key EMUL...\n"
    lines = result.stdout.splitlines()
    assert lines[0] == f"FAILED  stock_import  run {run}"
    assert lines[1].endswith(" KST, ran 0:06, usually 1:00")
    assert lines[2:] == [
        "  started   by a call, no trigger",
        "  settings  4 workers, at most 360 min, parameters day=2026-01-01",
        f"  log       {run}",
        f"  again     dataflow-async executions rerun {job_id} {run}",
    ]
    (row,) = data("executions", "failed", "stock_import")
    assert row["rerun"] == f"dataflow-async executions rerun {job_id} {run}"
    assert row["log"] == run


def test_nothing_failed_is_no_data(job_id):
    result = invoke("executions", "failed")
    assert result.stdout == ""
    assert result.stderr.startswith("0 FAILED since 24h")


# --- one run -------------------------------------------------------------------------------------------------


def test_a_run_is_named_in_four_ways(job_id):
    run = started()
    for words in (
        ("stock_import", run),
        (job_id, "last"),
        (f"stock_import/{run}",),
        (f"dataflow-execution:1:{job_id}:{run}",),
    ):
        assert data("executions", "show", *words)["jobExecutionId"] == run
    assert "JOB RUN" in invoke("executions", "show", run, code=2).stderr
    invoke("executions", "show", "stock_import", "absent", code=7)


def test_a_watch_prints_each_state(emulator, job_id):
    emulator.script(job_id, [("COMPLETED", 100)])
    run = started()
    states = [
        json.loads(line)
        for line in invoke("executions", "watch", job_id, run, "-o", "jsonl").stdout.splitlines()
    ]
    assert {state["jobExecutionId"] for state in states} == {run}
    assert states[-1]["status"] == "COMPLETED"
    assert len(states) >= 2


def test_a_run_is_cancelled(emulator, job_id):
    emulator.script(job_id, [("COMPLETED", 36_000)])
    run = started()
    result = invoke("executions", "cancel", "stock_import", run)
    assert result.stderr == f"cancelled run {run} of job {job_id}\n"
    assert data("executions", "show", job_id, run)["status"] == "CANCELED"


def test_all_that_runs_is_cancelled(emulator, job_id):
    other = emulator.create_job("other")
    for it in (job_id, other):
        emulator.script(it, [("COMPLETED", 36_000)])
    runs = [started(job_id), started(other)]
    result = invoke("executions", "cancel", "--all-running")
    assert [line.split()[2] for line in result.stderr.splitlines()] == runs
    assert invoke("executions", "cancel", "--all-running").stderr == "nothing is running\n"
    assert invoke("executions", "cancel", code=2).stderr.startswith("name a run")


def test_a_run_that_has_ended_meanwhile_does_not_keep_the_others_going(emulator, job_id, monkeypatch):
    emulator.script(job_id, [("COMPLETED", 36_000)] * 2)
    ended_, goes_on = started(job_id), started(job_id)
    monkeypatch.setattr(JobExecution, "is_terminal", property(lambda _: False))  # as when it was listed
    invoke("executions", "cancel", job_id, ended_)
    result = invoke("executions", "cancel", "--all-running", code=1)
    first, second, last = result.stderr.splitlines()
    assert first.startswith(f"not cancelled run {ended_} of job {job_id}: BadState: ")
    assert second == f"cancelled run {goes_on} of job {job_id}"
    assert last == "1 of 2 were refused"


# --- again ---------------------------------------------------------------------------------------------------


def test_a_rerun_has_the_settings_of_the_earlier_run(emulator, job_id):
    run = started("stock_import", "-p", "day=1", "-p", "mode=full", "--workers", 4, "--time-limit", 30)
    again = data("executions", "rerun", "stock_import", run, "-p", "day=2")["jobExecutionId"]
    execution = emulator.state.executions[again]
    assert execution.parameters == {"day": "2", "mode": "full"}
    assert (execution.condition["numWorker"], execution.condition["timeout"]) == (4, 30)
    text = invoke("executions", "rerun", "stock_import", run, "--dry-run").stdout
    assert json.loads(text.partition("\n\n")[2])["jobCondition"]["parameters"] == {"day": "1", "mode": "full"}


@pytest.mark.dataflow(faults="getJobExecutions 401 skew=0")
def test_an_error_while_many_jobs_are_read_is_one_line(emulator, job_id):
    emulator.create_job("other")
    result = invoke("executions", "failed", code=4)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("AuthenticationFailed: getJobExecutions: HTTP 401")
