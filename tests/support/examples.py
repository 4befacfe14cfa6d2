"""How many examples a test has: few in the quick suite, more where CI runs those tests at length.

``pytest -m "hypothesis and not slow" --hypothesis-profile=at_length`` runs what the quick suite runs, at length, and
``--hypothesis-profile=exploring`` as much with examples that are new each time.
"""

from typing import Any

import pytest
from hypothesis import settings


def example_count(quick: int, at_length: int) -> int:
    """Return the number that fits this run."""
    return quick if settings.get_current_profile_name() == "project" else at_length


def first_quick(*cases: Any) -> list[Any]:
    """Return the cases of a table of which the first runs in the quick suite, and the others in the slow one.

    A tuple is a row: the values of several arguments.
    """
    return [cases[0], *(in_slow(it) for it in cases[1:])]


def in_slow(case: Any) -> Any:
    """Return a case of a table for the slow suite."""
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
