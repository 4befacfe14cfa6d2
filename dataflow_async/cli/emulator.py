"""The emulator as a command: listen until Ctrl-C."""

import asyncio
import errno
import math
import os
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from attrs import field, frozen

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.screen import Screen
from dataflow_async.cli.settings import document
from dataflow_async.cli.text import escaped
from dataflow_async.emulator import Emulator, Scriptable
from dataflow_async.emulator.faults.kinds import KINDS
from dataflow_async.emulator.service.scripts import Script

_FORM = """\
Faults, one a line, or several separated by ';':
  [OPERATIONS] KIND [NAME=VALUE ...] [before|after] [N%] [xN] [#N,M]
  OPERATIONS    operationIds separated by commas, or * for every request
  NAME=VALUE    a detail of the kind; its first one needs no name
  before|after  the effect of the call
  N%            share of the matching requests that get the fault
  xN            it is injected N times at most
  #N,M          it is injected only into the N-th and M-th matching request
Example:
  --faults 'executeJob reset after 5%; 429 code=410 retry-after=3 2%'
Kinds, with their details and default values:
"""
FAULTS_HELP = (
    "\b\n" + _FORM + "\n".join(f"  {kind.usage()}\n      {kind.summary()}" for kind in KINDS.values())
)
"""The end of ``--help``; the first line makes click keep the line breaks."""


class CannotListen(Exception):
    """The server can't start; the message names the reason."""


class CannotSave(Exception):
    """The state file can't be written; the message names the reason."""


@frozen
class ConnectionInfo:
    """Addresses and code that connect to a server."""

    server: Emulator

    @property
    def url(self) -> str:
        """The address for a client on this machine."""
        return f"http://127.0.0.1:{self._port}" if self._address.is_unspecified else self.server.url

    @property
    def python(self) -> str:
        """Python code that makes a client on this machine."""
        insecure = not (self._address.is_loopback or self._address.is_unspecified)
        return self._python(self.url, insecure=insecure)

    @property
    def remote_python(self) -> str:
        """Python code that makes a client on another machine or in another container."""
        url = f"http://NAME-OF-THIS-MACHINE:{self._port}" if self._address.is_unspecified else self.server.url
        return self._python(url, insecure=True)

    @property
    def environment(self) -> str:
        """Lines for a shell of this machine after which every ``DataFlow()`` connects here; empty if code must allow ``http:``."""
        if not (self._address.is_loopback or self._address.is_unspecified):
            return ""
        form = '$env:{} = "{}"' if os.name == "nt" else "export {}={}"
        values = {
            "NCLOUD_DATAFLOW_URL": self.url,
            "NCLOUD_ACCESS_KEY_ID": self.server.access_key,
            "NCLOUD_SECRET_ACCESS_KEY": self.server.secret_key,
        }
        return "\n".join(form.format(name, value) for name, value in values.items())

    @property
    def _address(self) -> IPv4Address | IPv6Address:
        return ip_address(self.server.url.removeprefix("http://").rpartition(":")[0].strip("[]"))

    @property
    def _port(self) -> str:
        return self.server.url.rpartition(":")[2]

    def _python(self, url: str, *, insecure: bool) -> str:
        permission = ", allow_insecure_http=True" if insecure else ""
        return (
            "from dataflow_async import Credentials, DataFlow\n"
            f'flow = DataFlow(Credentials("{self.server.access_key}", "{self.server.secret_key}"),\n'
            f'                base_url="{url}"{permission})'
        )


@frozen
class JobOfFile:
    """A job to create."""

    name: str
    type: str = "SCRIPT"
    condition: Mapping[str, Any] = field(factory=dict)
    max_concurrent_runs: int | None = None
    runs: tuple[Scriptable, ...] = ()
    """How its runs end, one after the other and again."""

    def create(self, server: Emulator) -> None:
        """Create it."""
        job_id = server.create_job(
            self.name,
            type=self.type,
            condition=self.condition,
            max_concurrent_runs=self.max_concurrent_runs,
        )
        if self.runs:
            server.script(job_id, self.runs, repeat=True)


_MEMBERS = ("name", "type", "condition", "maxConcurrentRuns", "runs")


def read_jobs(path: Path) -> list[JobOfFile]:
    """Return the jobs of a JSON or YAML file.

    Raises:
        CommandFailed: It can't be read, or one of them is not a job; the line names it.
    """
    content = document(path, "--jobs")
    if not isinstance(content, list):
        raise CommandFailed(f"--jobs: {path} must be a list of jobs", ExitCode.USAGE)
    jobs = []
    for place, entry in enumerate(content, 1):
        try:
            jobs.append(_job(entry))
        except (ValueError, TypeError) as error:
            raise CommandFailed(f"--jobs: {path}, job {place}: {error}", ExitCode.USAGE) from None
    return jobs


