"""Public names: loaded on first use, and the same ones for Python, for a person who lists them and for type checkers."""

import ast
import importlib
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import dataflow_async

SOURCE = Path(dataflow_async.__file__).read_text("utf-8")


def fresh(code):
    """Run the code in a process that has loaded nothing yet."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def unloaded(monkeypatch):
    """The package as before its first use: with no name stored."""
    for name in set(dataflow_async.__all__) & vars(dataflow_async).keys() - {"__version__"}:
        monkeypatch.delitem(vars(dataflow_async), name)


def test_names_are_sorted_and_come_once():
    names = dataflow_async.__all__
    assert names == sorted(set(names), key=lambda name: (name.startswith("_"), name))


def test_names_are_written_out_for_whom_reads_the_source():
    [listed] = [
        ast.literal_eval(node.value)
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__"
    ]
    assert listed == dataflow_async.__all__


def test_type_checkers_read_the_names_that_python_loads():
    [mirror] = [
        node.body
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    read = {
        alias.name: node.module.removeprefix("dataflow_async.") for node in mirror for alias in node.names
    }
    for name, module in read.items():
        assert getattr(importlib.import_module(f"dataflow_async.{module}"), name) is getattr(
            dataflow_async, name
        )
    assert {*read, "__version__"} == set(dataflow_async.__all__)


@pytest.mark.parametrize("name", dataflow_async.__all__)
def test_every_name_is_there(name, unloaded):
    found = getattr(dataflow_async, name)
    assert pkgutil.resolve_name(f"dataflow_async:{name}") is found
    assert vars(dataflow_async)[name] is found
    assert getattr(found, "__name__", name) == name


def test_published_names_stay():
    published = {
        "DataFlow", "Credentials", "JobCondition", "Launch", "Outcome", "ExecutionRef", "RetryPolicy", "PollPolicy",
        "Progress", "DataFlowError", "CredentialsError", "InvalidRequest", "TransportError", "NotSent", "ResponseLost",
        "APIError", "BadRequest", "AuthenticationFailed", "PermissionDenied", "NotFound", "BadState", "RateLimited",
        "QuotaExceeded", "ServerError", "DecodeError", "ExecutionFailed", "ExecutionCanceled", "WaitTimeout",
        "LaunchUncertain", "Journal", "JournalEntry", "JournalPhase",
    }  # fmt: skip
    assert published <= set(dataflow_async.__all__)


def test_an_unknown_name_is_an_attribute_error_that_says_so():
    with pytest.raises(
        AttributeError, match=r"^module 'dataflow_async' has no attribute 'Dataflow'"
    ) as error:
        _ = dataflow_async.Dataflow
    assert (error.value.name, error.value.obj) == ("Dataflow", dataflow_async)
    with pytest.raises(ImportError, match="cannot import name 'Dataflow' from 'dataflow_async'"):
        from dataflow_async import Dataflow  # noqa: F401


def test_dir_names_what_can_be_loaded(unloaded):
    assert set(dataflow_async.__all__) <= set(dir(dataflow_async))
    assert dir(dataflow_async) == sorted(dir(dataflow_async))


def test_a_star_imports_all():
    fresh("from dataflow_async import *; import dataflow_async as d; assert set(d.__all__) <= set(globals())")


def test_a_pickle_opens_where_nothing_is_loaded():
    values = [
        dataflow_async.ExecutionRef("j", "e"),
        dataflow_async.NotFound,
        dataflow_async.Launch("j", key="k"),
    ]
    fresh(f"import pickle; assert len(pickle.loads({pickle.dumps(values)!r})) == 3")


def test_a_patch_of_a_name_not_loaded_yet_goes_away_again(unloaded):
    from dataflow_async.client import DataFlow

    with mock.patch("dataflow_async.DataFlow") as fake:
        assert dataflow_async.DataFlow is fake
        assert dataflow_async.BulkRun is not None  # loading another leaves the patch alone
    assert dataflow_async.DataFlow is DataFlow


def test_threads_may_use_names_for_the_first_time_together():
    fresh("""
import sys, threading
import dataflow_async
sys.setswitchinterval(1e-6)
found, ready = [], threading.Barrier(8)
def use(name):
    ready.wait()
    found.append(getattr(dataflow_async, name))
names = ["DataFlow", "Launch", "NotFound", "Journal"] * 2
threads = [threading.Thread(target=use, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 8 and len(set(found)) == 4
""")
