"""Errors that say why a file can't be used as a journal."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.checks import refuse


def resolved(path: object) -> Path:
    """Return the one true path of a journal, so that its lock is the same under every name.

    Raises:
        InvalidRequest: Field ``"journal"``: not a path, or that of a directory or a device.
    """
    try:
        found = Path(os.fsdecode(path)).resolve()  # type: ignore[arg-type]  # what is no path is refused below
        is_directory, is_other = found.is_dir(), found.exists() and not found.is_file()
    except (TypeError, ValueError, OSError, RuntimeError):
        raise refuse("journal", path, "the path of a file") from None
    if is_directory:
        raise refusal(found, "it is a directory")
    if is_other:  # refused before anything is put beside it
        raise refusal(found, "it is a device or a pipe, not a file")
    return found


def refusal(path: Path, reason: str) -> InvalidRequest:
    """Return the error that says why a journal can't be used."""
    return InvalidRequest(f"journal: {path} can't be used: {reason}", field="journal")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system about a file into errors of this library."""
    try:
        yield
    except InvalidRequest:
        raise
    except sqlite3.DatabaseError as problem:
        not_one = getattr(problem, "sqlite_errorname", None) == "SQLITE_NOTADB"
        reason = "it is not a journal" if not_one else str(problem)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
    except (TypeError, ValueError):  # a row or a header that this library would not have written
        reason = "it holds what no journal holds"
    else:
        return
    raise refusal(path, reason)
