"""The exported names: all of them stand in the reference, and the reference has no others."""

import re
from pathlib import Path

from dataflow_async import emulator

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "reference" / "emulator.md"


def test_the_reference_lists_every_exported_name_once():
    listed = re.findall(r"^\.\. auto\w+:: (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(emulator.__all__)


def test_exported_names_are_sorted_and_documented():
    assert emulator.__all__ == sorted(emulator.__all__)
    assert all(getattr(emulator, name).__doc__ for name in emulator.__all__)
