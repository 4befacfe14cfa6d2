"""The page over HTTP: ``/`` shows it, and its forms and files are on the control path, whose rules apply to all of it.

The name of a form's button is the action. The answer is a redirect to the page (303), or the page with the reason of a
refusal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from dataflow_async.emulator.api.checks import Invalid
from dataflow_async.emulator.api.request_schemas import RESOURCE_NAME
from dataflow_async.emulator.core import Core
from dataflow_async.emulator.http import admin_api
from dataflow_async.emulator.http.admin_api import AdminHandler, Refusal
from dataflow_async.emulator.ui.elements import FORMS, address
from dataflow_async.emulator.ui.page_model import PageModel, Selection
from dataflow_async.emulator.ui.render import ASSETS, render

POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("style", "script", "connect", "img")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy: a browser loads and runs only the page's own files, and no script inside the page."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


async def _show(server: Core, request: web.BaseRequest) -> web.Response:
    return _page(server, request)


async def _asset(_server: Core, request: web.BaseRequest) -> web.Response:
    name = request.path.rpartition("/")[2]
    data = Path(__file__).with_name(name).read_bytes()
    return web.Response(body=data, content_type=ASSETS[name], charset="utf-8", headers=HEADERS)


async def _do(server: Core, request: web.BaseRequest) -> web.Response:
    if (
        "Origin" not in request.headers
    ):  # every browser sends one with a form; other clients use the control path
        raise Refusal(403, "A form must come from the page, with its Origin header.")
    selection, fields = _selection(request), await _fields(request)
    try:
        _perform(server, fields)
    except Refusal as refusal:
        return _page(server, request, refusal.status, str(refusal), fields.get("add", ""))
    return web.Response(status=303, headers={**HEADERS, "Location": address("/", selection)})


def _perform(server: Core, fields: Mapping[str, str]) -> None:
    """Perform the action of a form.

    Raises:
        Refusal: It can't be done.
    """
    match fields:
        case {"add": spec}:
            _add(server, spec)
        case {"remove": number}:
            _remove(server, number)
        case {"clear": _}:
            server.faults.clear()
        case {"finish": run} | {"fail": run} | {"cancel": run}:
            admin_api.end_execution(server, run, next(it for it in admin_api.ENDINGS if it in fields))
        case {"create": name}:
            _create(server, name)
        case {"launch": job}:
            _launch(server, job)
        case _:
            raise Refusal(
                400, "A form has one field: finish, fail, cancel, add, remove, clear, create or launch."
            )


def _add(server: Core, spec: str) -> None:
    try:
        added = server.faults.parse(spec)
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    if not added:
        raise Refusal(400, "At least one fault is needed, for example: executeJob reset after 5%")


def _remove(server: Core, number: str) -> None:
    for fault in server.faults:
        if str(fault.number) == number:
            return server.faults.remove(fault)
    raise Refusal(404, f"There is no fault {number} any more.")


def _create(server: Core, name: str) -> None:
    try:
        RESOURCE_NAME(name.strip())
    except Invalid as wrong:
        raise Refusal(400, str(wrong.under("A name"))) from None
    server.create_job(name.strip())


def _launch(server: Core, job: str) -> None:
    try:
        server.launch(job)
    except LookupError:
        raise Refusal(404, f"No job has the id {job}.") from None
    except RuntimeError as error:
        raise Refusal(409, f"{error}.") from None


async def _fields(request: web.BaseRequest) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refusal(415, "The Content-Type must be application/x-www-form-urlencoded.")
    try:
        form = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(413, "The form is too large.") from None
    except (ValueError, LookupError):
        raise Refusal(400, "The form can't be read.") from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _selection(request: web.BaseRequest) -> Selection:
    return Selection(request.query.get("status", ""), request.query.get("find", ""))


def _page(server: Core, request: web.BaseRequest, status: int = 200, *texts: Any) -> web.Response:
    url = f"http://{request.host}" if admin_api.is_loopback(request.remote) else None
    html = render(PageModel.of(server, _selection(request), url), *texts)
    # a name may contain half of a surrogate pair, which UTF-8 can't encode
    body = html.encode("utf-8", "replace")
    return web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


HANDLERS: dict[tuple[str, str], AdminHandler] = {
    ("GET", "/"): _show,
    ("POST", FORMS): _do,
    **{("GET", f"{FORMS}/{name}"): _asset for name in ASSETS},
}
"""Handlers by method and path."""


def handler_of(method: str, path: str) -> AdminHandler | None:
    """Return the handler of a request under the rules of the control path, or None if it is not for the page."""
    return HANDLERS.get((method, path))
