"""``dataflow-async jobs``: what it prints in each form, what it sends, how it ends."""

import csv
import io
import json

import pytest
import yaml

from tests.cli.shell import data, invoke

CANVAS = [
    {
        "id": 1,
        "type": "SOURCE_OBS",
        "name": "orders",
        "parentNodeIds": [],
        "regionNo": "1",
        "bucketName": "b",
        "prefix": "orders/",
        "dataType": "CSV",
        "fieldList": [],
    },
]


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.fixture
def job_id(emulator):
    return emulator.create_job("stock_import")


# --- names and ids -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_job_is_shown_by_id_and_by_name(job_id, by):
    assert data("jobs", "show", {"id": job_id, "name": "stock_import"}[by])["jobId"] == job_id


def test_a_name_that_two_jobs_have_is_listed_with_their_ids(emulator):
    ids = [emulator.create_job("twin"), emulator.create_job("twin")]
    result = invoke("jobs", "show", "twin", code=2)
    assert all(it in result.stderr for it in ids)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_job_named_like_an_id_is_found(emulator):
    job_id = emulator.create_job("abcdefghijkl")
    assert data("jobs", "show", "abcdefghijkl")["jobId"] == job_id


def test_a_name_that_nothing_has_suggests_the_nearest(job_id):
    result = invoke("jobs", "show", "stock_imports", code=7)
    assert result.stderr == "no job has the id or name stock_imports; did you mean stock_import?\n"


# --- forms of output -----------------------------------------------------------------------------------------


def test_a_list_in_each_form(job_id):
    table = invoke("jobs", "list").stdout
    assert table.split()[:3] == ["id", "name", "type"]
    assert job_id in table
    (row,) = data("jobs", "list")
    assert (row["jobId"], row["name"], row["type"]) == (job_id, "stock_import", "SCRIPT")
    assert row["createdDate"].endswith("+09:00")
    assert json.loads(invoke("jobs", "list", "-o", "jsonl").stdout) == row
    assert yaml.safe_load(invoke("jobs", "list", "-o", "yaml").stdout) == [row]
    (cells,) = csv.DictReader(io.StringIO(invoke("jobs", "list", "-o", "csv").stdout))
    assert (cells["jobId"], cells["createdDate"]) == (job_id, row["createdDate"])


def test_an_empty_list_is_empty_data():
    assert data("jobs", "list") == []
    assert invoke("jobs", "list", "-o", "jsonl").stdout == ""
    assert invoke("jobs", "list", "-o", "csv").stdout.count("\n") == 1
    result = invoke("jobs", "list")
    assert (result.stdout, result.stderr) == ("", "none\n")


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        ("[].name", "stock_import\n"),
        ("[0].name", "stock_import\n"),
        ("[0].disabled", "false\n"),
        ("[].{n: name, t: type}", "n             t\nstock_import  SCRIPT\n"),
        ("[?name == 'x']", ""),
    ],
)
def test_a_query_prints_what_it_finds(job_id, query, printed):
    assert invoke("jobs", "list", "--query", query).stdout == printed


def test_a_query_that_is_none_is_a_usage_error():
    assert "--query" in invoke("jobs", "list", "--query", "[", code=2).stderr


def test_limit_and_name_narrow_a_list(emulator):
    for name in ("orders_a", "orders_b", "stock"):
        emulator.create_job(name)
    assert {job["name"] for job in data("jobs", "list", "--name", "orders")} == {"orders_a", "orders_b"}
    assert len(data("jobs", "list", "--limit", 2)) == 2


# --- changes -------------------------------------------------------------------------------------------------


def test_a_script_job_is_created_with_its_settings(emulator):
    made = data(
        *("jobs", "create", "stock_import", "-p", "day=2026-01-01", "-p", "eq=a=b", "--workers", 4),
        *("--time-limit", 60, "--script-path", "b/s.py", "--log-path", "b/logs/", "--role", "nrn:x"),
    )
    job = emulator.state.jobs[made["jobId"]]
    assert job.type == "SCRIPT"
    assert job.condition == {
        "numWorker": 4,
        "timeout": 60,
        "nrn": "nrn:x",
        "scriptPath": "b/s.py",
        "logPath": "b/logs/",
        "parameters": {"day": "2026-01-01", "eq": "a=b"},
    }


