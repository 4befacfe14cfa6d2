"""Where in the user's code a step was written."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import FrameType

from attrs import frozen

_PACKAGE = __name__.partition(".")[0]
_STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
"""Folders of the standard library."""
_COMPREHENSIONS = {"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"}
"""Functions that no user has written: those of comprehensions, before Python 3.12, and of generator expressions."""
_CELLS = ("<ipython", "<timed ")
"""What the names of a cell's code begin with, besides files of ipykernel; the second is that of ``%time``."""
_MAGIC = "get_ipython().run_cell_magic("
"""What IPython makes of a cell that begins with ``%%``."""


@frozen
class Place:
    """A line of the user's code; of a helper function also the line that called it.

    Attributes:
        file: Path of the file, from the working directory if it lies in there; ``In [3]`` for a cell of a notebook.
        line: Number of the line, from 1.
        function: Name of the function, or None outside of any.
        called_at: Where that function was called, if that is the user's code too.
    """

    file: str
    line: int
    function: str | None = None
    called_at: Place | None = None

    def __str__(self) -> str:
        """Return it as ``file:line``, with the call of a helper behind."""
        if self.function is None or self.called_at is None:
            return f"{self.file}:{self.line}"
        return f"{self.file}:{self.line} in {self.function}, called at {self.called_at}"


def users_place() -> Place:
    """Return the place of the first frame outside of this package."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # CPython's and PyPy's way to the calling frames
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return _place(frame) if frame is not None else Place("<unknown>", 0)


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name == _PACKAGE or name.startswith(f"{_PACKAGE}.")


def _place(frame: FrameType, *, is_helper: bool = False) -> Place:
    file, first_line = _cell(frame) or (_shown(frame.f_code.co_filename), 1)
    line = frame.f_lineno + first_line - 1
    while frame.f_code.co_name in _COMPREHENSIONS and frame.f_back is not None and _is_users(frame.f_back):
        frame = frame.f_back
    name, calls = frame.f_code.co_name, frame.f_back
    function = None if name == "<module>" else name
    called_at = None
    if function is not None and not is_helper and calls is not None and _is_users(calls):
        called_at = _place(calls, is_helper=True)
    return Place(file, line, function, called_at)


def _is_users(frame: FrameType) -> bool:
    """Return whether a frame is neither of this package nor of what is installed."""
    file = frame.f_code.co_filename
    if _is_ours(frame) or file.startswith("<frozen"):
        return False
    return "site-packages" not in file and not file.startswith(_STANDARD)


def _cell(frame: FrameType) -> tuple[str, int] | None:
    """Return the cell of a notebook as IPython numbers it, and at which of its lines the code starts.

    It is the last cell that holds the function, or the current one. Below ``%%time`` and the like, code starts at line 2.
    """
    cells = frame.f_globals.get("In")
    if "get_ipython" not in frame.f_globals or not isinstance(cells, list):
        return None
    file = frame.f_code.co_filename
    if "ipykernel" not in file and not file.startswith(_CELLS):
        return None
    number = len(cells) - 1
    if (name := frame.f_code.co_name) != "<module>":
        number = next((at for at in range(number, 0, -1) if f"def {name}(" in cells[at]), number)
    return f"In [{number}]", 2 if cells[number].startswith(_MAGIC) else 1


def _shown(file: str) -> str:
    path = Path(file)
    if file.startswith("<") or not path.is_absolute():
        return file
    folder = Path.cwd()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else file
