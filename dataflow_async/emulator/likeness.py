"""Makes an emulator behave as an account does, by the report of a probe (``dataflow-async probe``).

The report's facts become faults that are always injected, settings, and a sample account: as many things and runs as are
needed to show what the report shows.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.auth import WINDOW
from dataflow_async.emulator.faults.plan import NAMES, FaultPlan
from dataflow_async.emulator.service.state import ALPHABET

FORMAT = "dataflow_async probe"
VERSION = 1
"""The version of reports that can be read."""
LISTS = {
    "jobs": "getJobs",
    "runs": "getJobExecutions",
    "workflows": "getWorkflows",
    "workflow runs": "getWorkflowExecutions",
    "triggers": "getTriggers",
}
"""Lists of a report, with the call of each."""
THINGS = {
    "job": "getJobById",
    "run": "getJobExecutionById",
    "workflow": "getWorkflowById",
    "trigger": "getTriggerById",
}
"""Single things of a report, with the call of each."""
_RUN = (
    "jobExecutionId jobId jobName jobCondition status createdDate startDate endDate triggerId triggerName waitingTime "
    "runningTime executorNum parsedParameters type"
)
_MEMBERS = {
    "jobs": "jobId name type status createdDate updatedDate resourceId disabled lastExecutionStatus lastExecutionDate",
    "runs": _RUN,
    "workflow runs": _RUN,
    "run": _RUN,
    "job": "jobId name type status maxConcurrentRuns nodes jobCondition createdDate updatedDate lastExecutionStatus "
    "lastExecutionDate runCondition runCondtion",
    "workflows": "workflowId name nodes createdDate updatedDate triggerRuleType lastExecutionDate resourceId disabled",
    "workflow": "workflowId name nodes createdDate updatedDate",
    "triggers": "triggerId name type triggerRule createdDate updatedDate",
    "trigger": "triggerId name type triggerRule createdDate updatedDate",
}
"""Members that the emulator shows by itself, some of them only where they have a value."""
_REFUSALS = (
    ("launch: cancel of an ended run", "bad-state", "400 service bad-state", ("cancelJobExecution",)),
    ("answer: jobs: limit 0", "bad-parameter", "400 service bad-parameter", ("getJobs",)),
    ("answer: triggers: limit 0", "limit-0", "200 object", ("getTriggers",)),
    ("answer: counts by day: long period", "long-period", "200 object", ("getExecutionInterval",)),
    ("answer: unknown job", "not-found", "404 service not-found", ("getJobById",)),
    ("answer: unknown run", "not-found", "404 service not-found", ("getJobExecutionById",)),
    ("answer: unknown workflow", "not-found", "404 service not-found", ("getWorkflowById",)),
    ("answer: unknown trigger", "not-found", "404 service not-found", ("getTriggerById",)),
    ("answer: page that is no number", "bad-parameter", "400 service bad-parameter", None),
    ("answer: unknown job", "not-found", "404 service not-found", None),
    ("answer: no signature", "200", "401 gateway 200", None),
    ("answer: unknown path", "300", "404 gateway 300", None),
    ("answer: counts", "success", "200 object", ("getExecutionResult",)),
    ("answer: counts by day", "success", "200 object", ("getExecutionInterval",)),
    ("answer: times", "success", "200 object", ("getExecutionTimes",)),
    ("answer: job", "success", "200 object", ("getJobById",)),
)
"""Answers of a report: what of the emulator's becomes them, what it answers by itself, and its calls; None for all the others."""
_ANSWER = re.compile(
    r"(?P<status>\d{3}) (?P<form>service|gateway|standardized|responseError|code and message|spring|page|empty|object|array"
    r"|true|false|text|error)( (?P<code>no code|[\w-]+))?(?P<numeric> as a number)?"
)
_FORMS = {"object": "list", "code and message": "message", "error": "service"}
_DATE = re.compile(r"(\d) digits (no zone|Z|\+09:?00|\+00:?00)( after a space)?")
_DATES = ("createdDate", "updatedDate", "startDate", "endDate", "lastExecutionDate")
_OF_RUNS = frozenset({"lastExecutionStatus", "lastExecutionDate"})
_OF_TRIGGERS = frozenset({"triggerId", "triggerName", "triggerRuleType"})
_KINDS = {
    "true or false": "false",
    "text": "no",
    "number": "0",
    "object": "{}",
    "array": "[]",
    "null": "null",
}
"""A JSON value of each kind."""
_ORDERS = {"newest first": "newest", "oldest first": "oldest", "no order": "swapped"}
_COUNTS = {"rows in all": "total", "other": "nothing"}
_ID = re.compile(r"(\d+) (letters and digits|digits|hex)")
_ALPHABETS = {"letters and digits": ALPHABET, "digits": "0123456789", "hex": "0123456789abcdef"}

