"""Task factories under which a client must work as under none."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any


@types.coroutine
def _resumed(work: Coroutine[Any, Any, Any], yielded: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine whose first step has been taken."""
    while True:
        try:
            sent = yield yielded
        except BaseException as error:
            step, given = work.throw, error
        else:
            step, given = work.send, sent
        try:
            yielded = step(given)
        except StopIteration as stop:
            return stop.value


async def _rest(work: Coroutine[Any, Any, Any], yielded: Any) -> Any:
    return await _resumed(work, yielded)


async def _gave(result: Any) -> Any:
    return result


def hasty(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **settings: Any) -> Any:
    """Take the first step of a task before it is there, as an eager factory does, on any Python."""
    try:
        rest = _rest(work, work.send(None))
    except StopIteration as stop:
        rest = _gave(stop.value)
    return asyncio.Task(rest, loop=loop, **settings)


def plain(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> Any:
    """A factory of old, which knows no further arguments."""
    return asyncio.Task(work, loop=loop)


FACTORIES = {"hasty": hasty, "plain": plain}
if hasattr(asyncio, "eager_task_factory"):
    FACTORIES["eager"] = asyncio.eager_task_factory
