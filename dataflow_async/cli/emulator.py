"""The emulator as a command: listen until told to stop."""

import asyncio
import errno
from ipaddress import ip_address

from attrs import frozen

from dataflow_async.cli.screen import Screen
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.weather import KINDS

_FORM = """\
Weather, one line a fault, or several parted by ';':
  [OPERATIONS] KIND [NAME=VALUE ...] [before|after] [N%] [xN] [#N,M]
  OPERATIONS    operationIds parted by commas, or * for every request
  NAME=VALUE    a detail of the kind; for its first one the value will do
  before|after  the effect of the call
  N%            share of the matching requests that are struck
  xN            it strikes N times at most
  #N,M          it strikes only the N-th and M-th matching request
Example:
  --weather 'executeJob reset after 5%; 429 code=410 retry-after=3 2%'
Kinds, with their details as they are unless given:
"""
WEATHER_HELP = (
    "\b\n" + _FORM + "\n".join(f"  {kind.usage()}\n      {kind.summary()}" for kind in KINDS.values())
)
"""The end of ``--help``; the first line keeps all others as they are."""


class CannotListen(Exception):
    """The server can't start; the message says why."""


@frozen
class Listening:
    """What a person needs to connect."""

    server: Emulator

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host, colon, port = self.server.url.removeprefix("http://").rpartition(":")
        everywhere = ip_address(host.strip("[]")).is_unspecified
        return f"http://127.0.0.1{colon}{port}" if everywhere else self.server.url

    @property
    def python(self) -> str:
        """Python that makes a client for it."""
        return (
            "from dataflow_async import Credentials, DataFlow\n"
            f'flow = DataFlow(Credentials("{self.server.access_key}", "{self.server.secret_key}"),\n'
            f'                base_url="{self.url}")'
        )


async def serve(server: Emulator, screen: Screen) -> None:
    """Listen until cancelled.

    Raises:
        CannotListen: The port is taken, the address is not ours, or the log can't be written.
    """
    try:
        await server.start()
    except ValueError as error:
        raise CannotListen(f"can't append to {server.log}: {error}") from None
    except OSError as error:
        if error.filename is not None:
            raise CannotListen(f"can't write {error.filename}: {error.strerror}") from None
        where = f"port {server.port} on {server.host}"
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"{where} is in use; choose another with --port") from None
        raise CannotListen(f"can't listen on {where}: {error.strerror or error}") from None
    try:
        listening = Listening(server)
        screen.say(f"Data Flow emulator at {listening.url} (Ctrl-C stops it)", "bold")
        screen.say()
        screen.facts({"access key": server.access_key, "secret key": server.secret_key})
        screen.say()
        screen.say(listening.python, "cyan")
        screen.say()
        for fault in server.weather:
            screen.say(f"weather: {fault}", "yellow")
        if server.log is not None:
            screen.say(f"what happens is appended to {server.log}")
        if server.allow_remote:
            screen.say("Other machines can reach it: whoever knows these keys can call it.", "yellow")
        await asyncio.Event().wait()
    finally:
        await server.stop()
