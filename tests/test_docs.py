"""Documentation keeps its word: every code block runs, tables are complete, links lead somewhere, pages build strictly."""

import ast
import asyncio
import configparser
import inspect
import os
import pkgutil
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.main import get_command

import dataflow_async
from dataflow_async import DataFlow, PollPolicy
from dataflow_async.cli.app import app
from dataflow_async.cli.exit_codes import ExitCode
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.faults.kinds import KINDS
from dataflow_async.profile_file import read_profiles
from dataflow_async.wire.operation import OPERATIONS
from tests.support.markdown import ROOT, blocks

PAGES = ROOT / "docs" / "pages"
FILES = [
    ROOT / "README.md",
    ROOT / "README.ko.md",
    ROOT / "benchmarks" / "README.md",
    *sorted(PAGES.rglob("*.md")),
]
BLOCKS = {str(block): block for path in FILES for block in blocks(path)}
FASTER = {"speed": 1000, "min_interval": 0.02}
"""What examples say of time, sped up."""
SHOWN = {"text", "mermaid", "{toctree}", "{eval-rst}", "{glossary}"}
"""What is no code: output, and what Sphinx reads."""
ELSEWHERE = {
    "airflow": "tests/airflow/test_airflow_guide.py",
    "prefect": "tests/recipes/test_recipes.py",
    "dagster": "tests/recipes/test_recipes.py",
}
"""Notes of blocks that run where what they import is installed: the tests that run all of them, in stages of their own."""
BIN = Path(sys.executable).parent


def docstring_blocks():
    """The examples in docstrings; each stands in the names of its page: a server, a job."""
    for path in sorted((ROOT / "dataflow_async").rglob("*.py")):
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)) if "```python" in source else ():
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                for number, found in enumerate(
                    re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
                ):
                    name = getattr(node, "name", "module")
                    yield pytest.param(found, id=f"{path.relative_to(ROOT)}-{name}-{number}")


def of(language, *notes):
    """Parameters: the blocks of a language with one of these notes; whole Python files apart.

    In the quick suite, three blocks of commands a page: each command is a process that loads everything anew.
    """
    chosen = [
        pytest.param(block, marks=[pytest.mark.slow] if language == "bash" and block.number > 3 else [])
        for block in BLOCKS.values()
        if block.language == language and block.note in notes and not file_name(block)
    ]
    return pytest.mark.parametrize("block", chosen, ids=str)


def file_name(block):
    named = re.match(r"# (\w+\.py)\n", block.text)
    return named[1] if named else None


def after(block):
    return BLOCKS.get(str(block._replace(number=block.number + 1)))


