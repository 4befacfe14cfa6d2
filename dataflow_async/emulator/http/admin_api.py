"""The control path ``/_emulator/``: faults, history and test controls over HTTP; it is not part of the emulated API.

=======  =============================================  ===============================================================
GET      ``/_emulator/faults``                          the faults
POST     ``/_emulator/faults``                          add faults: ``{"text": ...}``, or the arguments of `FaultPlan.add`
DELETE   ``/_emulator/faults``                          remove them all
GET      ``/_emulator/history?since=N``                 the events after number N, as JSON Lines
GET      ``/_emulator/status``                          counts of jobs, runs and events
POST     ``/_emulator/executions/{id}/finish``          end a run now; also ``fail`` and ``cancel``
=======  =============================================  ===============================================================

It needs no signature, so it serves only this machine (unless the server allows remote callers). A browser on this machine may show
a page of another origin; such a page is refused by its ``Origin`` and, if its name resolves to this machine (DNS rebinding), by
its ``Host``.
"""

import ipaddress
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from dataflow_async.emulator import defaults
from dataflow_async.emulator.core import Core
from dataflow_async.emulator.faults.plan import Fault, described

PREFIX = "/_emulator"
MEMBERS = ("operation", "probability", "count", "requests", "when", "details")
"""Members of a fault beside its kind."""
ENDINGS = ("finish", "fail", "cancel")

AdminHandler = Callable[[Core, web.BaseRequest], Awaitable[web.Response]]


