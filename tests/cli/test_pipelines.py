"""Pipelines in files, and jobs shown as pipelines."""

import json

import pytest

from tests.cli.shell import data, invoke
from tests.pipeline.written import daily_orders


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "orders.py"
    path.write_text(daily_orders().to_python(), "utf-8")
    return path


def test_a_file_makes_a_job_that_reads_back_as_the_file(emulator, file):
    assert invoke("jobs", "verify", file).stdout.split() == ["name", "daily_orders", "usable", "yes"]
    made = data("jobs", "create", file)
    assert emulator.state.jobs[made["jobId"]].type == "VISUAL"
    shown = invoke("jobs", "show", "daily_orders", "--as", "python").stdout
    assert shown.strip() == file.read_text("utf-8").strip()
    assert (
        "pipeline daily_orders\n1 Object Storage 1"
        in invoke("jobs", "show", "daily_orders", "--as", "text").stdout
    )
    assert invoke("jobs", "show", "daily_orders", "--as", "mermaid").stdout.startswith("flowchart LR\n")


def test_nothing_is_sent_by_a_dry_run(emulator, file):
    sent = invoke("jobs", "create", file, "--dry-run", "-o", "json").stdout
    assert json.loads(sent)["body"]["name"] == "daily_orders"
    assert emulator.state.jobs == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must make one Pipeline as a global name, got 0"),
        (
            "from dataflow_async.pipeline import Pipeline\na, b = Pipeline('abc'), Pipeline('abc')",
            "must make one Pipeline as a global name, got 2",
        ),
        (
            "from dataflow_async.pipeline import Pipeline\np = Pipeline('x')",
            "orders.py:2: name must be 3 to 100",
        ),
        ("\nimport nothing_of_that_name", "orders.py:2: ModuleNotFoundError: No module named 'nothing_of"),
        ("x = 1\ndef (", "orders.py:2: SyntaxError: "),
    ],
)
def test_a_file_without_one_pipeline_is_refused(file, text, words):
    file.write_text(text)
    assert words in invoke("jobs", "verify", file, code=2).stderr


def test_a_file_may_import_modules_beside_it(file):
    file.rename(file.with_name("made_elsewhere.py"))
    file.write_text("from made_elsewhere import p\n")
    assert "daily_orders" in invoke("jobs", "verify", file).stdout


def test_a_file_that_is_missing_and_a_file_beside_nodes_are_refused(file):
    assert "no such file" in invoke("jobs", "create", "missing.py", code=2).stderr
    assert "exclude each other" in invoke("jobs", "create", file, "--nodes", file, code=2).stderr
    assert "--nodes FILE is needed" in invoke("jobs", "verify", "abc", code=2).stderr


def test_a_job_without_a_pipeline_is_shown_as_its_name(emulator):
    emulator.create_job("stock_import")
    assert invoke("jobs", "show", "stock_import", "--as", "text").stdout == "pipeline stock_import\n"
