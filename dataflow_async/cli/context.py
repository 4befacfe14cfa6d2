"""What every command shares: where the service is, whose keys, what to print and how, what needs no confirmation."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from attrs import define, field

from dataflow_async import BadState, DataFlow, NotFound, defaults
from dataflow_async.cli.exit_codes import CommandFailed, exit_code
from dataflow_async.cli.output import Columns, Format, Output
from dataflow_async.cli.text import escaped, masked, one_line
from dataflow_async.credentials import CredentialsChain

if TYPE_CHECKING:
    from dataflow_async.models.base import Response

T = TypeVar("T")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NOTHING_CHANGED = "interrupted; nothing was changed"
_ACCEPTED = "interrupted; the change was accepted before"
_UNANSWERED = "interrupted: a call was on its way and is not answered: it may have taken effect; look before you repeat it"


@define(kw_only=True)
class Context:
    """The shared options of one command, and what follows from them."""

    url: str | None = None
    profile: str | None = None
    allow_insecure_http: bool = False
    output: Format = field(default=Format.TABLE, converter=Format)
    query: str | None = None
    yes: bool = False
    dry_run: bool = False
    out: Output = field(init=False)
    interruption: Callable[[], str] = field(init=False, default=lambda: _NOTHING_CHANGED)
    """What is true about the work when a signal ends it; a command replaces it as it goes on."""
    forced_interruption: Callable[[], str] | None = field(init=False, default=None)
    """As ``interruption``, where the process ends before everything is closed and the two differ."""
    keys: CredentialsChain = field(init=False)

    @out.default
    def _out(self) -> Output:
        return Output(self.output, self.query)

    @keys.default
    def _keys(self) -> CredentialsChain:
        return CredentialsChain(self.profile)

    @property
    def service(self) -> str:
        """Address of the service: the option's, the environment's, or the public one."""
        return self.url or os.environ.get("NCLOUD_DATAFLOW_URL") or defaults.BASE_URL

    @property
    def is_emulator(self) -> bool:
        """Whether the service costs nothing: ``http:`` to this machine can only be an emulator."""
        parts = urlsplit(self.service)
        return parts.scheme == "http" and parts.hostname in LOOPBACK

    async def account(self) -> str:
        """Return the service and the masked key, as questions and headings name them."""
        keys = await self.keys.get()
        return f"{escaped(self.service)} with access key {masked(keys.access_key)}"

    @asynccontextmanager
    async def client(self) -> AsyncIterator[DataFlow]:
        """Open a client of the service."""
        async with DataFlow(
            self.keys, base_url=self.service, allow_insecure_http=self.allow_insecure_http
        ) as flow:
            yield flow

    async def change(self, flow: DataFlow, call: Callable[[DataFlow], Awaitable[T]]) -> T:
        """Make a call that changes something; under ``--dry-run`` print it instead, and end the command."""
        if self.dry_run:
            from dataflow_async.cli.dry_run import show

            return await show(self.service, self.out, call)
        if self.interruption() != _NOTHING_CHANGED:  # the command has better words
            return await call(flow)
        self.interruption = lambda: _UNANSWERED
        answer = await call(flow)
        self.interruption = lambda: _ACCEPTED
        return answer

    async def change_each(
        self, flow: DataFlow, calls: Mapping[str, Callable[[DataFlow], Awaitable[None]]]
    ) -> None:
        """Make calls that change something, one after the other, and note each; under ``--dry-run`` print them all.

        Args:
            flow: The client.
            calls: What to note once it is done, and the call.

        Raises:
            CommandFailed: The service has refused some, such as runs that ended meanwhile; the others are done.
        """
        from dataflow_async.cli.dry_run import NothingSent

        done, refused = 0, []
        self.interruption = lambda: (
            f"interrupted: {done} of {len(calls)} calls were accepted, and the next may be; look before you repeat it"
        )
        for deed, call in calls.items():
            try:
                await self.change(flow, call)
            except NothingSent:
                continue
            except (BadState, NotFound) as error:
                if len(calls) == 1 or error.source != "service":
                    raise
                self.note(f"not {deed}: {one_line(error)}")
                refused.append(error)
                continue
            done += 1
            self.note(deed)
        if refused:
            raise CommandFailed(f"{len(refused)} of {len(calls)} were refused", exit_code(refused[0]))
        if self.dry_run and calls:
            raise NothingSent

    async def confirm(self, deed: str) -> None:
        """Ask before a deed that costs money or can't be undone, on a real account."""
        if self.yes or self.dry_run or self.is_emulator:
            return
        from dataflow_async.cli.confirm import ask

        ask(deed, await self.account())

    def note(self, text: str, style: str = "") -> None:
        """Print a line for a person, on standard error."""
        self.out.note(text, style)

    def rows(self, models: Iterable[Response | Mapping[str, Any]], columns: Columns) -> None:
        """Print a list as data."""
        self.out.rows(models, columns)

    def one(self, model: Response | Mapping[str, Any], columns: Columns) -> None:
        """Print one thing as data."""
        self.out.one(model, columns)
