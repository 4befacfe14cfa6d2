"""What only a run of its own shows a probe: its answer, how soon it is listed, its states, times and echo, and a late cancel."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.probe import shapes
from dataflow_async.probe.exchange import Exchange, Question
from dataflow_async.probe.facts import SETTINGS, Facts
from dataflow_async.probe.questions import API, Interview
from dataflow_async.wire.headers import http_date

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELED"})
NAMES = (
    *("answer", "first read", "found after", "listed after", "parameters", "states", "date off"),
    *("ready seconds", "run seconds", "cancel of an ended run", "status after cancel"),
)


@define
class RunWatch:
    """Starts one run of a job as it is stored, and observes it to its end.

    Always true: one launch is sent, once, whatever becomes of its answer; and a cancel is sent only to a run that was seen ended.
    """

    interview: Interview
    clock: Clock
    job_id: str
    timeout: float
    """Seconds for which the run is observed."""
    began: float = field(init=False, default=0.0)
    run_id: str = field(init=False, default="")
    found_at: float | None = field(init=False, default=None)
    listed_at: float | None = field(init=False, default=None)
    states: list[tuple[str, float]] = field(init=False, factory=list)
    """Each status in turn, with the seconds after the launch at which it was seen first."""
    echoed_in: str | None = field(init=False, default=None)
    """The status in which parameters were echoed first."""

    async def observe(self) -> Facts:
        """Start the run and return the facts; what was not seen is None."""
        path = f"{API}/jobs/{_quoted(self.job_id)}"
        job = await self.interview.get("job to run", f"/jobs/{_quoted(self.job_id)}")
        self.began = self.clock.monotonic()
        launch = await self.interview.ask(Question("launch", "POST", f"{path}/executions", body=b"{}"))
        facts: Facts = dict.fromkeys(f"launch: {name}" for name in NAMES)
        facts["launch: answer"] = shapes.answer(launch) or "no answer"
        self.run_id = str(launch.members.get("jobExecutionId") or "")
        if not launch.is_success or not self.run_id:
            return facts
        self._note(launch)
        facts["launch: first read"] = await self._follow()
        facts["launch: found after"] = _after(self.found_at)
        facts["launch: listed after"] = _after(self.listed_at)
        facts["launch: parameters"] = self._echo(job)
        facts["launch: states"] = [shapes.constant(status) for status, _ in self.states]
        facts["launch: date off"] = _date_off(launch)
        facts |= self._durations()
        if self._has_ended:
            facts |= await self._cancel(path)
        return facts

    @property
    def _has_ended(self) -> bool:
        return bool(self.states) and self.states[-1][0] in ENDED

    def _elapsed(self) -> float:
        return self.clock.monotonic() - self.began

    def _note(self, exchange: Exchange) -> None:
        status = exchange.members.get("status")
        if isinstance(status, str) and (not self.states or self.states[-1][0] != status):
            self.states.append((status, self._elapsed()))
        if exchange.members.get("parsedParameters") and self.echoed_in is None:
            self.echoed_in = status if isinstance(status, str) else shapes.OTHER

    async def _follow(self) -> str | None:
        """Poll the run and the list until it has ended and is listed; return the shape of the first read."""
        first: str | None = None
        while True:
            read = await self.interview.get("launched run", self._path())
            first = first or shapes.answer(read)
            if read.is_success:
                self.found_at = self._elapsed() if self.found_at is None else self.found_at
                self._note(read)
            if self.listed_at is None and await self._is_listed():
                self.listed_at = self._elapsed()
            is_seen = self._has_ended and self.listed_at is not None and self.found_at is not None
            if is_seen or self._elapsed() >= self.timeout:
                break
            await self.clock.sleep(defaults.PROBE_POLL_INTERVAL)
        return first

    def _path(self) -> str:
        return f"/jobs/{_quoted(self.job_id)}/executions/{_quoted(self.run_id)}"

    async def _is_listed(self) -> bool:
        page = {"page": 0, "limit": defaults.PROBE_PAGE}
        listed = await self.interview.get(
            "launched run: list", f"/jobs/{_quoted(self.job_id)}/executions", page
        )
        return any(str(row.get("jobExecutionId")) == self.run_id for row in listed.rows)

    def _echo(self, job: Exchange) -> str | None:
        """Return when stored parameters were echoed; None if the job has none."""
        stored: Any = next((job.members[name] for name in SETTINGS if name in job.members), None)
        if not isinstance(stored, dict) or not stored.get("parameters"):
            return None
        if self.echoed_in is None:
            return "never"
        return "at once" if self.echoed_in == self.states[0][0] else "once running"

    def _durations(self) -> Facts:
        at = dict(reversed(self.states))
        begun = at.get("RUNNING")
        ended = self.states[-1][1] if self._has_ended else None
        return {
            "launch: ready seconds": None if begun is None else round(begun),
            "launch: run seconds": None if begun is None or ended is None else round(ended - begun),
        }

    async def _cancel(self, path: str) -> Facts:
        """Cancel the run that has ended, and read it once more."""
        question = Question("cancel", "POST", f"{path}/executions/{_quoted(self.run_id)}/cancel")
        cancel = await self.interview.ask(question)
        after = await self.interview.get("launched run", self._path())
        is_same = after.members.get("status") == self.states[-1][0]
        return {
            "launch: cancel of an ended run": shapes.answer(cancel),
            "launch: status after cancel": "unchanged" if is_same else "changed",
        }


def _quoted(identifier: str) -> str:
    return quote(identifier, safe="")


def _after(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return "at once" if seconds < defaults.PROBE_POLL_INTERVAL else f"{round(seconds)} s"


def _date_off(launch: Exchange) -> str | None:
    """Return how many hours the date of a run is off the time of its launch."""
    created, now = shapes.moment(launch.members.get("createdDate")), http_date(launch.headers.get("date"))
    return None if created is None or now is None else f"{round((created - now) / 3600)} h"
