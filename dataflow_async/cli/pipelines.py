"""Pipelines in Python files, and jobs shown as pipelines."""

from __future__ import annotations

import runpy
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped
from dataflow_async.errors import DataFlowError

if TYPE_CHECKING:
    from dataflow_async import Job
    from dataflow_async.pipeline import Pipeline


class Form(StrEnum):
    """Forms of a job's nodes."""

    PYTHON = "python"
    MERMAID = "mermaid"
    TEXT = "text"


def is_file(name: str) -> bool:
    """Return whether an argument is a Python file; no job has a name with a dot."""
    return name.endswith(".py")


def read(path: str) -> Pipeline:
    """Return the one pipeline that a Python file makes. The file is run as ``python FILE`` would, but for its name.

    Raises:
        CommandFailed: It does not exist, fails, or makes no pipeline or several.
    """
    from dataflow_async.pipeline import Pipeline

    if not Path(path).is_file():
        raise CommandFailed(f"{escaped(path)}: no such file", ExitCode.USAGE)
    names = _run(path)
    found = {id(it): it for it in names.values() if isinstance(it, Pipeline)}
    if len(found) != 1:
        raise CommandFailed(
            f"{escaped(path)} must make one Pipeline as a global name, got {len(found)}", ExitCode.USAGE
        )
    return next(iter(found.values()))


def _run(path: str) -> dict[str, object]:
    """Return the global names of a file after it has run; modules beside it can be imported."""
    folder = str(Path(path).resolve().parent)
    sys.path.insert(0, folder)
    try:
        return runpy.run_path(path, run_name="dataflow_async_job")
    except DataFlowError:
        raise
    except Exception as error:
        lines = [it.lineno for it in traceback.extract_tb(error.__traceback__) if it.filename == path]
        if isinstance(error, SyntaxError) and error.filename == path:
            lines = [error.lineno]
        what = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        where = f"{path}:{lines[-1]}" if lines else path
        raise CommandFailed(f"{escaped(where)}: {escaped(what)}", ExitCode.USAGE) from error
    finally:
        sys.path.remove(folder)


def shown(job: Job, form: Form) -> str:
    """Return the nodes of a job as code, as a diagram or as text."""
    from dataflow_async.pipeline import Pipeline

    pipeline = Pipeline.from_nodes(job.nodes or (), job.name or "pipeline")
    write = {
        Form.PYTHON: pipeline.to_python,
        Form.MERMAID: pipeline.to_mermaid,
        Form.TEXT: pipeline.explain,
    }
    return write[form]()
