"""What checks of source files find: lines to mend, by file."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def assert_none(findings: dict[str, list[str]]) -> None:
    """Fail with all lines that were found."""
    lines = [line for found in findings.values() for line in found]
    assert not lines, "\n" + "\n".join(lines)
