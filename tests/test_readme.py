"""README keeps its word: every code block runs, every call is in the table, links lead somewhere."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from typer.main import get_command

from dataflow_async import DataFlow
from dataflow_async.cli.app import app
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.faults.kinds import KINDS
from dataflow_async.wire.operation import OPERATIONS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
KOREAN = (ROOT / "README.ko.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FILES = {named[1]: block for block in BLOCKS if (named := re.match(r"# (\w+\.py)\n", block))}
"""Blocks that are whole files, by name."""
PYTHON = [block for block in BLOCKS if block not in FILES.values()]
SHELL = re.findall(r"^(<!-- run: \w+ -->)\n```bash\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", PYTHON, ids=[block.strip().splitlines()[0] for block in PYTHON])
async def test_a_python_block_runs_as_it_stands(block, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    async with Emulator(speed=1000) as server:
        monkeypatch.setenv("NCLOUD_DATAFLOW_URL", server.url)
        monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", server.credentials.access_key)
        monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", server.credentials.secret_key)
        async with server.client() as flow:
            job = await flow.jobs.create("stock_import", type="SCRIPT")
        names = {"job_id": job.job_id, "DataFlow": DataFlow, "__name__": "readme"}
        whole_program = "asyncio.run(" in block
        block = re.sub(r"^asyncio\.run\((.*)\)$", r"await \1", block, flags=re.MULTILINE)
        code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        done = eval(code, names)
        if inspect.iscoroutine(done):
            await done
    printed = capsys.readouterr().out
    if whole_program:
        assert printed.count("COMPLETED") == 31
    if "journal=" in block:
        assert printed.count("COMPLETED False") == 30
        assert printed.endswith("{'COMPLETED': 30}\n")
    if "InvalidRequest" in block:
        assert printed.startswith("name: 3 to 100 ASCII letters, digits, '_' or '-'")
        assert printed.rstrip().endswith("are needed, got 'every dawn'")
    if "server.script" in block:
        assert printed.splitlines() == ["FAILED", "True", "2 []"]
        assert Emulator.load("state.json").state.executions
    if "flow.watch" in block:
        assert printed.splitlines()[-1] == "COMPLETED"


def test_the_app_passes_its_tests_as_they_stand(pytester):
    assert list(FILES) == ["app.py", "test_app.py"]
    for name, text in FILES.items():
        pytester.path.joinpath(name).write_text(text, "utf-8")
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "pythonpath = .\nfilterwarnings = error"
    )
    result = pytester.runpytest_subprocess()
    assert result.parseoutcomes() == {"passed": FILES["test_app.py"].count("async def test_")}


def test_the_two_commands_are_one_line_each_and_ci_runs_them():
    assert [marker for marker, _ in SHELL] == ["<!-- run: demo -->", "<!-- run: tests -->"]
    for _, command in SHELL:
        assert len(command.splitlines()) == 1
        assert command.startswith("python3 -m venv .venv && ")
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "readme_command demo" in ci
    assert "readme_command tests" in ci


def test_no_block_escapes_these_tests():
    blocks = re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)
    assert blocks.count("python") == len(BLOCKS)
    assert blocks.count("bash") == len(SHELL)
    assert set(blocks) == {"python", "bash", ""}  # "" opens the error tree, and closes all


def test_the_table_has_every_call_and_only_methods_that_exist():
    rows = re.findall(r"^\| (`flow\.[^|]+) \| (\w+) \|", TEXT, re.MULTILINE)
    assert sorted(name for _, name in rows) == sorted(operation.name for operation in OPERATIONS)
    flow = DataFlow()
    for cell, _ in rows:
        resource = getattr(flow, cell.split(".")[1])
        for method, arguments in re.findall(r"(\w+)\(([^)]*)\)", cell):
            known = inspect.signature(getattr(resource, method)).parameters
            for argument in filter(None, re.split(r",\s*", arguments)):
                assert argument.rstrip("=") in known, (method, argument)


def test_the_tables_of_the_emulator_have_every_kind_of_fault_and_every_option():
    table = TEXT[TEXT.index("| what goes wrong | kinds |") :].partition("\n\n")[0]
    assert sorted(re.findall(r"`([^`]+)`", table)) == sorted(KINDS)
    table = TEXT[TEXT.index("| option of `dataflow-async emulator` |") :].partition("\n\n")[0]
    told = set(re.findall(r"--[a-z][a-z-]+", table)) - {"--help"}
    command = next(it for it in get_command(app).commands.values() if it.name == "emulator")
    assert told == {parameter.opts[0] for parameter in command.params}


def test_the_error_tree_is_the_real_one():
    import dataflow_async

    tree = TEXT[TEXT.index("```\nDataFlowError") :]
    named = set(re.findall(r"\b[A-Z][A-Za-z]+\b", tree[: tree.index("\n```\n", 5)])) & set(
        dataflow_async.__all__
    )
    real = {
        name
        for name in dataflow_async.__all__
        if isinstance(kind := getattr(dataflow_async, name), type) and issubclass(kind, Exception)
    }
    assert named == real


def test_links_lead_to_files():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT + KOREAN):
        assert (ROOT / link).exists(), link


def test_what_the_korean_readme_shows_stands_here_too():
    shown = re.findall(r"^```\w+\n(.*?)^```", KOREAN, re.MULTILINE | re.DOTALL)
    assert len(shown) == 5
    for block in shown:
        assert f"\n{block}```" in TEXT


def test_the_package_ships_its_types_and_its_changelog_its_version():
    assert (ROOT / "dataflow_async" / "py.typed").exists()
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
