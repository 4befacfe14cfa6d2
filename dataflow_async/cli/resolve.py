"""From what a person types to what the service takes: names to ids, one text to a run."""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dataflow_async import ExecutionRef, InvalidRequest, JobExecution, NotFound
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.output import moment
from dataflow_async.cli.text import escaped

if TYPE_CHECKING:
    from dataflow_async import DataFlow

T = TypeVar("T")
_LIKE_AN_ID = re.compile(r"[A-Za-z0-9]{12}")
"""Every id seen so far; what looks otherwise is looked up as a name first."""
_REF = "dataflow-execution:"


class Thing(NamedTuple):
    """What a word stands for."""

    id: str
    name: str | None

    def __str__(self) -> str:
        return f"{escaped(self.name)} ({escaped(self.id)})" if self.name else escaped(self.id)


async def job(flow: DataFlow, word: str) -> Thing:
    """Return the job of this id or name."""
    return await _resolve("job", word, flow.jobs.get, flow.jobs.list, lambda it: it.job_id)


async def trigger(flow: DataFlow, word: str) -> Thing:
    """Return the trigger of this id or name."""
    return await _resolve("trigger", word, flow.triggers.get, flow.triggers.list, lambda it: it.trigger_id)


async def workflow(flow: DataFlow, word: str) -> Thing:
    """Return the workflow of this id or name."""

    def rows(_: str | None) -> AsyncIterable[Any]:
        return flow.workflows.list()  # it takes no name

    return await _resolve("workflow", word, flow.workflows.get, rows, lambda it: it.workflow_id)


async def _resolve(
    kind: str,
    word: str,
    get: Callable[[str], Awaitable[Any]],
    rows: Callable[[str | None], AsyncIterable[Any]],
    id_of: Callable[[Any], str],
) -> Thing:
    """Look a word up as an id where it looks like one, then as a name, then as an id of another shape."""
    like_an_id = _LIKE_AN_ID.fullmatch(word) is not None
    if like_an_id and (thing := await _by_id(word, get, id_of)):
        return thing
    found = [row async for row in rows(word) if row.name == word]
    if len(found) == 1:
        return Thing(id_of(found[0]), found[0].name)
    if found:
        lines = ", ".join(f"{escaped(id_of(it))} (created {moment(_text(it.created_date))})" for it in found)
        raise CommandFailed(
            f"{len(found)} {kind}s are called {escaped(word)}: {lines}; use an id", ExitCode.USAGE
        )
    if not like_an_id and (thing := await _by_id(word, get, id_of)):
        return thing
    near = difflib.get_close_matches(word, [row.name async for row in rows(None) if row.name], 3)
    advice = (
        f"; did you mean {' or '.join(map(escaped, near))}?"
        if near
        else f"; see `dataflow-async {kind}s list`"
    )
    raise CommandFailed(f"no {kind} has the id or name {escaped(word)}{advice}", ExitCode.NOT_FOUND)


async def _by_id(
    word: str, get: Callable[[str], Awaitable[Any]], id_of: Callable[[Any], str]
) -> Thing | None:
    try:
        it = await get(word)
    except NotFound as error:
        if error.source != "service":  # no such URL
            raise
        return None
    except InvalidRequest:  # no text that an id can be
        return None
    return Thing(id_of(it), it.name)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


async def run(flow: DataFlow, words: list[str]) -> ExecutionRef:
    """Return the run that ``JOB RUN``, ``JOB last`` or a reference stands for."""
    if len(words) == 1 and words[0].startswith(_REF):
        return ExecutionRef.parse(words[0])
    if len(words) == 1 and words[0].count("/") == 1:
        words = words[0].split("/")
    if len(words) != 2:
        raise CommandFailed(
            "a run is named by JOB RUN, by `JOB last`, or by its reference `dataflow-execution:1:JOB:RUN`",
            ExitCode.USAGE,
        )
    thing = await job(flow, words[0])
    if words[1] != "last":
        return ExecutionRef(thing.id, words[1])
    runs = [it async for it in flow.jobs.executions(thing.id)]
    if not runs:
        raise CommandFailed(f"job {thing} has no runs", ExitCode.NOT_FOUND)
    return max(runs, key=_created).ref


def _created(execution: JobExecution) -> str:
    """Order by creation; the lists have no documented order."""
    date = execution.created_date
    return (
        f"{date.timestamp():020.6f}" if date is not None and not isinstance(date, str) else f"0{date or ''}"
    )