def _job(entry: Any) -> JobOfFile:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise TypeError("a job must be an object with a name")
    if unknown := set(entry) - set(_MEMBERS):
        raise ValueError(f"members must be of {', '.join(_MEMBERS)}, got {min(map(str, unknown))!r}")
    runs = tuple(tuple(run) if isinstance(run, list) else run for run in entry.get("runs", ()))
    Script.of(runs)
    condition, most = entry.get("condition", {}), entry.get("maxConcurrentRuns")
    if not isinstance(condition, dict) or not isinstance(most, int | None):
        raise TypeError("condition must be an object and maxConcurrentRuns a whole number")
    return JobOfFile(entry["name"], str(entry.get("type", "SCRIPT")), condition, most, runs)


def range_of_seconds(text: str) -> tuple[float, float]:
    """Return the range that ``90`` or ``60-300`` names.

    Raises:
        CommandFailed: It is neither.
    """
    shortest, _, longest = text.partition("-")
    try:
        bounds = float(shortest), float(longest or shortest)
    except ValueError:
        bounds = 1.0, 0.0
    if not 0 <= bounds[0] <= bounds[1] < math.inf:
        raise CommandFailed(f"--run-seconds must be like 90 or 60-300, got {text}", ExitCode.USAGE)
    return bounds


def load_or_create(state: Path | None, settings: dict[str, Any]) -> Emulator:
    """Return an emulator that continues from a state file, or a new one if there is none yet.

    Raises:
        ValueError: The file holds no state, or a setting does not fit.
        OSError: The file can't be read.
    """
    return Emulator.load(state, **settings) if state and state.exists() else Emulator(**settings)


async def serve(
    server: Emulator, screen: Screen, state: Path | None = None, jobs: Collection[JobOfFile] = ()
) -> None:
    """Listen until cancelled.

    Args:
        server: The server to run.
        screen: The screen for its addresses and keys.
        state: The file of its state: written at the end, and at the beginning, so that a path that can't be written is refused
            before there is anything to lose.
        jobs: Jobs to create unless there is one of that name.

    Raises:
        CannotListen: The port is in use, the address is not one of this machine, or the log can't be written.
        CannotSave: The state can't be written.
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
        _create(server, jobs)
        _save(server, state)
        _greet(server, screen, state)
        names = {job.name for job in jobs}
        for job in server.state.jobs.values():
            if job.name in names:
                screen.say(f"job {job.job_id} is called {escaped(job.name)}")
        await asyncio.Event().wait()
    finally:
        await server.stop()
        _save(server, state)


def _create(server: Emulator, jobs: Collection[JobOfFile]) -> None:
    """Create the jobs that do not exist yet; the last of a name counts."""
    existing = {job.name for job in server.state.jobs.values()}
    for job in {job.name: job for job in jobs}.values():
        if job.name not in existing:
            job.create(server)


def _greet(server: Emulator, screen: Screen, state: Path | None) -> None:
    """Print addresses, keys and code that connect to the server."""
    connection = ConnectionInfo(server)
    screen.say(f"Data Flow emulator at {connection.url} (Ctrl-C stops it)", "bold")
    screen.say()
    screen.facts(
        {"page": f"{connection.url}/", "access key": server.access_key, "secret key": server.secret_key}
    )
    screen.say()
    if connection.environment:
        screen.say(connection.environment, "cyan")
        screen.say()
    screen.say(connection.python, "cyan")
    screen.say()
    if state is not None:
        screen.say(
            f"State is kept in {state}: {len(server.state.jobs)} jobs, {len(server.state.executions)} runs."
        )
    for fault in server.likeness:
        screen.say(f"like the account of the report: {fault}")
    for fact, why in server.not_imitated.items():
        screen.say(f"unlike that account: {escaped(fact)}; {why}", "yellow")
    for fault in server.faults:
        screen.say(f"fault: {fault}", "yellow")
    if server.log is not None:
        screen.say(f"events are appended to {server.log}")
    if server.allow_remote:
        screen.say("Other machines can reach it: anyone with these keys can call it.", "yellow")
        if connection.remote_python != connection.python:
            screen.say("From another machine, without encryption:")
            screen.say(connection.remote_python, "cyan")


def _save(server: Emulator, state: Path | None) -> None:
    if state is None:
        return
    try:
        server.save(state)
    except OSError as error:
        raise CannotSave(f"can't write the state to {state}: {error.strerror or error}") from None
