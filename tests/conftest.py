"""What every test may rely on: no keys, proxies or addresses from the machine it runs on."""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# A hundred interpreters start in one run: compiled modules are kept, whatever the environment says, beside the source and
# not in it, for them and for the next run. It halves what each start costs.
sys.dont_write_bytecode = False
sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# What decides about a change tries the same examples each time, so that it fails by the change alone; the search for new
# ones is `exploring`.
settings.register_profile(
    "project",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("at_length", settings.get_profile("project"), max_examples=200)
settings.register_profile("exploring", settings.get_profile("at_length"), derandomize=False, print_blob=True)
settings.load_profile("project")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Let two workers share a core in the quick suite, which waits for processes and sockets a third of its time."""
    return 2 * os.cpu_count() if config.option.markexpr == "not slow" else None


def pytest_collection():
    """Search for no garbage while ten thousand tests are collected."""
    gc.disable()


def pytest_collection_finish():
    """Keep what collecting has made out of each later search for garbage: it stays to the end."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch, request):
    for name in list(os.environ):
        if name.startswith("NCLOUD_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # a folder of its own costs as much as many a test: only a test that looks into it has one
    home = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else "/nonexistent"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
