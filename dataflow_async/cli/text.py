"""Text of others on a terminal: names come from a service and are data, whatever characters they hold."""

from __future__ import annotations

import sys
import unicodedata

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


def complain(text: str, style: str = "") -> None:
    """Print a sentence to standard error; broken between words if somebody is looking, unless it holds a command to copy."""
    from rich.console import Console
    from rich.text import Text

    is_whole = not (sys.stderr and sys.stderr.isatty()) or "dataflow-async " in text
    Console(stderr=True, highlight=False).print(Text(text, style), soft_wrap=is_whole)
