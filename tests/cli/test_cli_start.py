"""The command as a whole."""

import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dataflow_async import __version__
from dataflow_async.cli.app import ORDER, app
from tests.cli.process import ROOT, environment


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from dataflow_async.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"dataflow-async: {missing} is not installed; install dataflow-async[cli]\n"


def test_other_missing_modules_are_not_blamed_on_the_extra():
    code = "import sys; sys.modules['aiohttp.web'] = None; from dataflow_async.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "emulator", "--port", "0"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"dataflow-async {__version__}\n")


@pytest.mark.parametrize("command", [(), ("demo",), ("emulator",), ("journal",)])
def test_help_fits_80_columns(command):
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="dataflow-async", env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert result.output.startswith("Usage: dataflow-async ")
    assert max(map(len, result.output.splitlines())) <= 80
    assert "\x1b" not in result.output


def test_help_of_every_command_fits_and_each_summary_is_whole():
    def walk(group, *before):
        for name, command in group.commands.items():
            yield (*before, name)
            if hasattr(command, "commands"):
                yield from walk(command, *before, name)

    for words in ((), *walk(get_command(app))):
        output = CliRunner().invoke(app, [*words, "-h"], env={"COLUMNS": "80"}).output
        assert "..." not in output.partition("Commands:")[2], words
        assert max(map(len, output.splitlines())) <= 80, words


def test_help_begins_with_the_work_of_a_day():
    output = CliRunner().invoke(app, ["-h"]).output
    shown = re.findall(r"^  ([a-z]+) {2,}[A-Z]", output, re.MULTILINE)
    assert shown == list(ORDER)
    assert set(ORDER) == get_command(app).commands.keys()
