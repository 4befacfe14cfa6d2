"""The recipes of the page on Prefect and Dagster, as they stand there, against the emulator."""

import re
from collections import Counter
from importlib import import_module

import dagster
import pytest

from dataflow_async.emulator import Emulator, verify_history
from dataflow_async.emulator.threaded import loop_in_a_thread
from tests.support.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "pages" / "guides" / "prefect-and-dagster.md"
RECIPES = {block.note: block.text for block in blocks(PAGE)}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """An emulator beside this thread, which the environment leads to, and an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    with loop_in_a_thread() as on_loop:
        server = Emulator(ready_seconds=(0, 0), run_seconds=(0.05, 0.1))
        on_loop(server.start())
        monkeypatch.setenv("NCLOUD_DATAFLOW_URL", server.url)
        monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", server.secret_key)
        try:
            yield server
        finally:
            on_loop(server.stop())


def recipe(name):
    """What a recipe defines; its retries come at once."""
    text = re.sub(r"\b(retry_delay_seconds|delay)=\d+", r"\1=0", RECIPES[name])
    names = {"__name__": "recipe"}
    exec(compile(text, f"{name}.py", "exec", dont_inherit=True), names)
    return names


def ends(server):
    """How many runs of each day have ended in each way; nothing may be doubled."""
    assert verify_history(server.history) == []
    runs = server.state.executions.values()
    return Counter((run.parameters["day"], server.status(run.execution_id)) for run in runs)


def test_the_page_has_both_recipes_and_no_other_code():
    assert set(RECIPES) == {"prefect", "dagster"}
    assert all(30 <= len(text.splitlines()) <= 40 for text in RECIPES.values())


DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]


async def test_prefect_retries_only_what_did_not_complete(server, prefect_server):
    job_id = server.create_job("stock_import")
    server.script(job_id, ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"])
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    found = await recipe("prefect")["backfill"]("stock_import", DAYS)
    assert found == dict.fromkeys(DAYS, "COMPLETED")
    counts = ends(server)
    assert [counts[day, "COMPLETED"] for day in DAYS] == [1, 1, 1]
    assert sum(counts.values()) == 4


def test_dagster_retries_a_run_that_failed_and_finds_one_whose_answer_was_lost(server):
    job_id = server.create_job("stock_import")
    server.script(job_id, ["FAILED", "COMPLETED"])
    server.faults.add("reset", operation="executeJob", when="after", count=1)
    done = dagster.materialize([recipe("dagster")["stock"]], partition_key=DAYS[0])
    assert done.success
    (made,) = done.asset_materializations_for_node("stock")
    assert made.metadata["run"].value == list(server.state.executions)[1]
    assert ends(server) == {(DAYS[0], "FAILED"): 1, (DAYS[0], "COMPLETED"): 1}


JOB = """
def job():
    job = dagster.define_asset_job("stock_job", "stock", executor_def=dagster.in_process_executor)
    return dagster.Definitions([stock], jobs=[job]).get_job_def("stock_job")
"""


def test_a_dagster_run_that_is_executed_again_takes_up_its_journal(server, tmp_path, monkeypatch):
    server.create_job("stock_import")
    tmp_path.joinpath("recipe.py").write_text(RECIPES["dagster"] + JOB, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    job = dagster.reconstructable(import_module("recipe").job)
    tags = {"dagster/partition": DAYS[0]}
    with dagster.DagsterInstance.local_temp(str(tmp_path)) as instance:
        first = dagster.execute_job(job, instance, tags=tags)
        options = dagster.ReexecutionOptions(parent_run_id=first.run_id)
        again = dagster.execute_job(job, instance, tags=tags, reexecution_options=options)
        assert (first.success, again.success, again.run_id != first.run_id) == (True, True, True)
    assert ends(server) == {(DAYS[0], "COMPLETED"): 1}
