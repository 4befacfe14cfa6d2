"""``dataflow-async workflows`` and what they are made of."""

import json

import pytest

from tests.cli.shell import data, invoke

SETTINGS = ("--role", "nrn:x", "--script-path", "b/s.py", "--log-path", "b/logs/")


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.fixture
def jobs():
    for name in ("load", "check"):
        invoke("jobs", "create", name, *SETTINGS)
    invoke("triggers", "create", "by_hand", "--manual")
    return ("--trigger", "by_hand", "--job", "load", "--job", "check")


@pytest.mark.parametrize("in_order", [True, False])
def test_a_workflow_is_made_of_a_trigger_and_jobs(emulator, jobs, in_order):
    made = data("workflows", "create", "nightly", *jobs, *["--in-order"] * in_order)
    nodes = emulator.state.workflows[made["workflowId"]].nodes
    parents = {node["name"]: node["parentNodeIds"] for node in nodes}
    ids = {node["name"]: node["id"] for node in nodes}
    assert parents == {
        "by_hand": [],
        "load": [ids["by_hand"]],
        "check": [ids["load" if in_order else "by_hand"]],
    }
    shown = invoke("workflows", "show", "nightly").stdout
    assert shown.splitlines()[-1].split(maxsplit=1)[1] == "trigger by_hand, job load, job check"
    assert [row["name"] for row in data("workflows", "list", "--name", "night")] == ["nightly"]
    assert data("workflows", "list", "--name", "day") == []


def test_a_workflow_is_made_of_nodes_of_another(emulator, jobs, tmp_path):
    invoke("workflows", "create", "nightly", *jobs)
    path = tmp_path / "nodes.json"
    path.write_text(invoke("workflows", "show", "nightly", "-o", "json").stdout)
    made = data("workflows", "create", "second", "--nodes", path)
    assert len(emulator.state.workflows[made["workflowId"]].nodes) == 3


@pytest.mark.parametrize(
    "words", [(), ("--trigger", "x"), ("--job", "x"), ("--trigger", "x", "--nodes", "f")]
)
def test_half_a_workflow_is_a_usage_error(words):
    assert (
        "give --trigger and --job, or --nodes" in invoke("workflows", "create", "w_1", *words, code=2).stderr
    )


def test_a_workflow_is_run_and_its_runs_are_listed(jobs):
    invoke("workflows", "create", "nightly", *jobs)
    receipt = invoke("workflows", "run", "nightly", "-o", "json")
    assert json.loads(receipt.stdout)["status"] == "ACCEPTED"
    runs = data("workflows", "run", "nightly", "--wait")
    assert [(run["jobName"], run["status"]) for run in runs] == [
        ("load", "COMPLETED"),
        ("check", "COMPLETED"),
    ]
    assert len(data("workflows", "executions", "nightly")) == 4


def test_a_failed_job_is_the_code_of_a_workflow(emulator, jobs):
    invoke("workflows", "create", "nightly", *jobs)
    load = next(it for it in emulator.state.jobs.values() if it.name == "load")
    emulator.script(load.job_id, ["FAILED"])
    result = invoke("workflows", "run", "nightly", "--wait", "-o", "json", code=5)
    assert {run["jobName"]: run["status"] for run in json.loads(result.stdout)} == {
        "load": "FAILED",
        "check": "COMPLETED",
    }


def test_what_failed_names_the_trigger(emulator, jobs):
    invoke("workflows", "create", "nightly", *jobs)
    load = next(it for it in emulator.state.jobs.values() if it.name == "load")
    emulator.script(load.job_id, ["FAILED"])
    invoke("workflows", "run", "nightly", "--wait", code=5)
    assert "  started   by trigger by_hand (" in invoke("executions", "failed").stdout


def test_workflows_are_deleted(emulator, jobs):
    invoke("workflows", "create", "nightly", *jobs)
    assert "nightly" in invoke("workflows", "delete", "nightly").stderr
    assert emulator.state.workflows == {}
    invoke("workflows", "delete", "nightly", code=7)


@pytest.mark.parametrize("from_file", [True, False])
def test_a_schedule_on_a_real_account_is_asked_about(emulator, jobs, tmp_path, monkeypatch, from_file):
    invoke("triggers", "create", "every_night", "--daily", "03:00")
    made_of = ("--trigger", "every_night", "--job", "load")
    if from_file:
        invoke("workflows", "create", "first_one", *made_of)
        path = tmp_path / "nodes.json"
        path.write_text(invoke("workflows", "show", "first_one", "-o", "json").stdout)
        made_of = ("--nodes", path)
    monkeypatch.setattr("dataflow_async.cli.context.LOOPBACK", frozenset())
    before = len(emulator.state.workflows)
    refused = invoke("workflows", "create", "nightly", *made_of, code=2).stderr
    assert "refused: create workflow nightly, whose schedule starts runs that cost money, on " in refused
    assert len(emulator.state.workflows) == before
    invoke("workflows", "create", "nightly", *made_of, "--yes")
    invoke("workflows", "create", "by_hand", *jobs)


def test_a_job_that_no_workflow_can_hold_comes_with_the_command_that_completes_it(emulator):
    job_id = data("jobs", "create", "bare_job", "--role", "nrn:x")["jobId"]
    invoke("triggers", "create", "by_hand", "--manual")
    result = invoke("workflows", "create", "nightly", "--trigger", "by_hand", "--job", "bare_job", code=2)
    assert result.stderr == (
        "job bare_job lacks settings that a workflow needs; store them:"
        f" dataflow-async jobs update {job_id} --script-path ... --log-path ...\n"
    )
