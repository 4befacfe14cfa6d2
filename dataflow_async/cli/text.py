"""Text of others on a terminal: names come from a service and are data, whatever characters they hold."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from contextlib import suppress

from dataflow_async import DataFlowError


def escaped(text: str) -> str:
    r"""Return text on one line; control characters and invisible ones stand as ``\x1b`` or ``\u202e``."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape", "backslashreplace").decode()


def printable(text: str) -> str:
    """Return text without line breaks and control characters: for a sentence, where their place does not matter."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def one_line(error: DataFlowError) -> str:
    """Return class and message of an error."""
    return f"{type(error).__name__}: {printable(str(error))}"


def masked(access_key: str) -> str:
    """Return enough of an access key to tell accounts apart."""
    return f"{escaped(access_key[:4])}..."


def shell_quoted(*words: str) -> str:
    """Return a command line that a person can copy."""
    import shlex

    return " ".join(shlex.quote(escaped(word)) for word in words)


_WORD = re.compile(r"\S*`dataflow-async [^`]*`\S*|dataflow-async .*|\S+")
"""What no line is broken in: a word, or a command to copy, which stands in backticks or goes on to the end."""


def broken(text: str, width: int) -> str:
    """Break a sentence between words at the width of a terminal; wide characters take two columns."""
    lines, columns = [""], 0
    for word in _WORD.findall(text):
        size = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in word)
        if lines[-1] and size < columns:
            lines[-1] += f" {word}"
            columns -= size + 1
        else:
            lines.append(word)
            columns = width - size
    return "\n".join(lines[1:])


def for_person(text: str) -> str:
    """Return a sentence as standard error takes it: broken between words if somebody is looking."""
    if not (sys.stderr and sys.stderr.isatty()):
        return text
    with suppress(OSError, ValueError):
        return broken(text, shutil.get_terminal_size((os.get_terminal_size(2).columns or 80, 24)).columns)
    return text


def complain(text: str, style: str = "") -> None:
    """Print a sentence to standard error."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text(for_person(text), style), soft_wrap=True)
