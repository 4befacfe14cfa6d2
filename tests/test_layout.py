"""Where tests stand, how far they look inside, and what docstrings may refer to."""

import ast
import functools
import re

import pytest

from tests.support.findings import ROOT, assert_none

PACKAGE = ROOT / "dataflow_async"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
WHOLE = {
    "recipes/test_recipes": "code of a page, not a module",
    "test_benchmarks": "the benchmarks, which no package mirrors",
    "test_docs": "pages, not a module",
    "test_every_call": "each call of the contract, through all layers",
    "test_help": "help() of all public names",
    "test_imports": "the imports of all modules",
    "test_layout": "the tree itself",
    "test_public_names": "the package's own __init__",
    "test_readme": "README, not a module",
    "test_rulings": "the contract notes, row by row",
    "test_sdist": "the source distribution",
    "test_secrets": "no frame of any module shows a key",
    "test_words": "the words of all files",
    "test_wrong_types": "arguments of all public calls",
    "typing/test_typing": "what type checkers say of the public names",
}
"""Tests of the whole package, which no single module mirrors."""
PRIVATE: dict[str, tuple[int, str]] = {
    "tests/airflow/test_links.py": (1, "Airflow's api-server sets it, and has no public way to"),
    "tests/bulk/test_worker_pool_closing.py": (
        1,
        "tasks that swallow every cancellation die with their loop, and asyncio logs that",
    ),
    "tests/support/internals.py": (7, "the one seam for tests that observe a client's pipeline and session"),
    "tests/support/world.py": (1, "asyncio has no public way to see whether anything is ready to run"),
}
"""Places that reach into what starts with an underscore: file, how many at most, and why no other seam exists."""
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_current_frames"}
"""Public in spite of their underscore, as Python documents them."""
OPENINGS = ("Give", "Gives", "Tell", "Tells")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed(path):
    return ast.parse(path.read_text("utf-8"))


# --- tests mirror modules ----------------------------------------------------------------------------------


def misplaced(path):
    """Why a test file does not mirror a module or a package; nothing where it does."""
    where = path.relative_to(ROOT / "tests")
    folder = PACKAGE / where.parent
    if where.with_suffix("").as_posix() in WHOLE:
        return []
    if not folder.is_dir():
        return [f"{name_of(path)}: there is no package {name_of(folder)}"]
    modules = {it.stem for it in folder.glob("*.py")} | {it.name for it in folder.iterdir() if it.is_dir()}
    mirrored = path.stem.removeprefix("test_")
    subjects = modules | ({folder.name} if folder != PACKAGE else set())
    if any(mirrored == subject or mirrored.startswith(f"{subject}_") for subject in subjects):
        return []
    return [
        f"{name_of(path)}: name it test_MODULE[_ASPECT].py by one of {', '.join(sorted(subjects - {'__init__'}))}"
    ]


def layout_findings():
    return {
        name_of(path): lines for path in TESTS if path.name.startswith("test_") and (lines := misplaced(path))
    }


def test_test_files_mirror_modules():
    assert_none(layout_findings())


# --- private access ----------------------------------------------------------------------------------------


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


PATCHING = {"setattr", "delattr", "getattr", "patch", "object"}
"""Calls that may have a name as text: builtins, and methods of monkeypatch and mock."""


def called(call):
    """The last name of what is called."""
    return getattr(call.func, "id", None) or getattr(call.func, "attr", None)


def private_access(tree):
    """Lines that use a private attribute of something else than self and cls, or patch one by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dataflow_async"):
            names = [*node.module.split(".")[1:], *(alias.name for alias in node.names)]
            yield from ((node.lineno, name) for name in names if is_private(name) and name != "_version")
        elif isinstance(node, ast.Call) and called(node) in PATCHING:
            for argument in node.args[:2]:
                text = argument.value if isinstance(argument, ast.Constant) else None
                if isinstance(text, str) and any(map(is_private, text.split("."))):
                    yield node.lineno, text


def private_findings():
    found = {}
    for path in TESTS:
        lines = [f"{name_of(path)}:{number}: {text}" for number, text in sorted(private_access(parsed(path)))]
        at_most = PRIVATE.get(name_of(path), (0, ""))[0]
        if len(lines) > at_most:
            found[name_of(path)] = lines
    return found


def test_tests_use_what_is_public():
    assert_none(private_findings())


@pytest.mark.parametrize("name", PRIVATE)
def test_a_listed_private_access_is_still_needed(name):
    assert len([*private_access(parsed(ROOT / name))]) == PRIVATE[name][0]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("self._x = cls._y = x.__dict__", 0),
        ("flow._call", 1),
        ("monkeypatch.setattr(flow, '_call', 1)", 1),
        ("mock.patch('dataflow_async.client._x')", 1),
        ("from dataflow_async._version import __version__", 0),
        ("from dataflow_async.client import _x", 1),
        ("flow._call._attempt()", 2),
    ],
)
def test_private_access_is_found(code, found):
    assert len([*private_access(ast.parse(code))]) == found


# --- references and docstrings ------------------------------------------------------------------------------


def references(text):
    """Lines that name a ruling or a promise by its number alone."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"\b(?:rulings?|promises?) \d+", line, re.IGNORECASE):
            yield number, found[0]


def reference_findings():
    found = {}
    for path in SOURCES:
        name = name_of(path)
        if lines := [
            f"{name}:{number}: {text!r}: say the fact, or link contract/notes.md#ruling-N"
            for number, text in references(path.read_text("utf-8"))
        ]:
            found[name] = lines
    return found


def test_source_says_facts_instead_of_numbers():
    assert_none(reference_findings())


def test_each_linked_ruling_exists():
    anchors = set(
        re.findall(r'<a id="(ruling-\d+)">', (PACKAGE / "contract" / "notes.md").read_text("utf-8"))
    )
    for path in (*SOURCES, *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        linked = set(re.findall(r"notes\.md#([\w-]+)", path.read_text("utf-8")))
        assert linked <= anchors, name_of(path)


def docstring_findings():
    found = {}
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                opening = (ast.get_docstring(node) or "").partition(" ")[0]
                if opening in OPENINGS:
                    line = (
                        f"{name_of(path)}:{getattr(node, 'lineno', 1)}: a docstring starts with {opening!r}"
                    )
                    found.setdefault(name_of(path), []).append(line)
    return found


def test_docstrings_start_with_what_a_thing_does():
    assert_none(docstring_findings())
