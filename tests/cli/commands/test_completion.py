"""``dataflow-async completion``: a script for each shell, and what it is answered."""

import subprocess
import sys

import pytest

from tests.cli.process import ROOT, environment
from tests.cli.shell import invoke


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_gets_its_script(shell):
    assert "_DATAFLOW_ASYNC_COMPLETE" in invoke("completion", shell).stdout


def test_another_shell_is_a_usage_error():
    assert "bash, zsh, fish, powershell" in invoke("completion", "tcsh", code=2).stderr


@pytest.mark.parametrize(
    ("line", "words"), [("jobs ", {"list", "run"}), ("jobs list -", {"--output", "--name"})]
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
