"""Ctrl-C at any moment ends a command within a second, with a line that is true, and no traceback."""

import json
import re
import signal
import subprocess
import time

import pytest

from dataflow_async.emulator.audit.events import RequestReceived
from tests.cli.process import NOISE, PATIENCE, cold, started
from tests.cli.shell import data
from tests.support.examples import first_quick

SETTINGS = ("--role", "nrn:x", "--script-path", "b/s.py", "--log-path", "b/logs/")

SOON = 8.0
"""Seconds on a busy machine from Ctrl-C to the end of the process: far below those that a call waits for its answer."""


@pytest.fixture
def shell(dataflow_emulator):
    """The environment that leads to the emulator."""
    return {
        "NCLOUD_DATAFLOW_URL": dataflow_emulator.url,
        "NCLOUD_ACCESS_KEY_ID": dataflow_emulator.access_key,
        "NCLOUD_SECRET_ACCESS_KEY": dataflow_emulator.secret_key,
    }


def interrupted(process, times=1):
    """Press Ctrl-C and return the seconds until the end."""
    began = time.monotonic()
    for _ in range(times):
        process.interrupt()
        time.sleep(0.02)
    assert process.end() == 130
    assert not NOISE.search(process.text), process.text
    return time.monotonic() - began


@pytest.mark.parametrize("delay", first_quick(0.3, 0.1, 0.2, 0.5, 0.8))
def test_while_modules_load(delay, shell):
    with started(
        *("jobs", "run", "stock_import", "--wait"),
        start=cold,
        **{**shell, "NCLOUD_DATAFLOW_URL": "http://127.0.0.1:1"},
    ) as it:
        time.sleep(delay)
        it.interrupt()
        code = it.end()
    assert code in {130, 1, -signal.SIGINT}  # it may have failed before, or Python was on its way out
    assert not NOISE.search(it.text), it.text
    assert len(it.text.strip().splitlines()) == 1


@pytest.mark.parametrize("times", first_quick(2, 1, 5))
@pytest.mark.dataflow(faults="executeJob stall-headers after", speed=1)
def test_a_launch_without_an_answer_may_have_started(dataflow_emulator, shell, times):
    job_id = dataflow_emulator.create_job("stock_import")
    with started("jobs", "run", "stock_import", **shell) as process:
        wait_until(lambda: dataflow_emulator.state.executions)
        assert interrupted(process, times) < SOON
    assert f"the launch of job stock_import ({job_id}) was on its way and is not answered" in process.text
    assert process.text.rstrip().endswith(f"dataflow-async executions list {job_id}")


@pytest.mark.dataflow(speed=1)
def test_a_wait_is_left_and_the_run_goes_on(dataflow_emulator, shell):
    job_id = dataflow_emulator.create_job("stock_import")
    with started("jobs", "run", "stock_import", "--wait", terminal=True, **shell) as process:
        process.until("READY|RUNNING")
        assert interrupted(process) < SOON
    (run,) = dataflow_emulator.state.executions
    visible = re.sub(r"\r?\n", " ", process.text)
    assert (
        f"interrupted: run {run} goes on; wait for it again: dataflow-async executions wait {job_id} {run}"
        in visible
    )


@pytest.mark.parametrize("times", first_quick(3, 1))
@pytest.mark.dataflow(faults="executeJob stall-headers after", speed=1)
def test_a_bulk_run_does_not_say_that_unanswered_launches_run(dataflow_emulator, shell, tmp_path, times):
    job_id = dataflow_emulator.create_job("stock_import")
    path = tmp_path / "days.jsonl"
    path.write_text("".join(f'{{"job_id": "{job_id}", "key": "{n}"}}\n' for n in range(20)))
    with started(
        "bulk", "run", str(path), "--journal", str(tmp_path / "j.db"), terminal=True, **shell
    ) as process:
        wait_until(lambda: len(dataflow_emulator.state.executions) == 20)
        assert interrupted(process, times) < SOON
    visible = re.sub(r"\r?\n", " ", process.text)
    assert "interrupted: 20 launches have no end yet, and some may not be answered" in visible
    assert process.text.rindex("\x1b[?25h") > process.text.rindex("\x1b[?25l")


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


