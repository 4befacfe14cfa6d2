"""The emulator as a command: listen until told to stop."""

import asyncio
import errno
from ipaddress import ip_address

from attrs import frozen

from dataflow_async.cli.screen import Screen
from dataflow_async.emulator import Emulator


class CannotListen(Exception):
    """The address can't be had; the message says why."""


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
        CannotListen: The port is taken, or the address is not ours.
    """
    try:
        await server.start()
    except OSError as error:
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
        if server.allow_remote:
            screen.say("Other machines can reach it: whoever knows these keys can call it.", "yellow")
        await asyncio.Event().wait()
    finally:
        await server.stop()
