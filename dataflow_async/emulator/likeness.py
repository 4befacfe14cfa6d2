"""Makes an emulator behave as an account does, by the report of a probe (``dataflow-async probe``).

The report's facts become faults that are always injected, settings, and a sample account: as many things and runs as are
needed to show what the report shows.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.auth import WINDOW
from dataflow_async.emulator.faults.plan import FaultPlan
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
_ERRORS = (
    ("unknown job", "getJobById", "404 service not-found"),
    ("unknown run", "getJobExecutionById", "404 service not-found"),
    ("unknown workflow", "getWorkflowById", "404 service not-found"),
    ("unknown trigger", "getTriggerById", "404 service not-found"),
    ("launch: cancel of an ended run", "cancelJobExecution", "400 service bad-state"),
    ("jobs: limit 0", "getJobs", "400 service bad-parameter"),
    ("unknown job", "", "404 service not-found"),
    ("page that is no number", "", "400 service bad-parameter"),
    ("no signature", "", "401 gateway 200"),
    ("unknown path", "", "404 gateway 300"),
)
"""Refusals of a report: the call (empty for all), and what the emulator answers by itself."""
_ANSWER = re.compile(
    r"(\d{3}) (service|gateway|standardized|responseError|code and message|spring|page|empty|object)(?: ([\w-]+))?( as a number)?"
)
_DATE = re.compile(r"(\d) digits (no zone|Z|\+09:?00|\+00:?00)( after a space)?")
_ORDERS = {"newest first": "newest", "oldest first": "oldest", "no order": "random"}
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

    @property
    def signature_window(self) -> float:
        """How far a timestamp may be off, seconds."""
        accepted = str(self.facts.get("signature: accepted") or "")
        if "600" in accepted:
            return math.inf
        return WINDOW if "240" in accepted or not accepted else defaults.NARROW_WINDOW

    @property
    def aliases(self) -> dict[str, str]:
        """Paths that are served beside those of the contract (contract/notes.md#ruling-5)."""
        answers = str(self.facts.get("answer: times: newer path") or "")
        return (
            {"/api/v1/stats/executions-times": "/api/v1/stats/execution-times"}
            if answers[:3] == "200"
            else {}
        )

    @property
    def seconds(self) -> dict[str, tuple[float, float]]:
        """How long runs wait and work, as arguments of an emulator; absent where the report does not show it."""
        facts = {"ready_seconds": "launch: ready seconds", "run_seconds": "launch: run seconds"}
        seen = {name: self.facts.get(fact) for name, fact in facts.items()}
        return {name: (float(it), float(it)) for name, it in seen.items() if isinstance(it, int)}

    def new_id(self, random: Random) -> str:
        """Return an id of the shape that the account's jobs have."""
        shape = (self.facts.get("jobs: ids") or self.facts.get("runs: ids") or ["12 letters and digits"])[0]
        if shape == "uuid":
            digits = f"{random.getrandbits(128):032x}"
            return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        length, name = match.groups() if (match := _ID.fullmatch(shape)) else ("12", "letters and digits")
        return "".join(random.choices(_ALPHABETS[name], k=int(length)))

    def plan(self, seed: int) -> FaultPlan:
        """Return the faults that make every answer one of this account."""
        plan = FaultPlan(seed)
        for operation, kind, details in self._faults():
            plan.add(kind, operation=operation or None, **details)
        return plan

    def _faults(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield operation, kind and details; the order is that in which they change an answer."""
        for name, operation in LISTS.items():
            yield from self._list(name, operation)
        yield from self._reads()
        yield from self._launches()
        for name, operation in (LISTS | THINGS).items():
            yield from self._members(name, operation)
            yield from self._dates(name, operation)
        for name, operation in LISTS.items():
            yield from self._envelope(name, operation)
        yield from self._errors()
        yield from self._headers()

    def _list(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        if order := _ORDERS.get(self.facts.get(f"{name}: order") or ""):
            yield operation, "list-order", {"order": order}
        if cap := self.facts.get(f"{name}: cap"):
            yield operation, "page-cap", {"rows": cap}
        if self.facts.get(f"{name}: count") == "rows in all":
            yield operation, "list-count", {"of": "total"}
        if self.facts.get(f"{name}: page 1") == "repeats page 0":
            yield operation, "page-base", {"first": 1}

    def _reads(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        if (values := self.facts.get("jobs: statuses") or ["READY"]) != ["READY"]:
            yield "", "job-status", {"values": ",".join(values)}
        if (name := self.facts.get("job: settings")) in {"runCondition", "runCondtion"}:
            yield "getJobById", "old-shape", {"form": name}
        going = str(self.facts.get("answer: run in progress") or "")
        if going.startswith("200"):
            yield "getJobExecutionById", "status-code", {"of": 202, "status": 200}

    def _launches(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        launched = str(self.facts.get("launch: answer") or "")
        if launched[:3] in {"200", "201"}:
            yield "executeJob", "status-code", {"of": 202, "status": int(launched[:3])}
        echo = self.facts.get("launch: parameters")
        if echo in {"once running", "never"}:
            yield "", "no-echo", {"until": "ever" if echo == "never" else "running"}
        for fact, operation in (("found after", "getJobExecutionById"), ("listed after", "getJobExecutions")):
            if seconds := re.fullmatch(r"(\d+) s", str(self.facts.get(f"launch: {fact}") or "")):
                yield operation, "late", {"seconds": int(seconds[1])}
        hours = re.fullmatch(r"(-?\d+) h", str(self.facts.get("launch: date off") or ""))
        if hours and int(hours[1]):
            yield "", "dates", {"shift": int(hours[1]) * 3600}

    def _members(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        seen = self.facts.get(f"{name}: members")
        if not seen:
            return
        own = _MEMBERS[name].split()
        changes = {
            "drop": ",".join(it for it in own if it not in seen),
            "add": ",".join(it for it in seen if it not in own),
            "null": ",".join(self.facts.get(f"{name}: nulls") or []),
        }
        if any(changes.values()):
            yield operation, "members", changes

    def _dates(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for form in (self.facts.get(f"{name}: dates") or [])[:1]:
            if form == "number":
                yield operation, "date-form", {"zone": "epoch"}
            elif match := _DATE.fullmatch(form):
                zone = "none" if match[2] == "no zone" else match[2]
                yield (
                    operation,
                    "date-form",
                    {
                        "zone": zone,
                        "digits": int(match[1]),
                        "after": "space" if match[3] else "T",
                    },
                )

    def _envelope(self, name: str, operation: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        envelope = self.facts.get(f"{name}: envelope")
        if not envelope or envelope == "count, limit, list, page":
            return
        names = [] if envelope == "array" else envelope.split(", ")
        others = [it for it in names if it in {"count", "page", "limit"}]
        rows = next((it for it in names if it not in others), "")
        yield (
            operation,
            "list-envelope",
            {"rows": rows, "others": ",".join([*others, *(it for it in names if it not in {*others, rows})])},
        )

    def _errors(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for question, operation, own in _ERRORS:
            seen = self.facts.get(question if ": c" in question else f"answer: {question}")
            match = _ANSWER.fullmatch(seen or "")
            if not match or seen == own:
                continue
            status, form, code, _ = match.groups()
            form = {"object": "list", "code and message": "message"}.get(form, form)
            details = {"of": own.split()[2], "status": int(status), "form": form, "code": code or "other"}
            yield operation, "error-form", details
        if "as a number" in str(self.facts.get("answer: no signature")):
            yield "", "numeric-code", {}

    def _headers(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        types = self.facts.get("headers: content types") or []
        if types and types != ["application/json"]:
            yield "", "content-type", {"value": types[0]}
        traces = self.facts.get("headers: trace")
        if traces is not None and traces != ["x-ncp-apigw-request-id"]:
            yield "", "trace-headers", {"names": ",".join(traces)}
        off = defaults.DATE_OFF if self.facts.get("headers: date against signatures") == "differ" else 0.0
        age = 1 if self.facts.get("headers: age") == "present" else 0
        if off or age:
            yield "", "date-header", {"seconds": off, "age": age}
        connection = str(self.facts.get("connection") or "")
        if connection == "closed after an answer":
            yield "", "keep-alive", {"seconds": 0}
        elif match := re.fullmatch(r"kept open for (\d+) s", connection):
            yield "", "keep-alive", {"seconds": int(match[1])}
