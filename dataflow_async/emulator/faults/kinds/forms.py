"""Other forms of answers that are right: errors, dates, members, lists and headers as another service writes them."""

from collections.abc import Mapping
from random import Random
from typing import Any

import attrs

from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.faults.base import Rewrites, choice, text, whole
from dataflow_async.emulator.faults.kinds.lists import LISTS
from dataflow_async.emulator.faults.kinds.rewrites import DATES, everywhere
from dataflow_async.emulator.service import dates

_AHEAD = dates.KST.utcoffset(None).total_seconds()
"""Seconds that local time is ahead of UTC."""
_PLACEHOLDER_DATE = "2026-11-01T00:00:00.000+09:00"


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _code_of(body: object) -> str:
    """Return the code of an error in either envelope."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    return str(error.get("errorCode") if isinstance(error, dict) else body.get("errorType", ""))


@attrs.frozen
class ErrorForm(Rewrites):
    """Errors of one code have another status, envelope and code.

    See contract/notes.md#ruling-20 and contract/notes.md#ruling-96.
    """

    name = "error-form"
    of: str = text("not-found")
    """The code that the emulator gives: not-found, bad-parameter, bad-state, or a number of the gateway."""
    status: int = whole(400, 200, 599)
    form: str = choice(
        "standardized", "gateway", "service", "responseError", "message", "spring", "page", "empty", "list"
    )
    code: str = text("NotFound")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change an error of that code."""
        if answer.status < 400 or _code_of(answer.body) != self.of:
            return answer
        return attrs.evolve(answer, status=self.status, body=self._body(str(answer.body)))

    def _body(self, message: str) -> Any:
        error = {"errorCode": self.code, "message": message}
        bodies: dict[str, Any] = {
            "standardized": {"error": {**error, "detail": message, "fieldErrors": []}},
            "gateway": {"error": {**error, "details": message}},
            "service": {"detail": message, "errorType": self.code},
            "responseError": {"responseError": {"returnCode": self.code, "returnMessage": message}},
            "message": {"code": self.code, "message": message},
            "spring": {"timestamp": _PLACEHOLDER_DATE, "status": self.status, "error": "Error", "path": "/"},
            "page": b"<html><body>Error</body></html>",
            "empty": b"",
            "list": {"list": [], "count": 0, "page": 0, "limit": 0},
        }
        return bodies[self.form]


@attrs.frozen
class StatusCode(Rewrites):
    """Successes of one status have another one.

    See contract/notes.md#ruling-64.
    """

    name = "status-code"
    of: int = whole(202, 200, 299)
    status: int = whole(200, 200, 299)

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the status."""
        return attrs.evolve(answer, status=self.status) if answer.status == self.of else answer


@attrs.frozen
class DateForm(Rewrites):
    """Dates have another form: digits of a second's fraction, and a zone.

    See contract/notes.md#ruling-66.
    """

    name = "date-form"
    zone: str = choice("Z", "+00:00", "+09:00", "+0000", "+0900", "none", "epoch")
    """``epoch`` writes milliseconds since the epoch, as a number."""
    digits: int = whole(3, 0, 9)
    after: str = choice("T", "space")
    """What separates day and time."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Write every date anew; the days of the dashboard are no dates of things."""
        return attrs.evolve(answer, body=everywhere(answer.body, self._written))

    def _written(self, members: dict[str, Any]) -> dict[str, Any]:
        if "totalCount" in members:
            return members
        return {
            name: self._date(value) if name in DATES and isinstance(value, str) else value
            for name, value in members.items()
        }

    def _date(self, value: str) -> str | int:
        seconds = dates.parsed(value)
        if seconds is None:
            return value
        if self.zone == "epoch":
            return round(seconds * 1000)
        ahead = 0.0 if self.zone in {"Z", "+00:00", "+0000"} else _AHEAD
        local = dates.without_zone(seconds + ahead - _AHEAD)
        whole_seconds, _, fraction = local.partition(".")
        shown = f".{fraction:0<9}"[: self.digits + 1] if self.digits else ""
        if self.after == "space":
            whole_seconds = whole_seconds.replace("T", " ")
        return whole_seconds + shown + ("" if self.zone == "none" else self.zone)


@attrs.frozen
class Members(Rewrites):
    """Things and rows lack members, have others, or have them as null.

    See contract/notes.md#ruling-33 and contract/notes.md#ruling-68.
    """

    name = "members"
    drop: str = text("")
    """Names separated by commas, as in the others."""
    add: str = text("")
    null: str = text("")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the thing, or each row of the list."""
        body = answer.body
        if answer.status >= 400 or not isinstance(body, dict):
            return answer
        if isinstance(body.get("list"), list):
            return attrs.evolve(answer, body={**body, "list": [self._changed(row) for row in body["list"]]})
        return attrs.evolve(answer, body=self._changed(body))

    def _changed(self, members: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in members.items() if name not in _names(self.drop)}
        added = {name: _PLACEHOLDER_DATE if name in DATES else "" for name in _names(self.add)}
        return added | kept | dict.fromkeys(_names(self.null))


@attrs.frozen
class Envelope(Rewrites):
    """Lists have another name for their rows, and other members beside.

    See contract/notes.md#ruling-71 and contract/notes.md#ruling-1.
    """

    name = "list-envelope"
    concerns = LISTS
    rows: str = text("content")
    """Empty for an array without an envelope."""
    others: str = text("count,page,limit")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the envelope of a list."""
        body = answer.body
        if not isinstance(body, dict) or "list" not in body:
            return answer
        if not self.rows:
            return attrs.evolve(answer, body=body["list"])
        beside = {name: body.get(name, 0) for name in _names(self.others)}
        return attrs.evolve(answer, body={self.rows: body["list"], **beside})


@attrs.frozen
class JobStatus(Rewrites):
    """Jobs have these statuses, in turn, separated by commas.

    See contract/notes.md#ruling-63.
    """

    name = "job-status"
    concerns = frozenset({"getJobs", "getJobById"})
    values: str = text("READY,RUNNING")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the status of a job, or of each row."""
        body, values = answer.body, _names(self.values) or [""]
        if not isinstance(body, dict) or answer.status >= 400:
            return answer
        rows = body.get("list")
        if not isinstance(rows, list):
            return attrs.evolve(answer, body={**body, "status": values[0]})
        changed = [{**row, "status": values[place % len(values)]} for place, row in enumerate(rows)]
        return attrs.evolve(answer, body={**body, "list": changed})


@attrs.frozen
class TraceHeaders(Rewrites):
    """Answers have trace headers of these names instead of the usual one.

    See contract/notes.md#ruling-19.
    """

    name = "trace-headers"
    names: str = text("x-ncp-trace-id")
    """Separated by commas."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:
        """Add headers; the usual one is left out by an empty text."""
        values = {name: f"{chance.getrandbits(64):016x}" for name in _names(self.names)}
        return attrs.evolve(answer, headers={"x-ncp-apigw-request-id": "", **answer.headers, **values})


@attrs.frozen
class KeepAlive(Rewrites):
    """Answers announce how long idle connections are kept; 0 closes them.

    See contract/notes.md#ruling-98.
    """

    name = "keep-alive"
    seconds: int = whole(5, 0)

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Add the header."""
        kept = {"Connection": "keep-alive", "Keep-Alive": f"timeout={self.seconds}"}
        return attrs.evolve(
            answer, headers={**answer.headers, **(kept if self.seconds else {"Connection": "close"})}
        )