RUNNING = "READY|RUNNING"
GOES_ON = "interrupted: run {run} goes on; wait for it again: dataflow-async executions wait {job} {run}"
MAY_RUN = "interrupted: workflow nightly \\({workflow}\\) may have been started; look before you run it again: .* {workflow}"
WAITS = {
    "jobs run load --wait": (RUNNING, "", GOES_ON.replace("{run}", "\\w+")),
    "executions rerun load last --wait": (RUNNING, "", GOES_ON.replace("{run}", "\\w+")),
    "executions wait load last": (RUNNING, "", GOES_ON),
    "executions watch load last": (
        RUNNING,
        "",
        "interrupted: the run goes on; watch it again: dataflow-async executions watch {job} {run}",
    ),
    "workflows run nightly --wait": (
        "starting workflow",
        "",
        "interrupted: workflow nightly \\({workflow}\\) was started, its runs go on: dataflow-async workflows executions {workflow}",
    ),
    "workflows run nightly --wait --timeout 9": ("starting workflow", "executeWorkflow", MAY_RUN),
    "workflows run nightly --wait --timeout 8": (
        "starting workflow",
        "getWorkflowExecutions",
        "interrupted; nothing was changed",
    ),
    "workflows run nightly": ("", "executeWorkflow", MAY_RUN),
    "executions cancel load last": (
        "",
        "cancelJobExecution",
        "interrupted: 0 of 1 calls were accepted, and the next may be; look before you repeat it",
    ),
    "jobs delete load": (
        "",
        "deleteJob",
        "interrupted: 0 of 1 calls were accepted, and the next may be; look before you repeat it",
    ),
    "triggers create hourly --hourly 5": (
        "",
        "createTrigger",
        "interrupted: a call was on its way and is not answered: it may have taken effect; look before you repeat it",
    ),
    "executions failed": ("", "getJobs", "interrupted; nothing was changed"),
    "whoami": ("", "getJobs", "interrupted; nothing was changed"),
    "bulk run - --journal days.db": ("", "", "interrupted; nothing was changed"),
    "probe": ("reading", "getJobs", "interrupted: nothing was started, and no report is written"),
    "probe --with-runs load": (
        "reading",
        "executeJob",
        "interrupted: no report is written; a run may have been started: dataflow-async executions list {job}",
    ),
}
"""Commands that wait, what they have printed by then, the call that is not answered, and the sentence at the end."""
QUICK = {"executions watch load last", "workflows run nightly --wait", "probe --with-runs load"}
EACH = [pytest.param(line, marks=() if line in QUICK else pytest.mark.slow) for line in WAITS]


@pytest.mark.parametrize("line", EACH)
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
@pytest.mark.dataflow(speed=1)
def test_a_command_that_waits_ends_with_what_is_true(dataflow_emulator, shell, tmp_path, line, signum, code):
    printed, stalled, sentence = WAITS[line]
    job = data("jobs", "create", "load", *SETTINGS)["jobId"]
    dataflow_emulator.script(job, [("COMPLETED", 36_000)] * 3)
    trigger = data("triggers", "create", "by_hand", "--manual")["triggerId"]
    workflow = data("workflows", "create", "nightly", "--trigger", trigger, "--job", job)["workflowId"]
    run = data("jobs", "run", job)["jobExecutionId"]
    if stalled:
        dataflow_emulator.faults.parse(f"{stalled} stall-headers after")
    asked = len(dataflow_emulator.history)
    words = [str(tmp_path / word) if word == "days.db" else word for word in line.split()]
    words += ["--report", str(tmp_path / "probe.json")] if words[0] == "probe" else []
    with started(*words, stdin=subprocess.PIPE, **shell) as process:
        process.until(printed)
        wait_until(lambda: process.handles(signal.SIGTERM))
        wait_until(lambda: is_waiting(dataflow_emulator, asked, words, stalled))
        began = time.monotonic()
        process.interrupt(signum)
        assert process.end() == code
    assert time.monotonic() - began < SOON
    assert not NOISE.search(process.text), process.text
    last = process.text.splitlines()[-1]
    assert re.fullmatch(sentence.format(job=job, run=run, workflow=workflow), last), last


def is_waiting(server, asked, words, stalled):
    """Whether the command has sent what it now waits for."""
    sent = [it.operation for it in server.history.since(asked) if isinstance(it, RequestReceived)]
    if "run" in words and "nightly" in words and not stalled:
        return (
            sent.count("getWorkflowExecutions") > sent.count("executeWorkflow") > 0
            and sent[-1] != "executeWorkflow"
        )
    return stalled in sent if stalled else "-" in words or len(sent) >= 2


@pytest.mark.dataflow(faults="createJob stall-headers after", speed=1)
def test_a_call_without_an_answer_may_have_taken_effect(dataflow_emulator, shell):
    with started("jobs", "create", "stock_import", **shell) as process:
        wait_until(lambda: dataflow_emulator.state.jobs)
        assert interrupted(process) < SOON
    assert process.text.strip() == (
        "interrupted: a call was on its way and is not answered: it may have taken effect; look before you repeat it"
    )


@pytest.mark.dataflow(faults="getJobs stall-headers", speed=1)
def test_a_call_that_reads_changes_nothing(dataflow_emulator, shell):
    with started("jobs", "list", **shell) as process:
        wait_until(lambda: dataflow_emulator.history.requests)
        assert interrupted(process) < SOON
    assert process.text.strip() == "interrupted; nothing was changed"


@pytest.mark.dataflow(faults="getJobs stall-headers", speed=1)
@pytest.mark.parametrize("times", first_quick(2, 1))
def test_a_bulk_run_that_has_launched_nothing_says_so(dataflow_emulator, shell, tmp_path, times):
    path = tmp_path / "days.jsonl"
    path.write_text(json.dumps({"job_id": dataflow_emulator.create_job("stock_import"), "key": "1"}))
    with started("bulk", "run", str(path), "--journal", str(tmp_path / "j.db"), **shell) as process:
        process.until("1 launches to")
        wait_until(lambda: dataflow_emulator.history.requests)
        assert interrupted(process, times) < SOON
    assert process.text.rstrip().endswith(
        "interrupted: no launch is under way; the same command again goes on"
    )
