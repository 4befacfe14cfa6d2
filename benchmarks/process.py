"""Servers in processes of their own, so that they do not share an interpreter with who calls them."""

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

Serve = Callable[..., Coroutine[Any, Any, None]]
"""Serves until it is killed; its first argument is a pipe to tell the other side where it listens, and more."""


def _run(serve: Serve, pipe: Connection, arguments: tuple[Any, ...]) -> None:
    asyncio.run(serve(pipe, *arguments))


@contextmanager
def serving(serve: Serve, *arguments: Any) -> Iterator[Connection]:
    """Run a server in a new process; gives the pipe to it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(serve, theirs, arguments), daemon=True
    )
    process.start()
    try:
        yield ours
    finally:
        process.terminate()
        process.join()
