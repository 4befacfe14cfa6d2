"""``dataflow-async completion``: a script for each shell, and what it is answered."""

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from dataflow_async.cli.app import app
from tests.cli.process import ROOT, environment
from tests.cli.shell import invoke
from tests.support.examples import first_quick


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_gets_its_script(shell):
    assert "_DATAFLOW_ASYNC_COMPLETE" in invoke("completion", shell).stdout


def test_another_shell_is_a_usage_error():
    assert "bash, zsh, fish, powershell" in invoke("completion", "tcsh", code=2).stderr


@pytest.mark.parametrize(
    ("line", "words"), first_quick(("jobs ", {"list", "run"}), ("jobs list -", {"--output", "--name"}))
)
def test_commands_and_options_are_completed(line, words):
    line = f"dataflow-async {line}"
    asked = {
        "_DATAFLOW_ASYNC_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-m", "dataflow_async"],
        cwd=ROOT,
        env=environment(**asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert words <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("jobs show lo", ["load_orders"]),
        ("executions rerun lo", ["load_orders"]),
        ("bulk plan --job lo", ["load_orders"]),
        ("workflows create x --trigger ni", ["nightly"]),
        ("jobs delete --url http://127.0.0.1:1 lo", []),
    ],
)
@pytest.mark.slow
def test_names_are_completed(dataflow_emulator, monkeypatch, line, names):
    monkeypatch.setattr("dataflow_async.cli.commands.names.TIMEOUT", 60.0)
    dataflow_emulator.create_job("load_orders")
    invoke("triggers", "create", "nightly", "--manual")
    import_module("typer.completion").completion_init()
    asked = {
        "_DATAFLOW_ASYNC_COMPLETE": "complete_bash",
        "COMP_WORDS": f"dataflow-async {line}",
        "COMP_CWORD": str(line.count(" ") + 1),
    }
    result = CliRunner().invoke(app, [], prog_name="dataflow-async", env=asked)
    assert result.stdout.split() == names
