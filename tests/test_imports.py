"""Which module may import which: the import rules of the design, read from the source of every file."""

import ast
import functools
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dataflow_async
from tests.support.fresh_process import loaded_by, run

ROOT = Path(dataflow_async.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
NAMES = {path: path.relative_to(ROOT).as_posix() for path in FILES}


@functools.cache
def parsed(path):
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def nodes(path):
    return [*ast.walk(parsed(path))]


@functools.cache
def imports(path, *, lazy=True, typing=False):
    """Full names of all modules a file imports; ``lazy`` includes those inside functions."""
    tree = parsed(path)
    skipped = set()
    for node in ast.walk(tree):
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (is_typing and not typing) or (is_function and not lazy):
            skipped.update(id(inner) for statement in node.body for inner in ast.walk(statement))
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(names, *packages):
    return {
        name
        for name in names
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    }


def own(names):
    return {name.removeprefix("dataflow_async.") for name in within(names, "dataflow_async")} - {
        "dataflow_async"
    }


PACKAGES = {
    **{name: set() for name in ("_version", "defaults", "clock", "tasks", "profile_file")},
    "client": {
        *("bulk", "bulk.factory", "workflows", "polling", "resources", "transport", "wire", "models"),
        *("key_source", "credentials", "tasks", "clock", "errors", "defaults"),
    },
    "errors": set(),
    "run_errors": {"models", "errors"},
    "models": {"errors", "defaults"},
    "wire": {"models", "errors", "defaults"},
    "role_endpoint": {"defaults"},
    "credentials": {
        *("profile_file", "role_endpoint", "models", "transport"),
        *("tasks", "clock", "errors", "defaults"),
    },
    "key_source": {"credentials", "wire", "tasks", "clock", "errors", "defaults"},
    "transport": {"wire", "models", "tasks", "clock", "errors", "defaults", "_version"},
    "resources": {"transport", "wire", "models", "errors", "defaults"},
    "pipeline": {"models", "errors", "defaults"},
    "polling": {
        *("resources", "transport", "wire", "models"),
        *("tasks", "clock", "run_errors", "errors", "defaults"),
    },
    "workflows": {"polling", "resources", "wire", "models", "clock", "run_errors", "errors", "defaults"},
    "bulk": {
        *("bulk.launch_store", "bulk.launch_records", "bulk.digests", "bulk.journal", "bulk.reconcile"),
        *("polling", "transport", "wire", "models"),
        *("tasks", "clock", "run_errors", "errors", "defaults"),
    },
    "bulk.digests": {"wire", "models"},
    "bulk.launch_records": {"models"},
    "bulk.journal": {"bulk.launch_records", "resources", "wire", "models", "tasks", "errors", "defaults"},
    "bulk.factory": {
        *(
            "bulk",
            "bulk.launch_store",
            "bulk.journal",
            "bulk.reconcile",
            "bulk.run_reads",
            "resources",
            "polling",
            "transport",
            "wire",
            "models",
        ),
        *("clock", "errors", "defaults"),
    },
    "bulk.run_reads": {"resources", "transport", "wire", "models"},
    "bulk.launch_store": {"bulk.launch_records", "wire"},
    "bulk.reconcile": {
        *("bulk.launch_store", "bulk.launch_records", "bulk.digests", "polling", "wire", "models"),
        *("tasks", "clock", "errors", "defaults"),
    },
    "probe": {"transport", "wire", "key_source", "clock", "errors", "defaults", "_version"},
    "airflow": {
        *("client", "bulk", "bulk.launch_store", "bulk.launch_records", "bulk.digests", "bulk.reconcile"),
        *("workflows", "polling", "wire", "models", "credentials", "tasks", "clock"),
        *("resources", "key_source", "run_errors", "errors", "defaults", "_version"),
    },
    "emulator.defaults": set(),
    "emulator.service": {"emulator.defaults"},
    "emulator.api": {"emulator.defaults", "emulator.service"},
    "emulator.faults": {"emulator.defaults", "emulator.api", "emulator.service"},
    "emulator.audit": {"emulator.defaults", "emulator.api", "emulator.service"},
    "emulator.likeness": {
        *("emulator.defaults", "emulator.api", "emulator.faults", "emulator.service"),
    },
    "emulator.likeness_gaps": {"emulator.likeness"},
    "emulator.sample": {"emulator.defaults", "emulator.faults", "emulator.likeness", "emulator.service"},
    "emulator.core": {
        "emulator.defaults",
        "emulator.audit",
        "emulator.faults",
        "emulator.api",
        "emulator.service",
    },
    "emulator.http": {
        "emulator.defaults",
        "emulator.core",
        "emulator.faults",
        "emulator.api",
        "emulator.service",
    },
    "emulator.ui": {
        *(
            "emulator.defaults",
            "emulator.http",
            "emulator.api",
            "emulator.core",
            "emulator.audit",
            "emulator.faults",
            "emulator.service",
        ),
    },
}
"""What each package may import, the standard library and other packages apart; also inside functions, and for types."""
FRONTS = {"__init__", "__main__", "cli", "emulator", "pytest_plugin", "pytest_loops"}
"""What stands above all of them, with tests of its own below."""
PURE = ("wire", "models")
IMPURE = ("asyncio", "aiohttp", "yarl", "time", "random", "socket", "ssl", "threading", "logging", "os")


def package_of(name):
    """The package of a module as the table has it: a module of the top level, a package, or one of its sub-packages."""
    parts = name.split(".")
    inner = ".".join(parts[:2])
    return inner if inner in PACKAGES else parts[0]


def packages(names):
    return {package_of(name) for name in own(names)} - {"emulator"}


def files(*chosen_):
    chosen = [path for path in FILES if package_of(module(path)) in chosen_]
    assert chosen
    return chosen


def offenders(paths, refused):
    """The files that a rule refuses, each with the imports in question."""
    return {NAMES[path]: found for path in paths if (found := refused(path))}


def module(path):
    return NAMES[path].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module(path) for path in FILES}


