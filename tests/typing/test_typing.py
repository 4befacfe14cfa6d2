"""What mypy and pyright say about right and wrong uses of the package, and what an editor suggests."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.language_server import LanguageServer

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USES = [HERE / "right.py", HERE / "wrong.py"]


def marked(path):
    """The lines that are marked as wrong."""
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    return {(path.name, number) for number, line in lines if "# wrong:" in line}


def output_of(*command):
    done = subprocess.run(
        [sys.executable, "-m", *command, *map(str, USES)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # it found errors, and did not fail itself
    return done.stdout


def test_mypy():
    told = output_of("mypy", "--strict", "--output=json", "--no-pretty")
    found = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert {
        (Path(error["file"]).name, error["line"]) for error in found if error["severity"] == "error"
    } == marked(USES[1]), told


@pytest.mark.slow
def test_pyright():
    told = output_of("pyright", "--outputjson", "--pythonpath", sys.executable)
    errors = [error for error in json.loads(told)["generalDiagnostics"] if error["severity"] == "error"]
    assert {(Path(error["file"]).name, error["range"]["start"]["line"] + 1) for error in errors} == marked(
        USES[1]
    ), told


BEFORE = """from dataflow_async import TriggerRule
from dataflow_async.pipeline import Pipeline, col
p = Pipeline("abc")
orders = p.mysql("c", "t", columns={"id": "int"})
"""
TRANSFORMS = {
    "define",
    "select",
    "join",
    "filter",
    "union",
    "aggregate",
    "rename",
    "drop_duplicates",
    "fill_missing",
}
TARGETS = {"to_object_storage", "to_mysql", "to_postgresql", "to_catalog"}
SUGGESTED = {
    "p.": {"object_storage", "mysql", "postgresql", "catalog", "sql", "step", "to_python", "to_mermaid", "explain"},
    "orders.": TRANSFORMS | TARGETS,
    "orders.filter(col('id') > 1).select('id').": TRANSFORMS | TARGETS,
    "orders.join(orders, on='id', prefix='o_').": TRANSFORMS | TARGETS,
    "p.step('once').": TRANSFORMS | TARGETS,
    "orders.join(orders, on='id', ": {"how=", "prefix=", "match=", "label="},
    "orders.join(orders, on='id', how=": {'"inner"', '"left"', '"right"', '"full"'},
    "orders.to_mysql('c', 't', mode=": {'"overwrite"', '"append"', '"ignore"'},
    "p.object_storage('b', prefix='', format=": {'"JSON"', '"CSV"', '"PARQUET"', '"NDJSON"'},
    "TriggerRule.": {"daily", "weekly", "monthly", "hourly", "once", "manual", "from_cron"},
}  # fmt: skip


@pytest.mark.slow
def test_an_editor_suggests_steps_and_their_words():
    with LanguageServer() as server:
        for text, names in SUGGESTED.items():
            assert names <= set(server.suggested(BEFORE + text)), text
        target = set(server.suggested(BEFORE + "orders.to_mysql('c', 't')."))
    assert "label" in target
    assert not target & (TRANSFORMS | TARGETS)
