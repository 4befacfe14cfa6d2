"""Every tuning number stands in ``defaults.py``, with its unit and its reason."""

import ast
import re
from pathlib import Path

import pytest

from dataflow_async import defaults
from dataflow_async.emulator import defaults as emulator_defaults
from tests.support.findings import ROOT, assert_none

PACKAGE = ROOT / "dataflow_async"
EXEMPT = ("cli", "emulator/ui", "defaults.py", "emulator/defaults.py")
"""Rendering for a screen, and the two files where numbers belong: the client's, and the emulator's."""
ALLOWED = {
    "workflows/start.py": {"VERSION": "version of the form of a start"},
    "airflow/events.py": {"VERSION": "version of the form of events"},
    "airflow/task_states.py": {"map_index": "the index that Airflow gives to tasks that are not mapped"},
    "airflow/task_state.py": {"VERSION": "version of the form of what stands in a task's state"},
    "bulk/launch_keys.py": {"_NAME_DIGITS": "part of the names that journals hold"},
    "bulk/digests.py": {"DIGEST_BYTES": "part of the format of the journal's file"},
    "bulk/journal/lock.py": {"PRIVATE": "POSIX permission bits"},
    "bulk/journal/schema.py": {
        "APPLICATION_ID": "four letters in the header of the file",
        "FORMAT": "version of the file's format",
    },
    "emulator/api/auth.py": {"WINDOW": "a fact about the service"},
    "emulator/core.py": {"speed": "real time"},
    "emulator/faults/plan.py": {"add": "a fault that is always injected"},
    "emulator/likeness.py": {"VERSION": "version of the reports that are read"},
    "emulator/service/clock.py": {"_now": "the moment at which emulated time begins"},
    "emulator/service/schedule.py": {"_HOUR": "a unit"},
    "emulator/service/snapshot.py": {"VERSION": "version of the snapshot's format"},
    "models/job.py": {"_INT64": "range of a type of the wire"},
    "models/schedule_days.py": {"LAST": "a word of the wire"},
    "pipeline/sql_types.py": {
        "_LARGEST_INT": "range of a type of Spark",
        "_LARGEST_BIGINT": "range of a type of Spark",
    },
    "probe/report.py": {"VERSION": "version of the report's form"},
    "probe/shapes.py": {"LATEST": "a guard: no date of the calendar is that large"},
    "models/nodes/base.py": {"_INT64": "range of a type of the wire"},
    "resources/jobs.py": {"_INT32": "range of a type of the wire"},
    "resources/paging.py": {"_INT32": "range of a type of the wire"},
    "wire/jsontext.py": {"_DIGITS": "digits of an integer of 64 bits"},
}
"""Numbers that are no choice: file -> name of the constant or function -> what they are."""


def is_number(node):
    """Whether an expression consists of numbers alone."""
    match node:
        case ast.Constant(value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.UnaryOp():
            return is_number(node.operand)
        case ast.BinOp():
            return is_number(node.left) and is_number(node.right)
    return False


def is_choice(node):
    """Whether an expression is a number other than 0: a count begins there, and nothing is the absence of something."""
    return is_number(node) and eval(ast.unparse(node)) != 0


def assigned(statement):
    """The number that a statement of a module or a class assigns, or gives to a field as its default."""
    value = statement.value
    if isinstance(value, ast.Call):
        return next((keyword.value for keyword in value.keywords if keyword.arg == "default"), None)
    return value


def numbers(tree):
    """Lines, names and texts of numeric constants of modules and classes, and of numeric default arguments."""
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.ClassDef):
            for statement in scope.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign) and is_choice(assigned(statement)):
                    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
                    yield statement.lineno, ast.unparse(target), ast.unparse(statement)
        elif isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            name = getattr(scope, "name", "lambda")
            for value in [*scope.args.defaults, *scope.args.kw_defaults]:
                if is_choice(value):
                    yield value.lineno, name, f"{name}(... = {ast.unparse(value)})"


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not any(name == exempt or name.startswith(f"{exempt}/") for exempt in EXEMPT):
            yield name, ast.parse(path.read_text("utf-8"))


def findings():
    """By file, the numbers that should stand in ``defaults.py``."""
    return {
        f"dataflow_async/{name}": [
            f"dataflow_async/{name}:{line}: {text}: move it to defaults.py"
            for line, constant, text in numbers(tree)
            if constant not in ALLOWED.get(name, {})
        ]
        for name, tree in sources()
    }


def test_tuning_numbers_stand_in_defaults():
    assert_none(findings())


def test_allowed_numbers_are_still_there():
    found = {(name, constant) for name, tree in sources() for _, constant, _ in numbers(tree)}
    assert not {(name, constant) for name, constants in ALLOWED.items() for constant in constants} - found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("LIMIT = 1 << 20", ["LIMIT"]),
        ("LIMIT: float = -1.5", ["LIMIT"]),
        ("class A:\n    size: int = 3", ["size"]),
        ("class A:\n    size: int = field(default=3, init=False)", ["size"]),
        ("def f(a, b=2, *, c=0.5): ...", ["f", "f"]),
        ("async def f(a=2): ...", ["f"]),
        ("f = lambda a=2: a", ["lambda"]),
        ("def f():\n    class A:\n        size = 3", ["size"]),
        ("LIMIT = 0\nFLAG = True\nNAME = 'x'\nSTATUSES = {408, 425}\ndef f(a=0, b=None, c=False): ...", []),
        ("LIMIT = defaults.LIMIT\ndef f():\n    a = 3", []),
    ],
)
def test_numbers_are_found(code, found):
    assert [name for _, name, _ in numbers(ast.parse(code))] == found


# --- what stands in defaults.py ----------------------------------------------------------------------------

MODULES = [pytest.param(module, id=module.__name__) for module in (defaults, emulator_defaults)]


def documented(module):
    """The names of a module with the text under each; neighbours may share the one under the last of them."""
    waiting = []
    for statement in ast.parse(Path(module.__file__).read_text("utf-8")).body[1:]:
        if isinstance(statement, ast.Assign):
            waiting.append(statement.targets[0].id)
        elif isinstance(statement, ast.Expr):
            yield from ((name, statement.value.value) for name in waiting)
            waiting = []
    yield from ((name, "") for name in waiting)


@pytest.mark.parametrize("module", MODULES)
def test_each_number_has_its_unit_and_reason(module):
    texts = dict(documented(module))
    assert {name for name in vars(module) if name.isupper()} == set(texts)
    assert not [name for name, text in texts.items() if len(text) < len("Seconds: why.")]


@pytest.mark.parametrize("module", MODULES)
def test_each_number_is_used(module):
    text = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    used = set(re.findall(r"\bdefaults\.([A-Z_0-9]+)", text))
    assert not {name for name in vars(module) if name.isupper()} - used
