"""What mypy and pyright say about code that uses the package: nothing about right uses, something about each wrong one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
