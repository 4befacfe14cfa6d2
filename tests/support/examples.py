"""How many examples Hypothesis makes: few in the quick suite, more where CI runs those tests at length.

``pytest -m "hypothesis and not slow" --hypothesis-profile=at_length`` runs what the quick suite runs, at length.
"""

from hypothesis import settings


def example_count(quick: int, at_length: int) -> int:
    """Return the number that fits this run."""
    return at_length if settings.get_current_profile_name() == "at_length" else quick
