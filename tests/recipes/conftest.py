"""Recipes for Prefect and Dagster need both, which live in an environment of their own (see .ci/run)."""

from importlib.util import find_spec

import pytest

NEEDED = ("prefect", "dagster")
HAS_ALL = all(map(find_spec, NEEDED))
collect_ignore = [] if HAS_ALL else ["test_recipes.py"]
NOISE = (
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::UserWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
"""What they and their own dependencies warn of, which nothing here can mend."""


def pytest_configure(config):
    if HAS_ALL:
        for line in NOISE:
            config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def prefect_server():
    """A server of Prefect with an empty database, in a process of its own."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield
