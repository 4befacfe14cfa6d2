"""What a connection of Airflow says about the service, fetched once for each connection and process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

from dataflow_async import defaults
from dataflow_async.airflow.in_flight import InFlight
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.credentials import Credentials, CredentialsChain, flaw
from dataflow_async.errors import CredentialsError
from dataflow_async.key_source import KeySource
from dataflow_async.models import checks
from dataflow_async.wire.signature import Keys


class AirflowConnection(Protocol):
    """What is read of an Airflow connection, of the task SDK or of the database."""

    conn_id: Any
    host: Any
    port: Any
    login: Any
    password: Any
    extra: Any


@frozen
class ConnectionSettings:
    """What a connection says.

    Attributes:
        conn_id: Its id; None for no connection: environment, profile file and server role are searched.
        keys: Its login and password, if it has any; never shown.
        base_url: Address of the service; None for that of the environment, or the public one.
        profile: Section of the profile file, for a connection without keys.
        allow_insecure_http: Whether the address may be ``http:`` off loopback.
        console_url: Where the link of a task to the console leads; None for the console itself.
        log_url: Where the link of a task to the log of its run leads; None for its address in Object Storage.
    """

    conn_id: str | None = None
    keys: Credentials | None = field(default=None, repr=False)
    base_url: str | None = None
    profile: str | None = None
    allow_insecure_http: bool = False
    console_url: str | None = None
    log_url: str | None = None

    @classmethod
    def of(cls, connection: AirflowConnection) -> ConnectionSettings:
        """Return the settings that an Airflow connection holds.

        Raises:
            CredentialsError: It has one key and not the other, a malformed key, or an unreadable extra.
        """
        try:
            return _settings(connection)
        except CredentialsError as error:
            problem = str(error)
        del connection  # the frames of an error must not hold a key: some tools print them
        raise CredentialsError(problem)


class Connections:
    """The settings of connections.

    Always true: at most one request for a connection is in flight in an event loop, or in the threads of a process, and a
    result is kept for ``defaults.CONNECTION_TTL``. Requests of a triggerer are answered one after the other: a thousand
    triggers that start at once would wait for a minute and more.

    Args:
        fetch: Returns a connection, blocking; for workers.
        afetch: Returns a connection without blocking; for triggerers.
        clock: Time.
    """

    def __init__(
        self,
        fetch: Callable[[str], AirflowConnection],
        afetch: Callable[[str], Awaitable[AirflowConnection]],
        *,
        clock: Clock | None = None,
    ) -> None:
        self._fetch = fetch
        self._afetch = afetch
        self._clock = clock or SystemClock()
        self.forget()

    def forget(self) -> None:
        """Begin anew, as in a process that was forked: what is in flight belongs to its parent."""
        self._kept: dict[str, tuple[ConnectionSettings, float]] = {}
        self._in_flight: InFlight[str, ConnectionSettings] = InFlight()
        self._lock = threading.Lock()

    def get(self, conn_id: str | None) -> ConnectionSettings:
        """Return the settings of a connection; blocks while it is looked up.

        Raises:
            CredentialsError: It is not defined, can't be looked up, or is malformed.
        """
        if conn_id is None:
            return ConnectionSettings()
        _check_id(conn_id)
        with self._lock:
            if (kept := self._at_hand(conn_id)) is not None:
                return kept
            try:
                return self._keep(ConnectionSettings.of(self._fetch(conn_id)))
            except CredentialsError:
                raise
            except Exception as error:  # noqa: BLE001  # backends of secrets are anybody's code
                raise _not_found(conn_id, error) from None

    async def aget(self, conn_id: str | None) -> ConnectionSettings:
        """Return the settings of a connection; requests that fail are repeated for some seconds.

        Raises:
            CredentialsError: As `get`.
        """
        if conn_id is None:
            return ConnectionSettings()
        _check_id(conn_id)
        if (kept := self._at_hand(conn_id)) is not None:
            return kept
        return await self._in_flight.get(conn_id, lambda: self._asked(conn_id))

    async def renewed(self, conn_id: str, refused: Keys) -> ConnectionSettings:
        """Return the settings of a connection whose keys were refused: looked up again unless that was done meanwhile.

        Raises:
            CredentialsError: As `get`.
        """
        kept = self._at_hand(conn_id)
        if kept is not None and kept.keys == refused:
            del self._kept[conn_id]
        return await self.aget(conn_id)

    async def _asked(self, conn_id: str) -> ConnectionSettings:
        for pause in (*defaults.CONNECTION_RETRY_PAUSES, None):
            try:
                async with asyncio.timeout(defaults.CONNECTION_TIMEOUT):
                    return self._keep(ConnectionSettings.of(await self._afetch(conn_id)))
            except CredentialsError:
                raise
            except Exception as error:  # noqa: BLE001  # a restarting API server is reported as "not defined" as well
                if pause is None or isinstance(error, PermissionError):
                    raise _not_found(conn_id, error) from None
                await self._clock.sleep(pause)
        raise AssertionError  # pragma: no cover  # the last pause is None

    def _at_hand(self, conn_id: str) -> ConnectionSettings | None:
        settings, until = self._kept.get(conn_id, (None, 0.0))
        return settings if self._clock.monotonic() < until else None

    def _keep(self, settings: ConnectionSettings) -> ConnectionSettings:
        if settings.conn_id is not None:
            self._kept[settings.conn_id] = settings, self._clock.monotonic() + defaults.CONNECTION_TTL
        return settings


class ConnectionKeys:
    """The keys of a connection, as a key source: after a refusal the connection is looked up again, keys may be rotated."""

    def __init__(self, connections: Connections, settings: ConnectionSettings) -> None:
        self._connections = connections
        self._settings = settings

    async def get(self) -> Keys:
        """Return the keys as they were looked up last.

        Raises:
            CredentialsError: The connection has no keys any more.
        """
        if self._settings.keys is None:
            raise CredentialsError(
                f"connection {self._settings.conn_id!r} has no login and password any more"
            )
        return self._settings.keys

    async def renew(self, refused: Keys) -> Keys:
        """Return the keys that the connection has now.

        Raises:
            CredentialsError: It can't be looked up, or has no keys any more.
        """
        if self._settings.conn_id is not None:
            self._settings = await self._connections.renewed(self._settings.conn_id, refused)
        return await self.get()


def key_source(connections: Connections, settings: ConnectionSettings) -> KeySource | None:
    """Return where the keys of a connection come from: itself, else a profile, else None for the client's own search."""
    if settings.keys is not None:
        return ConnectionKeys(connections, settings)
    return None if settings.profile is None else CredentialsChain(settings.profile)


def _check_id(conn_id: object) -> None:
    if not (isinstance(conn_id, str) and conn_id):
        raise CredentialsError(
            f"conn_id must be the id of a connection, or None, got {checks.shown(conn_id)}"
        )


def _not_found(conn_id: str, error: Exception) -> CredentialsError:
    return CredentialsError(
        f"connection {conn_id!r} can't be looked up ({type(error).__name__}: {str(error) or 'no answer in time'}): define it in Airflow, or pass"
        " conn_id=None to use the keys of the environment, a profile file or a server role"
    )


def _settings(connection: AirflowConnection) -> ConnectionSettings:
    name = str(connection.conn_id)
    extra = _extra(name, connection.extra)
    login, password = connection.login or None, connection.password or None
    if problem := _flaw(login, password):
        raise CredentialsError(f"connection {name!r}: {problem}")
    return ConnectionSettings(
        conn_id=name,
        keys=None if login is None or password is None else Credentials(login, password),
        base_url=_text(name, extra, "base_url") or _address(connection),
        profile=_text(name, extra, "profile"),
        allow_insecure_http=_flag(name, extra, "allow_insecure_http"),
        console_url=_text(name, extra, "console_url"),
        log_url=_text(name, extra, "log_url"),
    )


def _flaw(login: Any, password: Any) -> str:
    """Return what is wrong with the keys of a connection, without showing them, or an empty text."""
    if (login is None) != (password is None):
        return "it must have a login (access key) and a password (secret key), or neither, got one of them"
    return "" if login is None else flaw(login, password)


def _extra(name: str, extra: object) -> Mapping[str, Any]:
    """Return the members of the extra field, which may hold keys of other kinds: nothing of it is shown."""
    if extra is None or extra == "":
        return {}
    try:
        members = json.loads(extra) if isinstance(extra, str) else extra
    except ValueError:
        members = None
    if not isinstance(members, Mapping):
        raise CredentialsError(f"the extra field of connection {name!r} must be a JSON object")
    return members


def _text(name: str, extra: Mapping[str, Any], member: str) -> str | None:
    value = extra.get(member)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise CredentialsError(
            f"{member} in the extra field of connection {name!r} must be text, got {checks.shown(value)}"
        )
    return value


def _flag(name: str, extra: Mapping[str, Any], member: str) -> bool:
    """Return a switch; forms and environment variables give it as text."""
    value = extra.get(member)
    text = "false" if value is None else str(value).strip().lower()
    if text not in {"true", "false", ""}:
        raise CredentialsError(
            f"{member} in the extra field of connection {name!r} must be true or false, got {checks.shown(value)}"
        )
    return text == "true"


def _address(connection: AirflowConnection) -> str | None:
    """Return the address that the host and port of a connection name, for who fills these rather than ``base_url``."""
    host = connection.host or None
    if host is None:
        return None
    address = str(host) if "://" in str(host) else f"https://{host}"
    return f"{address}:{connection.port}" if connection.port else address