@pytest.fixture
async def job_id(monkeypatch, tmp_path):
    """A job at an emulator that the environment leads to, and an empty folder to work in; polls come quickly."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PollPolicy.__init__.__kwdefaults__, "min_interval", 0.02)
    async with Emulator(speed=1000) as server:
        monkeypatch.setenv("NCLOUD_DATAFLOW_URL", server.url)
        monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", server.secret_key)
        yield server.create_job("stock_import")


# --- code blocks -------------------------------------------------------------------------------------------


def test_every_language_is_run_or_read_by_a_test():
    run = {"python", "bash", "powershell", "ini"}
    assert {block.language for block in BLOCKS.values()} <= run | SHOWN
    assert {block.note for block in BLOCKS.values()} <= {
        "",
        "prints",
        "ci",
        "serves",
        *ELSEWHERE,
        "run: demo",
        "run: tests",
    }


@pytest.mark.parametrize("note", ELSEWHERE)
def test_blocks_that_run_elsewhere_are_run_there_and_are_python_here(note):
    chosen = [block for block in BLOCKS.values() if block.note == note]
    tests = (ROOT / ELSEWHERE[note]).read_text("utf-8")
    assert chosen
    assert {block.path.name for block in chosen} == {next(it.path.name for it in chosen)}
    assert chosen[0].path.name in tests
    assert str(Path(ELSEWHERE[note]).parent) in (ROOT / ".ci" / "run").read_text("utf-8")
    for block in chosen:
        if block.language == "python":
            compile(block.text, str(block), "exec")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_block_stands_where_it_would_not_run(path):
    text = path.read_text("utf-8")
    fences = re.findall(r"^[ >*-]*(?:```|~~~).*$", text, re.MULTILINE)
    assert fences == [line for block in blocks(path) for line in (f"```{block.language}", "```")]


@pytest.mark.parametrize("text", [*docstring_blocks()])
async def test_an_example_in_a_docstring_runs(text, job_id):
    from dataflow_async.emulator import ScriptedRun

    async with Emulator(speed=1000) as server:
        names = {"Emulator": Emulator, "ScriptedRun": ScriptedRun, "server": server}
        names["job_id"] = server.create_job("orders_rollup")
        done = eval(compile(text, "docstring", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.iscoroutine(done):
            await done


def test_each_fence_in_a_docstring_is_an_example():
    source = [path.read_text("utf-8") for path in (ROOT / "dataflow_async").rglob("*.py")]
    assert sum(text.count("```") for text in source) == 2 * len([*docstring_blocks()])


@of("python", "")
async def test_a_python_block_runs_as_it_stands(block, job_id, capsys):
    names = {"job_id": job_id, "DataFlow": DataFlow, "__name__": "documentation"}
    text = re.sub(r"^asyncio\.run\((.*)\)$", r"await \1", block.text, flags=re.MULTILINE)
    text = re.sub(r"\b(speed|min_interval)=[\d.]+", lambda it: f"{it[1]}={FASTER[it[1]]}", text)
    code = compile(text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = eval(code, names)
    if inspect.iscoroutine(done):
        await done
    printed = capsys.readouterr().out
    if (expected := after(block)) and expected.note == "prints":
        assert printed == expected.text


@of("bash", "")
async def test_a_shell_block_runs_as_it_stands(block, job_id, tmp_path):
    checkout = "/bin/python -m pytest" in block.text
    if "-m venv" in block.text:
        assert block.text in {it.text for it in BLOCKS.values() if it.note.startswith("run: ")}
        return
    child = await asyncio.create_subprocess_exec(
        *("bash", "-euc", block.text.replace(".venv/bin/", f"{BIN}/")),
        cwd=ROOT if checkout else tmp_path,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "JOB_ID": job_id},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await child.communicate()
    assert child.returncode == 0, out.decode()


@of("bash", "serves")
def test_a_server_serves_until_it_is_stopped(block):
    command = re.sub(r"--port \d+", "--port 0", block.text)
    with subprocess.Popen(
        [f"{BIN}/{command.split()[0]}", *command.split()[1:]], stdout=subprocess.PIPE, text=True
    ) as child:
        assert "Ctrl-C stops it" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        child.communicate()


@of("bash", "ci")
def test_ci_runs_the_commands_for_contributors(block):
    ci = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    for line in block.text.splitlines():
        assert line in ci


@of("powershell", "")
def test_a_powershell_block_is_the_posix_one_before_it(block):
    before = BLOCKS[str(block._replace(number=block.number - 1))]
    assert before.language == "bash"
    posix = (
        block.text.replace("py -3 ", "python3 ")
        .replace("; ", " && ")
        .replace(".venv\\Scripts\\", ".venv/bin/")
    )
    assert posix == before.text


@of("mermaid", "")
def test_a_diagram_is_that_of_the_pipeline_before_it(block):
    before = [BLOCKS[f"{block.path.relative_to(ROOT)}-{number}"] for number in range(block.number - 1, 0, -1)]
    code = next(it.text for it in before if "Pipeline(" in it.text)
    names = {}
    exec(code[: code.index("async with")], names)
    assert block.text == names["p"].to_mermaid()


SVG = runpy.run_path(str(ROOT / "docs" / "diagrams.py"))["svg"]


@of("mermaid", "")
def test_pages_show_a_diagram_as_a_drawing_of_all_steps_and_arrows(block):
    drawing = ET.fromstring(SVG(block.text))
    labels = [it.text for it in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert labels == re.findall(r'"(.*)"', block.text)
    heads = [it for it in drawing.iter("{http://www.w3.org/2000/svg}path") if it.get("class") == "arrow"]
    assert len(heads) == block.text.count(" --> ")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script", SVG(block.text))


def test_a_label_is_shown_as_text_and_what_no_pipeline_writes_is_refused():
    drawing = SVG('flowchart LR\n    n0["#60;b#62;#38;#34;"]\n')
    assert "&lt;b&gt;&amp;&quot;" in drawing
    ET.fromstring(drawing)
    for text in ("graph TD\n", 'flowchart LR\n    n0["a"]\n    click n0 "https://x"\n'):
        with pytest.raises(ValueError, match="diagram must be"):
            SVG(text)


@of("ini", "")
def test_a_profile_file_is_read(block):
    wanted = configparser.ConfigParser(default_section="none")
    wanted.read_string(block.text)
    profiles = read_profiles(block.text.encode())
    assert list(profiles) == wanted.sections()
    for name, settings in profiles.items():
        assert settings == {key: value.strip('"') for key, value in wanted[name].items()}


@pytest.mark.parametrize("page", sorted({block.path for block in BLOCKS.values() if file_name(block)}))
def test_an_app_passes_its_tests_as_they_stand(page, pytester):
    files = {name: block.text for block in blocks(page) if (name := file_name(block))}
    for name, text in files.items():
        pytester.path.joinpath(name).write_text(text, "utf-8")
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "pythonpath = .\nfilterwarnings = error"
    )
    result = pytester.runpytest_subprocess("-p", "no:schemathesis")  # takes seconds to load
    assert result.parseoutcomes() == {"passed": files["test_app.py"].count("async def test_")}


# --- tables and lists --------------------------------------------------------------------------------------


def page(name):
    return (PAGES / name).read_text("utf-8")


def table(text, head):
    return text[text.index(head) :].partition("\n\n")[0]


def test_the_table_has_every_call_and_only_methods_that_exist():
    rows = re.findall(r"^\| (`flow\.[^|]+) \| (\w+) \|", page("reference/calls.md"), re.MULTILINE)
    assert sorted(name for _, name in rows) == sorted(operation.name for operation in OPERATIONS)
    flow = DataFlow()
    for cell, _ in rows:
        resource = getattr(flow, cell.split(".")[1])
        for method, arguments in re.findall(r"(\w+)\(([^)]*)\)", cell):
            known = inspect.signature(getattr(resource, method)).parameters
            for argument in filter(None, re.split(r",\s*", arguments)):
                assert argument.rstrip("=") in known, (method, argument)


def test_the_tables_of_the_emulator_have_every_fault_and_every_option():
    kinds = table(page("guides/faults.md"), "| fault in | kinds |")
    assert sorted(re.findall(r"`([^`]+)`", kinds)) == sorted(KINDS)
    options = table(page("guides/testing.md"), "| option of `dataflow-async emulator` |")
    told = set(re.findall(r"--[a-z][a-z-]+", options)) - {"--help"}
    command = next(it for it in get_command(app).commands.values() if it.name == "emulator")
    assert told == {parameter.opts[0] for parameter in command.params}


def commands(group, *before):
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from commands(command, *before, name)
        else:
            yield " ".join((*before, name))


def test_the_page_of_the_command_line_has_every_command_and_exit_code():
    text = page("reference/cli.md")
    rows = table(text, "| command | what it does |")
    named = re.findall(r"`(?:dataflow-async )?([a-z]+(?: [a-z]+)?)`", rows.partition("---")[2])
    assert sorted(named) == sorted(commands(get_command(app)))
    codes = re.findall(r"^\| (\d+) \|", table(text, "| exit code |"), re.MULTILINE)
    assert [int(code) for code in codes] == sorted(ExitCode)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_commands_that_pages_name_exist(path):
    for words in re.findall(r"`dataflow-async ([a-z][^`\n]*)`", path.read_text("utf-8")):
        command = get_command(app)
        for word in words.split():
            if not hasattr(command, "commands") or word.startswith("-"):
                break
            assert word in command.commands, words
            command = command.commands[word]


def test_the_tables_of_bulk_runs_have_every_argument():
    told = set(
        re.findall(r"^\| `(\w+)=", table(page("guides/bulk.md"), "| argument | meaning |"), re.MULTILINE)
    )
    assert told == set(inspect.signature(DataFlow.run_all).parameters) - {"self", "launches"}


@pytest.mark.parametrize(
    ("where", "policy"), [("guides/retries.md", "RetryPolicy"), ("guides/polling.md", "PollPolicy")]
)
def test_the_tables_of_policies_have_every_setting(where, policy):
    told = set(re.findall(rf"^\| `(?:{policy}\()?(\w+)(?:=\))?` \|", page(where), re.MULTILINE))
    assert set(inspect.signature(getattr(dataflow_async, policy)).parameters) <= told


def test_the_error_tree_is_the_real_one():
    tree = next(block.text for block in blocks(PAGES / "reference" / "errors.md") if block.language == "text")
    real = {
        name
        for name in dataflow_async.__all__
        if isinstance(kind := getattr(dataflow_async, name), type) and issubclass(kind, Exception)
    }
    assert set(re.findall(r"\b[A-Z][A-Za-z]+\b", tree)) & set(dataflow_async.__all__) == real


def test_the_reference_has_every_public_name():
    text = "".join(path.read_text("utf-8") for path in (PAGES / "reference").glob("*.md"))
    documented = {name.rpartition(".")[2] for name in re.findall(r"auto(?:class|data):: ([\w.]+)", text)}
    modules = set(re.findall(r"automodule:: ([\w.]+)", text))
    for name in set(dataflow_async.__all__) - {"__version__"} - documented:
        assert getattr(dataflow_async, name).__module__ in modules, name


def test_architecture_names_files_that_exist_and_all_packages():
    text = page("architecture.md")
    package = ROOT / "dataflow_async"
    for name in re.findall(r"`((?:\w+/)+(?:\w+\.py)?|\w+\.py)`", text):
        assert (
            list(package.rglob(name))
            if "/" not in name
            else (package / name).exists() or (ROOT / name).exists()
        ), name
    packages = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {name for name in packages if f"`{name}" not in text} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_modules_that_pages_name_exist(path):
    text = path.read_text("utf-8")
    for name in re.findall(r"`((?:dataflow_async|tests|docs|benchmarks|\.ci)/[\w./-]*)`", text):
        assert name == "docs/_build" or (ROOT / name).exists(), name
    for name in re.findall(r"\bdataflow_async(?:\.\w+)+", text):
        if name not in {"dataflow_async.git", "dataflow_async.db", "dataflow_async.finding"}:
            assert pkgutil.resolve_name(name) is not None


def test_messages_of_troubleshooting_exist():
    source = "".join(
        re.sub(r'"\s*(?:f?")', "", path.read_text("utf-8"))
        for path in (ROOT / "dataflow_async").rglob("*.py")
    )
    for row in re.findall(r"^\| (`.+?`) (?:with `.+?` )?\|", page("guides/troubleshooting.md"), re.MULTILINE):
        words = row.strip("`")
        if not words.startswith("HTTP "):
            assert words in source, words


def test_all_eleven_promises_have_a_target():
    assert re.findall(r"^\(promise-(\d+)\)=$", page("promises.md"), re.MULTILINE) == [
        str(n) for n in range(1, 12)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_anchors(path):
    notes = (ROOT / "dataflow_async" / "contract" / "notes.md").read_text("utf-8")
    for link in re.findall(r"\]\((?!http)([^)\s]+)\)", path.read_text("utf-8")):
        target, _, anchor = link.partition("#")
        assert not target or (path.parent / target).exists(), link
        if anchor.startswith("ruling-"):
            assert f'id="{anchor}"' in notes
        elif anchor and target:
            assert f"({anchor})=" in (path.parent / target).read_text("utf-8"), link


def test_a_docstring_links_to_a_row_of_the_contract_notes():
    conf = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    lines = ["Refused (contract/notes.md#ruling-15).", "See ``contract/notes.md#ruling-7``."]
    conf["_docstring"](None, "", "", None, None, lines)
    assert lines == [
        "Refused (`contract notes, ruling-15 <../contract.html#ruling-15>`__).",
        "See `contract notes, ruling-7 <../contract.html#ruling-7>`__.",
    ]


@pytest.mark.slow
def test_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    build = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-b",
        "html",
        "-c",
        "docs",
        "docs/pages",
        str(tmp_path / "html"),
    ]
    done = subprocess.run(
        [*build, "-d", str(tmp_path / "trees")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '<svg class="df"' in (tmp_path / "html" / "guides" / "authoring.html").read_text("utf-8")
    assert 'id="ruling-15"' in (tmp_path / "html" / "contract.html").read_text("utf-8")
    numbers = (tmp_path / "html" / "reference" / "defaults.html").read_text("utf-8")
    assert "Seconds per attempt: the gateway" in numbers