def test_a_package_imports_what_the_table_allows():
    def refused(path):
        package = package_of(module(path))
        return packages(imports(path, typing=True)) - {package} - PACKAGES[package]

    assert offenders(files(*PACKAGES), refused) == {}


def test_each_package_has_a_row_in_the_table():
    assert {package_of(module(path)) for path in FILES} == set(PACKAGES) | FRONTS


def targets(path):
    """The modules of ours that a file imports anywhere, inside functions and for types too."""
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dataflow_async"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}".removeprefix("dataflow_async.")
                yield full if full in MODULES else full.rpartition(".")[0]


def test_the_emulator_has_no_import_circle():
    graph = {module(path): set(targets(path)) for path in FILES if NAMES[path].startswith("emulator/")}
    order = [*TopologicalSorter(graph).static_order()]
    assert (
        order.index("emulator.core") < order.index("emulator.http.server") < order.index("emulator.emulator")
    )


def layers(graph):
    """Sets of nodes, each of which imports from earlier sets only; what stands in a circle, or above one, is left over."""
    left = {node: set(known) & set(graph) - {node} for node, known in graph.items()}
    found = []
    while lowest := {node for node, known in left.items() if not known}:
        found.append(lowest)
        left = {node: known - lowest for node, known in left.items() if node not in lowest}
    return found, set(left)


def module_graph():
    """What each module imports, anywhere in its file; ``from package import module`` is an import of the module."""
    modules = {name.removesuffix("__init__") or "(package)": path for path in FILES if (name := module(path))}
    return {name: set(known_modules(path, modules)) for name, path in modules.items()}


def known_modules(path, modules):
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if own({name}) & set(modules) else node.module for name in inner]
        else:
            continue
        yield from own(names) & set(modules)


def test_no_module_imports_itself_in_a_circle_late_or_for_types():
    graph = module_graph()
    assert "bulk.journal.queries" in graph["bulk.journal.reader"]  # inside a function
    assert "bulk.launch_records" in graph["bulk.reconcile.absence"]  # for types
    assert layers(graph)[1] == set()


def test_no_package_imports_itself_in_a_circle(capsys):
    graph = {}
    for name, known in module_graph().items():
        graph.setdefault(package_of(name), set()).update(map(package_of, known))
    found, circle = layers(graph)
    assert circle == set()
    with capsys.disabled():
        print()
        for number, chosen_ in enumerate(found):
            print(f"layer {number}: {', '.join(sorted(chosen_))}")


@pytest.mark.parametrize("graph", [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"b"}}])
def test_a_circle_is_found(graph):
    assert {"a", "b"} <= layers(graph)[1]


def test_wire_and_models_are_pure():
    assert offenders(files(*PURE), lambda path: within(imports(path), *IMPURE)) == {}


def test_resources_do_no_work_of_their_own():
    work = ("asyncio", "aiohttp", "time", "random")
    assert offenders(files("resources"), lambda path: within(imports(path), *work)) == {}


def test_the_front_of_the_emulator_imports_the_client_late():
    front = ROOT / "emulator" / "emulator.py"
    assert {name.partition(".")[0] for name in own(imports(front, lazy=False))} == {"emulator"}
    assert {"credentials"} <= packages(imports(front))


OTHERS = [path for path in FILES if not NAMES[path].startswith(("cli/", "__main__"))]
"""All but the command line."""


def test_no_other_package_imports_the_command_line():
    assert offenders(OTHERS, lambda path: packages(imports(path, typing=True)) & {"cli"}) == {}


def test_only_the_airflow_package_imports_airflow_and_nothing_imports_it():
    others = [path for path in FILES if not NAMES[path].startswith("airflow/")]
    assert offenders(others, lambda path: within(imports(path, typing=True), "airflow")) == {}
    assert offenders(others, lambda path: packages(imports(path, typing=True)) & {"airflow"}) == {}


def test_only_the_transport_and_the_emulator_import_aiohttp():
    transport = {f"transport/{name}.py" for name in ("aiohttp_session", "connections", "no_answer")}
    others = [
        path
        for path in FILES
        if NAMES[path] not in transport and not NAMES[path].startswith(("emulator/http/", "emulator/ui/"))
    ]
    assert offenders(others, lambda path: within(imports(path), "aiohttp")) == {}


