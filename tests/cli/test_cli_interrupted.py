"""Ctrl-C at any moment ends a command within a second, with a line that is true, and no traceback."""

import json
import re
import signal
import time

import pytest

from tests.cli.process import NOISE, started

SOON = 1.5
"""Seconds from Ctrl-C to the end of the process: one, and what a busy machine takes."""


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


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3, 0.5, 0.8])
def test_while_modules_load(delay, shell):
    with started(
        "jobs", "run", "stock_import", "--wait", **{**shell, "NCLOUD_DATAFLOW_URL": "http://127.0.0.1:1"}
    ) as it:
        time.sleep(delay)
        it.interrupt()
        code = it.end()
    assert code in {130, 1, -signal.SIGINT}  # it may have failed before, or Python was on its way out
    assert not NOISE.search(it.text), it.text
    assert len(it.text.strip().splitlines()) == 1


@pytest.mark.parametrize("times", [1, 2, 5])
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


@pytest.mark.parametrize("times", [1, 3])
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
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_sigterm_is_143(shell, dataflow_emulator):
    job_id = dataflow_emulator.create_job("stock_import")
    dataflow_emulator.script(job_id, [("COMPLETED", 36_000)])
    with started("jobs", "run", "stock_import", "--wait", **shell) as process:
        process.until("READY|RUNNING")
        process.interrupt(signal.SIGTERM)
        assert process.end() == 143


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
@pytest.mark.parametrize("times", [1, 2])
def test_a_bulk_run_that_has_launched_nothing_says_so(dataflow_emulator, shell, tmp_path, times):
    path = tmp_path / "days.jsonl"
    path.write_text(json.dumps({"job_id": dataflow_emulator.create_job("stock_import"), "key": "1"}))
    with started("bulk", "run", str(path), "--journal", str(tmp_path / "j.db"), **shell) as process:
        process.until("1 launches to")
        assert interrupted(process, times) < SOON
    assert process.text.rstrip().endswith(
        "interrupted: no launch is under way; the same command again goes on"
    )
