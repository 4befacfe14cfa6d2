"""Code blocks of Markdown files, each with the comment that stands before it."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"^(?:<!-- (?P<note>[\w: ]+) -->\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """One fenced block."""

    path: Path
    number: int
    note: str
    """The comment before it, such as ``"prints"``."""
    language: str
    text: str

    def __str__(self):
        return f"{self.path.relative_to(ROOT)}-{self.number}"


def blocks(path: Path) -> list[Block]:
    """Every fenced block of a file, in order."""
    return [
        Block(path, number, match["note"] or "", match["language"], match["text"])
        for number, match in enumerate(_FENCE.finditer(path.read_text("utf-8")), 1)
    ]


def headings(path: Path) -> list[str]:
    """The headings of a file, without what stands in code blocks."""
    return re.findall(r"^#+ .*$", _FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