@pytest.mark.parametrize("form", ["json", "yaml", "job", "stdin"])
def test_a_visual_job_is_created_from_its_nodes(emulator, tmp_path, form):
    path = tmp_path / f"nodes.{'yaml' if form == 'yaml' else 'json'}"
    path.write_text(
        {"yaml": yaml.safe_dump}.get(form, json.dumps)({"nodes": CANVAS} if form == "job" else CANVAS)
    )
    words = ("--nodes", "-" if form == "stdin" else path)
    made = data("jobs", "create", "orders_rollup", *words, stdin=json.dumps(CANVAS))
    job = emulator.state.jobs[made["jobId"]]
    assert job.type == "VISUAL"
    assert [node["name"] for node in job.nodes] == ["orders"]
    assert invoke("jobs", "verify", "orders_rollup", "--nodes", path).stdout.split() == [
        *("name", "orders_rollup", "usable", "yes")
    ]


def test_the_nodes_of_a_job_make_another(emulator, tmp_path):
    path = tmp_path / "nodes.json"
    unknown = {"id": 2, "type": "TARGET_NEW", "name": "rollup", "parentNodeIds": [1], "more": {"x": None}}
    path.write_text(json.dumps(CANVAS))
    invoke("jobs", "create", "orders_rollup", "--nodes", path)
    (job,) = emulator.state.jobs.values()
    job.nodes.append(unknown)
    text = invoke("jobs", "show", "orders_rollup", "-o", "json").stdout
    assert json.loads(text)["nodes"] == [*CANVAS, unknown]
    path.write_text(text)
    sent = invoke(
        "jobs", "create", "second", "--nodes", path, "--dry-run", "--query", "body.nodes", "-o", "json"
    )
    assert json.loads(sent.stdout) == [*CANVAS, unknown]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-p", "day"), "-p: NAME=VALUE is needed, got day"),
        (("-p", "a=1", "-p", "a=2"), "-p: a is given twice"),
        (("--workers", "99"), "2 to 10"),
        (("--nodes", "no-such-file"), "no-such-file: No such file"),
    ],
)
def test_a_setting_that_can_not_be_is_a_usage_error(emulator, words, says):
    result = invoke("jobs", "create", "stock_import", *words, code=2)
    assert says in result.stderr
    assert emulator.state.jobs == {}


def test_an_update_keeps_what_it_does_not_name(emulator, job_id):
    invoke("jobs", "update", "stock_import", "--name", "stock_import_2", "--workers", 5)
    job = emulator.state.jobs[job_id]
    assert (job.name, job.type, job.condition) == (
        "stock_import_2",
        "SCRIPT",
        {"numWorker": 5, "timeout": 360},
    )


def test_jobs_are_deleted(emulator, job_id):
    other = emulator.create_job("other")
    result = invoke("jobs", "delete", job_id, "other")
    assert emulator.state.jobs == {}
    assert result.stdout == ""
    assert result.stderr == f"deleted job stock_import ({job_id})\ndeleted job other ({other})\n"


# --- runs ----------------------------------------------------------------------------------------------------


def test_a_run_is_started_and_shown(emulator, job_id):
    run = data("jobs", "run", "stock_import", "-p", "day=2026-01-01", "--workers", 3)
    (execution,) = emulator.state.executions.values()
    assert run["jobExecutionId"] == execution.execution_id
    assert execution.parameters == {"day": "2026-01-01"}
    assert execution.condition["numWorker"] == 3


@pytest.mark.parametrize(("outcome", "code"), [("COMPLETED", 0), ("FAILED", 5), ("CANCELED", 5)])
def test_a_wait_shows_states_and_ends_with_the_code_of_the_run(emulator, job_id, outcome, code):
    emulator.script(job_id, [outcome])
    result = invoke("jobs", "run", job_id, "--wait", "-o", "json", code=code)
    run = json.loads(result.stdout)
    assert run["status"] == outcome
    assert f"{run['jobExecutionId']}  {outcome}" in result.stderr
    assert (f"of job stock_import ended {outcome}" in result.stderr) == (code == 5)


def test_a_wait_that_times_out_says_how_to_go_on(emulator, job_id):
    emulator.script(job_id, [("COMPLETED", 36_000)])
    result = invoke("jobs", "run", job_id, "--wait", "--timeout", "0.1", code=124)
    (run,) = emulator.state.executions
    assert result.stderr.endswith(f"; wait for it again: dataflow-async executions wait {job_id} {run}\n")


@pytest.mark.dataflow(faults="executeJob reset after")
def test_a_launch_whose_answer_is_lost_is_uncertain(emulator, job_id):
    result = invoke("jobs", "run", job_id, code=6)
    assert "may have" in result.stderr
    assert len(emulator.state.executions) == 1