class Refusal(Exception):
    """Ends a request to the control path with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def guarded(
    server: Core, handler: AdminHandler, request: web.BaseRequest, *, allow_remote: bool
) -> web.Response:
    """Run a handler of the control path for permitted clients, and refuse others."""
    try:
        _check_client(request, allow_remote=allow_remote)
        return await handler(server, request)
    except Refusal as refused:
        return web.json_response({"error": str(refused)}, status=refused.status)


def _check_client(request: web.BaseRequest, *, allow_remote: bool) -> None:
    if not allow_remote and not _is_ip(request.remote, loopback=True):
        raise Refusal(
            403, "Only this machine may use the control path, unless the server has allow_remote=True."
        )
    host = urlsplit(f"//{request.host}").hostname
    if host != "localhost" and not _is_ip(host):
        raise Refusal(403, f"Host must be an IP address or localhost, got {request.host!r}.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        raise Refusal(403, f"A page of {origin!r} may not use the control path.")


def is_loopback(remote: str | None) -> bool:
    """Return whether a client is on this machine."""
    return _is_ip(remote, loopback=True)


def _is_ip(text: str | None, *, loopback: bool = False) -> bool:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return False
    return address.is_loopback or not loopback


async def _json(request: web.BaseRequest) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Refusal(415, "The Content-Type must be application/json.")
    try:
        content = await request.json()
    except (ValueError, RecursionError):
        raise Refusal(400, "The body must be JSON.") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(413, "The body is too large.") from None
    if not isinstance(content, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return content


# --- handlers ---------------------------------------------------------------------------------------------------------


def _all_faults(server: Core) -> web.Response:
    return web.json_response({"text": str(server.faults), "faults": [described(it) for it in server.faults]})


async def _get_faults(server: Core, _request: web.BaseRequest) -> web.Response:
    return _all_faults(server)


async def _add_faults(server: Core, request: web.BaseRequest) -> web.Response:
    content = await _json(request)
    try:
        added = _added(server, content)
    except (ValueError, TypeError) as error:
        raise Refusal(400, str(error)) from None
    return web.json_response({"added": [described(fault) for fault in added]}, status=201)


def _added(server: Core, content: dict[str, Any]) -> list[Fault]:
    match content:
        case {"text": str(text)} if len(content) == 1:
            return server.faults.parse(text)
        case {"text": _}:
            raise ValueError("text must be a string and the only member")
        case {"kind": str(), **rest} if isinstance(rest.get("details", {}), dict):
            if unknown := rest.keys() - MEMBERS:
                raise ValueError(f"members must be text, or kind, {', '.join(MEMBERS)}, got {min(unknown)!r}")
            details = rest.pop("details", {})
            return [server.faults.add(content["kind"], **{**details, **rest})]
    raise ValueError("kind must be the name of a kind of fault, and details an object")


async def _clear_faults(server: Core, _request: web.BaseRequest) -> web.Response:
    server.faults.clear()
    return _all_faults(server)


async def _get_history(server: Core, request: web.BaseRequest) -> web.Response:
    since = request.query.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        raise Refusal(400, f"since must be a whole number, 0 or more, got {since!r}.")
    return web.Response(text=server.history.to_jsonl(int(since)), content_type="application/x-ndjson")


async def _get_status(server: Core, _request: web.BaseRequest) -> web.Response:
    state = server.state
    now = state.settle()
    statuses = Counter(str(it.lifecycle.status(now)) for it in state.executions.values())
    newest = list(state.jobs.values())[-defaults.MAX_STATUS_JOBS :][::-1]
    return web.json_response(
        {
            "time": now,
            "speed": server.speed,
            "faults": str(server.faults),
            "counts": {
                "jobs": len(state.jobs),
                "workflows": len(state.workflows),
                "triggers": len(state.triggers),
                "executions": len(state.executions),
            },
            "executions": statuses,
            "jobs": [
                {"jobId": job.job_id, "name": job.name, "executions": len(job.executions)} for job in newest
            ],
            "history": {"last": server.history.last, "dropped": server.history.dropped},
        },
        dumps=json.dumps,
    )


async def _run_or_not_found(server: Core, request: web.BaseRequest) -> web.Response:
    match request.method, request.path.removeprefix(PREFIX).split("/"):
        case "POST", ["", "executions", execution_id, ending]:
            return _end_execution(server, execution_id, ending)
    paths = "faults, history, status, executions/{id}/finish, fail or cancel"
    raise Refusal(404, f"There is no {request.method} {request.path}; under {PREFIX}/ there are: {paths}.")


def _end_execution(server: Core, execution_id: str, ending: str) -> web.Response:
    if ending not in ENDINGS:
        raise Refusal(404, f"The last step of the path must be {', '.join(ENDINGS)}, got {ending}.")
    job_id, status = end_execution(server, execution_id, ending)
    return web.json_response({"jobId": job_id, "jobExecutionId": execution_id, "status": status})


def end_execution(server: Core, execution_id: str, ending: str) -> tuple[str, str]:
    """End a run now, and return the id of its job and its status.

    Args:
        server: The server of the run.
        execution_id: The run.
        ending: One of `ENDINGS`.

    Raises:
        Refusal: There is no such run, or it has ended before.
    """
    end: Callable[[str], bool] = getattr(server, ending)
    try:
        ended = end(execution_id)
    except LookupError:
        raise Refusal(404, f"No run has the id {execution_id}.") from None
    execution = server.state.executions[execution_id]
    status = str(execution.lifecycle.status(server.state.settle()))
    if not ended:
        raise Refusal(409, f"{execution_id} has ended before: {status}.")
    return execution.job_id, status


HANDLERS: dict[tuple[str, str], AdminHandler] = {
    ("GET", f"{PREFIX}/faults"): _get_faults,
    ("POST", f"{PREFIX}/faults"): _add_faults,
    ("DELETE", f"{PREFIX}/faults"): _clear_faults,
    ("GET", f"{PREFIX}/history"): _get_history,
    ("GET", f"{PREFIX}/status"): _get_status,
}
"""Handlers by method and path."""


def handler_of(method: str, path: str) -> AdminHandler | None:
    """Return the handler of a request, or None if its path is not on the control path."""
    return HANDLERS.get((method, path)) or (_run_or_not_found if path.startswith(f"{PREFIX}/") else None)