Like = Mapping[str, Any] | str | os.PathLike[str]
"""A report, or the path of its file."""


@attrs.frozen
class Likeness:
    """What an emulator takes from a report."""

    facts: Mapping[str, Any]

    @classmethod
    def read(cls, like: Like) -> "Likeness":
        """Return the likeness of a report.

        Raises:
            OSError: The file can't be read.
            ValueError: It is no report, or one of another version.
        """
        report: Any = like
        if not isinstance(like, Mapping):
            try:
                report = json.loads(Path(like).read_bytes())
            except (ValueError, RecursionError):
                report = None
        if not isinstance(report, Mapping) or report.get("format") != FORMAT:
            raise ValueError("like must be the report of a probe, got something else")
        if report.get("version") != VERSION or not isinstance(report.get("facts"), Mapping):
            raise ValueError(
                f"like must be a report of version {VERSION}, got version {report.get('version')!r}"
            )
        return cls(report["facts"])

    def word(self, name: str) -> str:
        """Return a fact that is a text; empty if it is none."""
        value = self.facts.get(name)
        return value if isinstance(value, str) else ""

    def words(self, name: str) -> list[str]:
        """Return the texts of a fact that is a list, without empty ones; none if it is something else."""
        value = self.facts.get(name)
        return [it for it in value if isinstance(it, str) and it] if isinstance(value, list) else []

    def number(self, name: str) -> int:
        """Return a fact that is a number, 0 or more; 0 if it is none."""
        value = self.facts.get(name)
        return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0

    @property
    def signature_window(self) -> float:
        """How far a timestamp may be off, seconds."""
        accepted = self.word("signature: accepted")
        if "600" in accepted:
            return math.inf
        return WINDOW if "240" in accepted or not accepted else defaults.NARROW_WINDOW

    @property
    def idle_limit(self) -> float:
        """After how long an idle connection is closed, seconds: so that it was still open when a probe had held it for less."""
        seen = re.fullmatch(r"closed within (\d{1,6}(\.\d+)?) s.*", self.word("connection: kept idle"))
        return defaults.IDLE_LIMIT if seen is None else _before(float(seen[1]))

    @property
    def aliases(self) -> dict[str, str]:
        """Paths that are served as others (contract/notes.md#ruling-5)."""
        older, newer = "/api/v1/stats/execution-times", "/api/v1/stats/executions-times"
        if not self.word("answer: times: newer path").startswith("2"):
            return {}
        is_moved = not self.word("answer: times").startswith("2")
        return {newer: older, **({older: "/api/v1/nowhere"} if is_moved else {})}

    @property
    def seconds(self) -> dict[str, tuple[float, float]]:
        """How long runs wait and work, as arguments of an emulator; absent where the report does not show it."""
        facts = {"ready_seconds": "launch: ready seconds", "run_seconds": "launch: run seconds"}
        return {
            name: (float(self.number(fact)), float(self.number(fact)))
            for name, fact in facts.items()
            if self.facts.get(fact) is not None
        }

    def new_id(self, random: Random, kind: str = "jobs") -> str:
        """Return an id of the shape that this kind of things has."""
        shapes = self.words(f"{kind}: ids") or self.words("jobs: ids") or self.words("runs: ids")
        shape = random.choice(shapes) if shapes else "12 letters and digits"
        if shape == "uuid":
            digits = f"{random.getrandbits(128):032x}"
            return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        if shape == "other":
            return f"id-{random.getrandbits(48):012x}"
        match = _ID.fullmatch(shape)
        length, name = (int(match[1]), match[2]) if match else (0, "letters and digits")
        length = length if defaults.SAMPLE_ID_MIN <= length <= defaults.SAMPLE_ID_MAX else len("Jq3kT9vLmN2x")
        # The first letter shows which of the three it is: digits alone might be any.
        first = {"digits": "7", "hex": "a", "letters and digits": "Z"}[name]
        return first + "".join(random.choices(_ALPHABETS[name], k=length - 1))

    def plan(self, seed: int) -> FaultPlan:
        """Return the faults that make every answer one of this account; what no fault can make is left as it is."""
        plan = FaultPlan(seed)
        for operation, kind, details in self._faults():
            with suppress(ValueError):
                plan.add(kind, operation=operation or None, **details)
        return plan

    def _faults(self) -> Iterator[tuple[str | tuple[str, ...], str, dict[str, Any]]]:
        """Yield operation, kind and details; the order is that in which they change an answer."""
        for name, operation in LISTS.items():
            yield from self._list(name, operation)
        yield from self._reads()
        yield from self._launches()
        for name, operation in (LISTS | THINGS).items():
            yield from self._members(name, operation)
        yield from self._inner_members()
        yield from self._values()
        for name, operation in (LISTS | THINGS).items():
            yield from self._dates(name, operation)
        yield from self._refusals()
        for name, operation in LISTS.items():
            yield from self._envelope(name, operation)
        yield from self._headers()

    def _list(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        if order := _ORDERS.get(self.word(f"{name}: order")):
            yield operation, "list-order", {"order": order}
        if cap := self.number(f"{name}: cap"):
            yield operation, "page-cap", {"rows": cap}
        if counted := _COUNTS.get(self.word(f"{name}: count")):
            yield operation, "list-count", {"of": counted}
        if self.word(f"{name}: page 1") == "repeats page 0":
            yield operation, "page-base", {"first": 1}

    def _reads(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        if (values := self.words("jobs: statuses") or ["READY"]) != ["READY"]:
            yield "", "job-status", {"values": ",".join(values)}
        if (name := self.word("job: settings")) in {"runCondition", "runCondtion"}:
            yield "getJobById", "old-shape", {"form": name}
        if self.word("answer: run in progress").startswith("200"):
            yield "getJobExecutionById", "status-code", {"of": 202, "status": 200}
        unit = self.word("run: running time")
        if unit in {"seconds", "milliseconds", "other"}:
            yield "", "run-times", {"unit": "text" if unit == "other" else unit}

    def _launches(self) -> Iterator[tuple[str | tuple[str, ...], str, dict[str, Any]]]:
        launched = self.word("launch: answer")
        if launched[:3] in {"200", "201"}:
            yield "executeJob", "status-code", {"of": 202, "status": int(launched[:3])}
        echo = self.word("launch: parameters")
        if echo in {"once running", "never"}:
            yield "", "no-echo", {"until": "ever" if echo == "never" else "running"}
        for fact, operation in (("found after", "getJobExecutionById"), ("listed after", "getJobExecutions")):
            if seconds := re.fullmatch(r"(\d{1,6}) s", self.word(f"launch: {fact}")):
                yield operation, "late", {"seconds": int(seconds[1])}
        hours = re.fullmatch(r"(-?\d{1,2}) h", self.word("launch: date off"))
        if hours and int(hours[1]):
            things = (*LISTS.values(), *THINGS.values(), "executeJob")
            yield things, "dates", {"shift": int(hours[1]) * 3600}

    def _members(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        seen = self.words(f"{name}: members")
        if not seen:
            return
        own, missing = _MEMBERS[name].split(), self._without_source()
        nulls = self.words(f"{name}: nulls")
        yield from _changed(
            operation,
            drop=[it for it in own if it not in seen],
            add=[it for it in seen if it not in own or it in missing],
            null=[it for it in nulls if self._is_null_everywhere(name, it)],
        )
        yield from _changed(
            operation, null=[it for it in nulls if not self._is_null_everywhere(name, it)], null_in="last"
        )

    def _without_source(self) -> frozenset[str]:
        """Return members that the sample account would lack although the report has seen them."""
        has_runs = self.number("runs: rows") or self.number("workflow runs: rows")
        return (frozenset() if has_runs else _OF_RUNS) | (
            frozenset({"triggerRuleType"}) if self.number("triggers: rows") else _OF_TRIGGERS
        )

    def _is_null_everywhere(self, name: str, member: str) -> bool:
        """Return whether a member was null in every row: then no row shows its value."""
        facts = {
            "status": "statuses",
            "type": "types",
            "lastExecutionStatus": "last statuses",
            "disabled": "disabled",
        }
        if member in _DATES:
            return not self.words(f"{name}: dates")
        return member in facts and name in LISTS and not self.words(f"{name}: {facts[member]}")

    def _inner_members(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield what settings and nodes have and lack."""
        parts = (
            (
                "job: settings members",
                "getJobById",
                self.word("job: settings"),
                "",
                "numWorker timeout parameters",
            ),
            ("workflow: job node", "getWorkflowById", "nodes", "JOB", _NODE + " jobCondition"),
            ("workflow: trigger node", "getWorkflowById", "nodes", "TRIGGER", _NODE),
        )
        for fact, operation, within, kind, own in parts:
            seen = self.words(fact)
            if seen and within:
                drop = [it for it in own.split() if it not in seen]
                yield from _changed(operation, drop=drop, add=seen, within=within, type=kind)

    def _values(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield the values of members whose words, or whose kind, were seen."""
        parts = [
            ("getJobs", "lastExecutionStatus", self.words("jobs: last statuses")),
            ("getJobs", "disabled", [_KINDS.get(it, "no") for it in self.words("jobs: disabled")]),
            (
                "getTriggerById",
                "triggerRule",
                [_KINDS[it] for it in [self.word("trigger: rule")] if it in _KINDS and it != "object"],
            ),
            (
                "getExecutionInterval",
                "startDate",
                [_day(it) for it in self.words("counts by day: starts") if it != "00:00:01"],
            ),
        ]
        parts += [
            (LISTS[name], "status", self.words(f"{name}: statuses")) for name in ("workflows", "triggers")
        ]
        parts += [(LISTS[name], "type", self.words(f"{name}: types")) for name in ("workflows",)]
        for operation, member, values in parts:
            if values and values != ["false"]:
                yield operation, "member-values", {"member": member, "values": ",".join(values)}

    def _dates(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield the forms of dates; several of them are dealt out to the members that are dates."""
        forms = self.words(f"{name}: dates")
        nulls = [it for it in self.words(f"{name}: nulls") if self._is_null_everywhere(name, it)]
        members = [it for it in _DATES if it in self.words(f"{name}: members") and it not in nulls]
        if self.word(f"{name}: order"):  # so that the order shows, the first date can be read
            forms = sorted(forms, key=lambda form: form == "other")
        elif name in LISTS:
            forms = sorted(forms, key=lambda form: form != "other")
        for place, form in enumerate(forms):
            only = ",".join(members[place :: len(forms)]) if len(forms) > 1 else ""
            if details := _date_form(form):
                yield operation, "date-form", {**details, "only": only}

    def _envelope(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        envelope = self.word(f"{name}: envelope")
        if not envelope or envelope == "count, limit, list, page":
            return
        names = [] if envelope == "array" else envelope.split(", ")
        others = [it for it in names if it in {"count", "page", "limit"}]
        rows = "list" if "list" in names else next((it for it in names if it not in others), "")
        more = [it for it in names if it not in {*others, rows}]
        yield operation, "list-envelope", {"rows": rows, "others": ",".join([*others, *more])}

    def _refusals(self) -> Iterator[tuple[str | tuple[str, ...], str, dict[str, Any]]]:
        taken: dict[str, set[str]] = {}
        for fact, of, own, operations in _REFUSALS:
            others = tuple(sorted(NAMES - taken.get(of, set()))) if taken.get(of) else ""
            taken.setdefault(of, set()).update(operations or ())
            if (details := _answer_form(self.word(fact), own)) is None:
                continue
            if fact == "answer: times" and self.aliases:
                continue
            yield (others if operations is None else operations), "error-form", {"of": of, **details}

    def _headers(self) -> Iterator[tuple[str | tuple[str, ...], str, dict[str, Any]]]:
        types = [_EVERY_TYPE.get(it, it) for it in self.words("headers: content types")]
        if types and types != ["application/json"]:
            yield "", "content-type", {"value": types[0]}
        for operation, value in zip(("getTriggers", "getWorkflows", "getJobById"), types[1:], strict=False):
            yield operation, "content-type", {"value": value}
        traces = ["x-1-request-id" if it == "other" else it for it in self.words("headers: trace")]
        if self.facts.get("headers: trace") is not None and traces != ["x-ncp-apigw-request-id"]:
            yield "", "trace-headers", {"names": ",".join(traces)}
        off = defaults.DATE_OFF if self.word("headers: date against signatures") == "differ" else 0.0
        age = 1 if self.word("headers: age") == "present" else 0
        if off or age:
            yield "", "date-header", {"seconds": off, "age": age}
        connection = self.word("connection")
        if connection == "closed after an answer":
            yield "", "keep-alive", {"seconds": 0}
        elif match := re.fullmatch(r"kept open for (\d{1,9}) s", connection):
            yield "", "keep-alive", {"seconds": max(1, int(match[1]))}


_NODE = "name parentNodeIds isValid triggerRule"
"""Members of a node that may be left out; without id and type it would be none."""
_EVERY_TYPE = {"other": "x"}


def _changed(operation: str, **lists: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a fault of members if it changes any."""
    if any(lists.get(name) for name in ("drop", "add", "null")):
        details = {name: ",".join(it) if isinstance(it, list) else it for name, it in lists.items()}
        yield operation, "members", {name: it for name, it in details.items() if it}


def _date_form(form: str) -> dict[str, Any] | None:
    """Return the details of a form of dates; None if it is unknown."""
    if form in {"number", "other"}:
        return {"zone": "epoch" if form == "number" else "other"}
    match = _DATE.fullmatch(form)
    if not match:
        return None
    zone = "none" if match[2] == "no zone" else match[2]
    return {"zone": zone, "digits": int(match[1]), "after": "space" if match[3] else "T"}


def _answer_form(seen: str, own: str) -> dict[str, Any] | None:
    """Return the details of an answer; None if it is the emulator's own, or unknown."""
    match = _ANSWER.fullmatch(seen)
    if not match or seen == own:
        return None
    form, code = match["form"], match["code"] or ("" if match["form"] == "standardized" else "other")
    return {
        "status": int(match["status"]),
        "form": _FORMS.get(form, form),
        "code": "" if code == "no code" else code,
        "number": "yes" if match["numeric"] else "no",
    }


def _before(seconds: float) -> float:
    """Return a time that ends between two periods of a probe: this one, and the one before."""
    return (seconds + defaults.PROBE_IDLE) / 2 if seconds > defaults.PROBE_IDLE else seconds / 2


def _day(time: str) -> str:
    """Return the beginning of a day of the dashboard."""
    return "2026-11-01T09:30:00" if time == "other" else f"2026-11-01T{time}"
