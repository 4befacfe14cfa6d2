"""Other forms of answers that are right: errors, dates, members, lists and headers as another service writes them."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.faults.base import Rewrites, choice, text, whole
from dataflow_async.emulator.faults.kinds.lists import LISTS
from dataflow_async.emulator.faults.kinds.rewrites import DATES, everywhere
from dataflow_async.emulator.service import dates

_AHEAD = dates.KST.utcoffset(None).total_seconds()
"""Seconds that local time is ahead of UTC."""
_TIMES = ("waitingTime", "runningTime")
_PLACEHOLDER_DATE = "2026-11-01T00:00:00.000+09:00"
_HEADER = r"x-[\w-]+"
"""Names of headers that change nothing of how an answer is read."""


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _code_of(body: object) -> str:
    """Return the code of an error in either envelope."""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    return str(error.get("errorCode") if isinstance(error, dict) else body.get("errorType", ""))


def _rows(body: object) -> list[Any]:
    """Return the rows of a list, of the dashboard too."""
    arrays = [it for it in body.values() if isinstance(it, list)] if isinstance(body, dict) else []
    return arrays[0] if arrays else []


@attrs.frozen
class ErrorForm(Rewrites):
    """Errors of one code have another status, envelope and code.

    See contract/notes.md#ruling-20 and contract/notes.md#ruling-96.
    """

    name = "error-form"
    of: str = text("not-found")
    """The code that the emulator gives: not-found, bad-parameter, bad-state, or a number of the gateway. Or what succeeds: all
    (``success``), a page with a limit of 0 (``limit-0``), more than a year of days (``long-period``)."""
    status: int = whole(400, 200, 599)
    form: str = choice(
        *("standardized", "gateway", "service", "responseError", "message", "spring", "page", "empty"),
        *("list", "array", "true", "false", "text"),
    )
    code: str = text("NotFound")
    """Empty for an envelope without a code."""
    number: str = choice("no", "yes")
    """Whether the code is a number."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change an error of that code, or such a success."""
        if not self._is_meant(answer):
            return answer
        return attrs.evolve(answer, status=self.status, body=self._body("Injected fault."))

    def _is_meant(self, answer: Answer) -> bool:
        body = answer.body
        if answer.status >= 400:
            return _code_of(body) == self.of
        if self.of == "limit-0":
            return isinstance(body, dict) and body.get("limit") == 0 and "list" in body
        return self.of == "success" or (self.of == "long-period" and len(_rows(body)) > defaults.LONG_PERIOD)

    def _body(self, message: str) -> Any:
        code: Any = int(self.code) if self.number == "yes" and self.code.isdigit() else self.code
        error = {"errorCode": code, "message": message} if self.code else {"message": message}
        bodies: dict[str, Any] = {
            "standardized": {"error": {**error, "detail": message, "fieldErrors": []}},
            "gateway": {"error": {**error, "details": message}},
            "service": {"detail": message, "errorType": code or None},
            "responseError": {"responseError": {"returnCode": code, "returnMessage": message}},
            "message": {"code": code or None, "message": message},
            "spring": {"timestamp": _PLACEHOLDER_DATE, "status": self.status, "error": "Error", "path": "/"},
            "page": b"<html><body>Error</body></html>",
            "empty": b"",
            "list": {"list": [], "count": 0, "page": 0, "limit": 0},
            "array": [],
            "true": True,
            "false": False,
            "text": b"Error",
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
    zone: str = choice("Z", "+00:00", "+09:00", "+0000", "+0900", "none", "epoch", "other")
    """``epoch`` writes milliseconds since the epoch, as a number; ``other`` writes a text that is no date."""
    digits: int = whole(3, 0, 9)
    after: str = choice("T", "space")
    """What separates day and time."""
    only: str = text("")
    """Names of members separated by commas; all dates if empty."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Write every date anew; the days of the dashboard are no dates of things."""
        return attrs.evolve(answer, body=everywhere(answer.body, self._written))

    def _written(self, members: dict[str, Any]) -> dict[str, Any]:
        if "totalCount" in members:
            return members
        names = frozenset(_names(self.only)) or DATES
        return {
            name: self._date(value) if name in names and isinstance(value, str) else value
            for name, value in members.items()
        }

    def _date(self, value: str) -> str | int:
        if self.zone == "other":
            return "a date"
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
    null_in: str = choice("every", "last")
    """Whether members are null in every row or in the last one."""
    within: str = text("")
    """The member whose object, or whose array of objects, is meant instead."""
    type: str = text("")
    """Only objects of this type are meant; all if empty."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the thing, or each row of the list."""
        body = answer.body
        if answer.status >= 400 or not isinstance(body, dict):
            return answer
        if isinstance(body.get("list"), list):
            return attrs.evolve(answer, body={**body, "list": self._changed_rows(body["list"])})
        if not self.within:
            return attrs.evolve(answer, body=self._changed(body, is_last=True))
        inner = body.get(self.within)
        if isinstance(inner, dict):
            return attrs.evolve(answer, body={**body, self.within: self._changed(inner, is_last=True)})
        if isinstance(inner, list):
            return attrs.evolve(answer, body={**body, self.within: self._changed_rows(inner)})
        return answer

    def _changed_rows(self, rows: list[Any]) -> list[Any]:
        return [self._changed(row, is_last=place == len(rows)) for place, row in enumerate(rows, 1)]

    def _changed(self, members: Mapping[str, Any], *, is_last: bool) -> Mapping[str, Any]:
        if self.type and members.get("type") != self.type:
            return members
        kept = {name: value for name, value in members.items() if name not in _names(self.drop)}
        added = {name: _PLACEHOLDER_DATE if name in DATES else "" for name in _names(self.add)}
        has_nulls = is_last or self.null_in == "every"
        return added | kept | (dict.fromkeys(_names(self.null)) if has_nulls else {})


@attrs.frozen
class MemberValues(Rewrites):
    """A member has other values, in turn where there are several rows.

    See contract/notes.md#ruling-94.
    """

    name = "member-values"
    member: str = text("status")
    values: str = text("OTHER")
    """JSON values or words, separated by commas."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the member of a thing, or of each row that has it."""
        body = answer.body
        if answer.status >= 300 or not isinstance(body, dict):
            return answer
        values = [_value(text) for text in _names(self.values)] or [""]
        if self.member in body:
            return attrs.evolve(answer, body={**body, self.member: values[0]})
        rows = [row for row in _rows(body) if isinstance(row, dict) and self.member in row]
        changed = {id(row): {**row, self.member: values[n % len(values)]} for n, row in enumerate(rows)}
        lists = {
            name: [changed.get(id(row), row) for row in value] if isinstance(value, list) else value
            for name, value in body.items()
        }
        return attrs.evolve(answer, body=lists)


def _value(text: str) -> Any:
    """Return the JSON value that a text is, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@attrs.frozen
class RunTimes(Rewrites):
    """Waiting and running times of runs have another unit.

    See contract/notes.md#ruling-78.
    """

    name = "run-times"
    unit: str = choice("seconds", "milliseconds", "text")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the times of a run, or of each row."""
        return attrs.evolve(answer, body=everywhere(answer.body, self._changed))

    def _changed(self, members: dict[str, Any]) -> dict[str, Any]:
        return members | {name: self._time(members[name]) for name in _TIMES if name in members}

    def _time(self, minutes: Any) -> Any:
        if isinstance(minutes, bool) or not isinstance(minutes, int | float):
            return minutes
        factors = {"seconds": 60, "milliseconds": 60_000}
        return minutes * factors[self.unit] if self.unit in factors else f"{minutes} min"


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
    names: str = text(
        "x-ncp-trace-id",
        rf"({_HEADER}(,{_HEADER})*)?",
        "names of headers that begin with x-, separated by commas",
    )
    """Separated by commas; none if empty."""

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