def test_extras_are_imported_late_and_in_one_place():
    extras = ("orjson", "msgspec", "uvloop", "typer", "rich")
    assert offenders(OTHERS, lambda path: within(imports(path, lazy=False), *extras)) == {}
    users = {
        "orjson": {"wire/jsontext.py", "emulator/api/responses.py"},  # the emulator shares no code
        "msgspec": {"wire/run_rows.py"},
    }
    for extra, known in users.items():
        assert set(offenders(OTHERS, lambda path, extra=extra: within(imports(path), extra))) == known


def test_an_emulator_loads_faults_page_and_saved_states_with_the_first_of_them():
    loaded = loaded_by("from dataflow_async.emulator import Emulator; Emulator()")
    later = ("faults.kinds", "ui", "likeness", "sample", "service.snapshot")
    assert within(loaded, "cattrs", "orjson", *(f"dataflow_async.emulator.{it}" for it in later)) == set()


def test_nothing_outside_the_emulator_imports_it_early():
    for path in FILES:
        if NAMES[path].split("/")[0] not in {"emulator", "cli"}:
            known = {name.partition(".")[0] for name in own(imports(path, lazy=False))}
            assert "emulator" not in known, NAMES[path]


def test_import_loads_next_to_nothing():
    loaded = run("import sys; old = set(sys.modules); import dataflow_async; print(*set(sys.modules) - old)")
    assert set(loaded) == {"dataflow_async", "dataflow_async._version"}


def test_first_use_loads_the_core_dependencies_and_nothing_else():
    loaded = loaded_by("from dataflow_async import *")
    assert "aiohttp" in loaded
    absent = (
        "orjson",
        "msgspec",
        "uvloop",
        "typer",
        "rich",
        "click",
        "sqlite3",
        "pytest",
        "yaml",
        "jsonschema",
    )
    assert within(loaded, *absent, "dataflow_async.emulator", "dataflow_async.cli", "aiohttp.web") == set()


MADE = "from dataflow_async import Credentials, DataFlow; flow = DataFlow(Credentials('key', 'secret'))"


def test_a_client_loads_its_parts_with_the_first_use_of_them():
    absent = (
        *("bulk.factory", "bulk.launch_pipeline", "bulk.worker_pool", "bulk.launch_store", "bulk.journal"),
        *("workflows", "polling.tracker", "profile_file", "role_endpoint"),
        *("resources.workflows", "resources.triggers", "resources.dashboard"),
        *(
            f"models.{name}"
            for name in ("dashboard", "job", "launch", "nodes", "page", "trigger", "workflow")
        ),
    )
    loaded = loaded_by(MADE)
    assert (
        within(loaded, "cattrs", "html", "difflib", *(f"dataflow_async.{name}" for name in absent)) == set()
    )
    assert "dataflow_async.bulk.worker_pool" in loaded_by(f"{MADE}; flow.launch_all([])")
    assert "dataflow_async.polling.tracker" in loaded_by(f"{MADE}; flow.poll_stats")
    assert "dataflow_async.models.workflow" in loaded_by(f"{MADE}; flow.workflows")


def test_an_answer_of_the_usual_shape_needs_no_converter():
    body = {"jobExecutionId": "e", "jobId": "j", "status": "READY", "createdDate": "2026-11-01T12:00:00"}
    read = (
        "from dataflow_async.models.execution import JobExecution; from dataflow_async.wire.decoding import decode;"
        f" decode(JobExecution, {body | {'jobCondition': {'numWorker': 2}}!r}, {{}})"
    )
    assert "cattrs" not in loaded_by(read)
    assert "cattrs" in loaded_by(read.replace("'READY'", "7"))


def test_a_model_or_an_error_loads_no_transport():
    for name in ("ExecutionStatus", "Launch", "NotFound", "RetryPolicy"):
        loaded = loaded_by(f"from dataflow_async import {name}")
        assert within(loaded, "aiohttp", "asyncio", "dataflow_async.transport") == set(), name


def test_pipelines_load_no_transport_and_no_parser_of_sql():
    loaded = loaded_by("from dataflow_async.pipeline import Pipeline, col")
    assert within(loaded, "aiohttp", "asyncio", "sqlglot", "dataflow_async.transport") == set()
    assert "dataflow_async.pipeline" not in loaded_by("from dataflow_async import *")


@pytest.mark.parametrize("arguments", ["--version", "--help", "bulk run --help", "journal --help"])
def test_the_command_line_tells_of_itself_without_loading_what_it_does(arguments):
    heavy = (
        "aiohttp",
        "attrs",
        "cattrs",
        "sqlite3",
        "rich.live",
        "dataflow_async.client",
        "dataflow_async.emulator",
    )
    code = f"""
import atexit, sys
sys.argv = ["dataflow-async", *{arguments.split()!r}]
atexit.register(lambda: print("LOADED", *sys.modules))
from dataflow_async.cli import main
main()
"""
    told = run(code)
    loaded = set(told[told.index("LOADED") :])
    assert ("typer" in loaded) == (arguments != "--version")
    assert within(loaded, *heavy) == set()