# --- dry runs and questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "request_", "body"),
    [
        (
            ("jobs", "run", "stock_import", "-p", "day=1"),
            "POST {url}/api/v1/jobs/{job}/executions",
            {"jobCondition": {"parameters": {"day": "1"}}},
        ),
        (("jobs", "delete", "stock_import"), "DELETE {url}/api/v1/jobs/{job}", None),
        (("jobs", "create", "orders"), "POST {url}/api/v1/jobs", {"name": "orders", "type": "SCRIPT"}),
        (
            ("jobs", "update", "stock_import", "--name", "orders"),
            "PATCH {url}/api/v1/jobs/{job}",
            {"name": "orders", "type": "SCRIPT"},
        ),
    ],
)
def test_a_dry_run_prints_the_request_and_sends_nothing(emulator, job_id, words, request_, body):
    result = invoke(*words, "--dry-run")
    head, _, text = result.stdout.partition("\n\n")
    line, *headers = head.split("\n")
    assert line.strip() == request_.format(url=emulator.url, job=job_id)
    assert (json.loads(text) if text else None) == body
    assert not any("ncp-apigw" in it.lower() for it in headers)
    assert result.stderr == "dry run: nothing was sent\n"
    assert list(emulator.state.jobs) == [job_id]
    assert emulator.state.executions == {}


@pytest.mark.parametrize("words", [("jobs", "delete", "stock_import"), ("jobs", "run", "stock_import")])
def test_on_a_real_account_nobody_to_ask_is_a_no(emulator, job_id, monkeypatch, words):
    monkeypatch.setattr("dataflow_async.cli.context.LOOPBACK", frozenset())
    result = invoke(*words, code=2)
    assert f"stock_import ({job_id})" in result.stderr
    assert f"on {emulator.url} with access key EMUL..." in result.stderr
    assert "--yes" in result.stderr
    invoke(*words, "--yes")
    assert bool(emulator.state.executions) or not emulator.state.jobs


# --- texts of the service are data ---------------------------------------------------------------------------


HOSTILE = "=cmd|' /C'!A1 [red]x[/red] \x1b[2J\u202e\n"


def test_names_of_the_service_are_escaped(emulator, job_id):
    emulator.state.jobs[job_id].name = HOSTILE
    for form in ("table", "json", "jsonl", "yaml", "csv"):
        printed = invoke("jobs", "list", "-o", form).stdout
        assert "\x1b" not in printed
        assert "\u202e" not in printed
        assert "[red]x[/red]" in printed
    assert r"\x1b[2J\u202e\n" in invoke("jobs", "list").stdout
    assert data("jobs", "list")[0]["name"] == HOSTILE
    (cells,) = csv.DictReader(io.StringIO(invoke("jobs", "list", "-o", "csv").stdout))
    assert cells["name"].startswith("'=cmd")


def test_double_width_lines_up(emulator):
    from rich.cells import cell_len

    for number, name in enumerate(("일별_매출_집계", "orders", "재고")):
        emulator.state.jobs[emulator.create_job(f"job_{number}")].name = name
    lines = invoke("jobs", "list").stdout.splitlines()
    columns = {
        cell_len(line[: line.index(word)])
        for line, word in zip(lines, ["type", *["SCRIPT"] * 3], strict=True)
    }
    assert len(columns) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "run", "x", "--timeout", "3"),
        ("executions", "rerun", "x", "last", "--cancel-on-timeout"),
        ("workflows", "run", "x", "--timeout", "3"),
    ],
)
def test_options_of_a_wait_need_the_wait(words):
    assert invoke(*words, code=2).stderr == "--timeout and --cancel-on-timeout need --wait\n"


def test_a_run_whose_data_is_lost_is_named_all_the_same(emulator):
    job_id = emulator.create_job("paid")
    result = invoke("jobs", "run", "paid", "-o", "json", "--query", "length(workerCount || `1`)", code=1)
    (run,) = emulator.state.executions
    started, refused = result.stderr.splitlines()
    assert started == (
        f"run {run} of job paid ({job_id}) is started; wait for it: dataflow-async executions wait {job_id} {run}"
    )
    assert refused.startswith("--query: ")


def test_an_update_of_nothing_is_a_usage_error(emulator, job_id):
    assert "nothing to change" in invoke("jobs", "update", "stock_import", code=2).stderr
