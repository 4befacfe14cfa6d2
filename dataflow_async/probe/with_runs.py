"""What only a run of its own shows a probe: its answer, how soon it is listed, its states, times and echo, and a late cancel."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.probe import shapes
from dataflow_async.probe.exchange import Exchange, Question
from dataflow_async.probe.facts import SETTINGS, Facts
from dataflow_async.probe.questions import API, Interview, path_part
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
    launch: Exchange | None = field(init=False, default=None)
    """The answer to the launch; None before it."""
    began: float = field(init=False, default=0.0)
    first_read: str | None = field(init=False, default=None)
    """The shape of the first answer about the run."""
    run_id: str = field(init=False, default="")
    found_at: float | None = field(init=False, default=None)
    listed_at: float | None = field(init=False, default=None)
    states: list[tuple[str, float]] = field(init=False, factory=list)
    """Each status in turn, with the seconds after the launch at which it was seen first."""
    echoed_in: str | None = field(init=False, default=None)
    """The status in which parameters were echoed first."""

    async def observe(self) -> None:
        """Start the run and observe it; what it shows is in `facts` at every moment, also after an exception.

        Raises:
            Ended: Time is up, or access is lost.
        """
        path = f"{API}/jobs/{path_part(self.job_id)}"
        await self.interview.get("job to run", f"/jobs/{path_part(self.job_id)}")
        self.began = self.clock.monotonic()
        launch = await self.interview.ask(Question("launch", "POST", f"{path}/executions", body=b"{}"))
        self.launch, self.run_id = launch, _id_in(launch)
        if not launch.is_success or not self.run_id:
            return
        self._note(launch)
        await self._follow()
        if self._has_ended:
            await self._cancel(path)

    def facts(self) -> Facts:
        """Return what was seen; the rest is None."""
        facts: Facts = dict.fromkeys(f"launch: {name}" for name in NAMES)
        launch, exchanges = self.launch, self.interview.exchanges
        if launch is None:
            return facts
        facts["launch: answer"] = shapes.answer(launch) or "no answer"
        if not self.run_id:
            return facts
        facts["launch: first read"] = self.first_read
        facts["launch: found after"] = _after(self.found_at)
        facts["launch: listed after"] = _after(self.listed_at) or self._never_listed()
        facts["launch: parameters"] = self._echo(exchanges["job to run"])
        facts["launch: states"] = [shapes.constant(status) for status, _ in self.states] or None
        facts["launch: date off"] = _date_off(launch)
        return facts | self._durations() | self._late_cancel()

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

    async def _follow(self) -> None:
        """Poll the run and the list until it has ended and is listed."""
        while True:
            read = await self.interview.get("launched run", self._path())
            self.first_read = self.first_read or shapes.answer(read)
            if read.is_success:
                self.found_at = self._elapsed() if self.found_at is None else self.found_at
                self._note(read)
            if self.listed_at is None and await self._is_listed():
                self.listed_at = self._elapsed()
            is_seen = self._has_ended and self.listed_at is not None and self.found_at is not None
            if is_seen or self._elapsed() >= self.timeout:
                break
            await self.clock.sleep(defaults.PROBE_POLL_INTERVAL)

    def _path(self) -> str:
        return f"/jobs/{path_part(self.job_id)}/executions/{path_part(self.run_id)}"

    async def _is_listed(self) -> bool:
        page = {"page": 0, "limit": defaults.PROBE_PAGE}
        listed = await self.interview.get(
            "launched run: list", f"/jobs/{path_part(self.job_id)}/executions", page
        )
        return any(str(row.get("jobExecutionId")) == self.run_id for row in listed.rows)

    def _never_listed(self) -> str | None:
        seconds = defaults.PROBE_SETTLING
        return f"not within {seconds:.0f} s" if self._elapsed() >= seconds else None

    def _echo(self, job: Exchange) -> str | None:
        """Return when stored parameters were echoed; None if the job has none."""
        stored: Any = next((job.members[name] for name in SETTINGS if name in job.members), None)
        if not isinstance(stored, dict) or not stored.get("parameters"):
            return None
        if self.echoed_in is None:
            return "never"
        is_first = not self.states or self.echoed_in == self.states[0][0]
        return "at once" if is_first else "once running"

    def _durations(self) -> Facts:
        at = dict(reversed(self.states))
        begun = at.get("RUNNING")
        ended = self.states[-1][1] if self._has_ended else None
        return {
            "launch: ready seconds": None if begun is None else round(begun),
            "launch: run seconds": None if begun is None or ended is None else round(ended - begun),
        }

    async def _cancel(self, path: str) -> None:
        """Cancel the run that has ended, and read it once more."""
        await self.interview.ask(
            Question("cancel", "POST", f"{path}/executions/{path_part(self.run_id)}/cancel")
        )
        await self.interview.get("cancelled run", self._path())

    def _late_cancel(self) -> Facts:
        cancel, after = (self.interview.exchanges.get(name) for name in ("cancel", "cancelled run"))
        status = None
        if after is not None and after.is_success:
            status = "unchanged" if after.members.get("status") == self.states[-1][0] else "changed"
        return {
            "launch: cancel of an ended run": shapes.answer(cancel),
            "launch: status after cancel": status,
        }


def _id_in(launch: Exchange) -> str:
    """Return the id of the run that a launch has started; empty if its answer names none."""
    identifier = launch.members.get("jobExecutionId")
    return str(identifier) if isinstance(identifier, str | int) else ""


def _after(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return "at once" if seconds < defaults.PROBE_POLL_INTERVAL else f"{round(seconds)} s"


def _date_off(launch: Exchange) -> str | None:
    """Return how many hours the date of a run is off the time of its launch."""
    created, now = shapes.moment(launch.members.get("createdDate")), http_date(launch.headers.get("date"))
    return None if created is None or now is None else f"{round((created - now) / 3600)} h"
