"""Run settings, nodes and parameters as options give them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from dataflow_async import Job, JobCondition
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.text import escaped, shell_quoted

if TYPE_CHECKING:
    from dataflow_async.cli.commands.options import RunSettings


def parameters(pairs: Iterable[str] | None) -> dict[str, str] | None:
    """Read ``NAME=VALUE`` pairs; None without any."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise CommandFailed(f"-p: NAME=VALUE is needed, got {escaped(pair)}", ExitCode.USAGE)
        if name in found:
            raise CommandFailed(f"-p: {escaped(name)} is given twice", ExitCode.USAGE)
        found[name] = value
    return found or None


def condition(given: RunSettings) -> JobCondition | None:
    """Return run settings; None where no option names any."""
    made = JobCondition(
        given.workers,
        given.time_limit,
        given.role,
        given.script_path,
        given.log_path,
        parameters(given.parameters),
    )
    return None if made == JobCondition() else made


def replaced(stored: JobCondition, given: RunSettings) -> JobCondition:
    """Return settings in which options replace single ones, and single parameters."""
    changed = attrs.asdict(condition(given) or JobCondition(), filter=lambda _, value: value is not None)
    if "parameters" in changed:
        changed["parameters"] = {**(stored.parameters or {}), **changed["parameters"]}
    return attrs.evolve(stored, **changed)


def check_complete(job: Job) -> None:
    """Refuse a job that no workflow can hold, with the command that completes it.

    Raises:
        CommandFailed: It has no stored role, script or log path.
    """
    stored = job.job_condition
    needed = {
        "--role": stored and stored.nrn,
        "--script-path": stored and stored.script_path,
        "--log-path": stored and stored.log_path,
    }
    missing = [f"{option} ..." for option, value in needed.items() if not value]
    if missing:
        raise CommandFailed(
            f"job {escaped(job.name or job.job_id)} lacks settings that a workflow needs; store them:"
            f" {shell_quoted('dataflow-async', 'jobs', 'update', job.job_id)} {' '.join(missing)}",
            ExitCode.USAGE,
        )


def document(path: Path, option: str) -> Any:
    """Read JSON or YAML from a file, or from standard input for ``-``."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CommandFailed(f"{option}: {path}: {reason}", ExitCode.USAGE) from None
    try:
        return json.loads(text)
    except ValueError as json_error:
        if path.suffix not in {".yaml", ".yml"}:
            raise CommandFailed(f"{option}: {path} is not JSON: {json_error}", ExitCode.USAGE) from None
    yaml = import_module("yaml")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandFailed(
            f"{option}: {path} is not YAML: {escaped(' '.join(str(error).split()))}", ExitCode.USAGE
        ) from None


def nodes(path: Path) -> list[Mapping[str, Any]]:
    """Read nodes from a file: a list of them, or an object that holds them, such as ``jobs show -o json`` prints."""
    found = document(path, "--nodes")
    if isinstance(found, Mapping):
        found = found.get("nodes")
    if not isinstance(found, list):
        raise CommandFailed(
            f"--nodes: {path} must hold a list of nodes, or an object with nodes", ExitCode.USAGE
        )
    return found
