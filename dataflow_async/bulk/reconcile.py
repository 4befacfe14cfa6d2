"""Finds out what became of launches whose answer was lost (promise 6): waits until the service has settled, lists the
runs of their job twice, and asks `verdict` what that proves.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Protocol

from attrs import define, field

from dataflow_async import defaults, tasks
from dataflow_async.bulk.door import Doors
from dataflow_async.bulk.journal import Entry, JournalWriter, created_text
from dataflow_async.bulk.keys import parameters_digest
from dataflow_async.bulk.terms import Terms
from dataflow_async.bulk.verdict import (
    Adopt,
    Doubt,
    Evidence,
    Found,
    Verdict,
    Wanted,
    echoed_name,
    judge,
    recognized,
)
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, InvalidRequest, JournalError, NotFound
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.moment import proven_time
from dataflow_async.resources.jobs import Jobs
from dataflow_async.waiting.schedule import PollPolicy
from dataflow_async.wire.retry import asked_pause

log = logging.getLogger("dataflow_async")


class ServerTime(Protocol):
    """Tells the gateway's time."""

    def __call__(self) -> float:
        """Seconds since the epoch (ruling 87)."""


@define(eq=False)
class _Question:
    """One launch in doubt."""

    job_id: str
    attempt: int
    wanted: Wanted
    settled: bool
    """Whether enough time has passed for its absence to prove something (ruling 88)."""
    answer: asyncio.Future[Verdict | None] = field(factory=lambda: asyncio.get_running_loop().create_future())


class Reconciler:
    """Answers questions about lost launches, those of one job together."""

    def __init__(
        self,
        jobs: Jobs,
        journal: JournalWriter,
        doors: Doors,
        terms: Terms,
        policy: PollPolicy,
        clock: Clock,
        server_time: ServerTime,
    ) -> None:
        self._jobs = jobs
        self._journal = journal
        self._doors = doors
        self._terms = terms
        self._policy = policy
        self._clock = clock
        self._server_time = server_time
        self._opened_at = clock.monotonic()
        self._open: dict[str, list[_Question]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """One a job: two at a time could take the same run for two launches that look alike."""

    def settled_at(self, entry: Entry, *, just_now: bool) -> float:
        """Give the time, by the monotonic clock, from which a run's absence proves that it did not start.

        It is counted from the last send. Of a launch that an earlier process has left behind that is known
        only roughly: it was over when this process got hold of the journal, or when the journal says, by a
        clock that may have been off (ruling 87).
        """
        if just_now:
            return self._clock.monotonic() + self._terms.settle
        age = 0.0 if entry.sent_by is None else self._server_time() - entry.sent_by - defaults.CLOCK_MARGIN
        return self._opened_at + max(self._terms.settle - max(age, 0.0), 0.0)

    async def fate(
        self, entry: Entry, settled_at: float, sent: Mapping[str, str], *, correlated: bool
    ) -> Verdict:
        """Tell what became of a launch; a run that is found is in the journal by then.

        Args:
            entry: The launch.
            settled_at: When its absence begins to prove something.
            sent: Of the parameters it was sent with, those that are known.
            correlated: Whether they carried its key under the name of `Terms.correlate`.

        Raises:
            JournalError: The journal can't be read or written.
        """
        wanted = Wanted(
            entry.key, entry.settings, entry.parameters, sent, correlated, intended_at=entry.intended_from
        )
        if correlated:
            early = await self._ask(_Question(entry.job_id, entry.attempt, wanted, settled=False))
            if early is not None:
                return early
        await self._clock.sleep(max(settled_at - self._clock.monotonic(), 0.0))
        verdict = await self._ask(_Question(entry.job_id, entry.attempt, wanted, settled=True))
        assert verdict is not None  # noqa: S101  # a settled question has an answer
        return verdict

    async def aclose(self) -> None:
        """Leave all questions open."""
        answering = list(self._tasks.values())
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)

    # --- job by job ----------------------------------------------------------------------------------------

    def _ask(self, question: _Question) -> asyncio.Future[Verdict | None]:
        job_id = question.job_id
        self._open.setdefault(job_id, []).append(question)
        if job_id not in self._tasks:
            self._tasks[job_id] = tasks.start_detached(self._answer_all, job_id)
        return question.answer

    async def _answer_all(self, job_id: str) -> None:
        try:
            while job_id in self._open:
                await self._answer(job_id)
        finally:
            del self._tasks[job_id]

    async def _answer(self, job_id: str) -> None:
        """Answer the open questions of a job, after a moment in which others may join."""
        await self._clock.sleep(self._policy.minimum)
        questions = self._open.pop(job_id)
        try:
            answers = await self._investigated(job_id, questions)
        except Exception as error:  # noqa: BLE001  # raised to those who ask
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        except asyncio.CancelledError:
            for question in questions:
                question.answer.cancel()
            raise
        for question in questions:
            if not question.answer.done():
                question.answer.set_result(answers.get(question.wanted.key))

    async def _investigated(self, job_id: str, questions: list[_Question]) -> dict[str, Verdict]:
        """List until the list can be read, or will never be."""
        began = self._clock.monotonic()
        while True:
            try:
                async with self._doors.shut(job_id):
                    return await self._listed(job_id, questions)
            except JournalError:
                raise
            except DataFlowError as error:
                if isinstance(error, NotFound) or not self._policy.forgives(error, 0.0):
                    doubt = Doubt(f"the runs of the job can't be listed: {error}", ())
                    return {question.wanted.key: doubt for question in questions}
                log.info("job %s: looking for lost launches goes on after: %s", job_id, error)
                age = self._clock.monotonic() - began
                await self._clock.sleep(self._policy.interval(age, asked_pause(error), random.random))

    async def _listed(self, job_id: str, questions: list[_Question]) -> dict[str, Verdict]:
        """List the job's runs, no launch of ours being under way, and judge what that shows."""
        settled = [question.wanted for question in questions if question.settled]
        since = min(question.wanted.intended_at for question in questions) - defaults.CLOCK_MARGIN
        runs = await self._runs(job_id, since)
        agreed = False
        for _ in range(defaults.AGREEING_TRIES if settled else 0):
            before = set(runs)
            runs.clear()  # a long list is held once only
            runs = await self._runs(job_id, since)
            if agreed := before == runs.keys():
                break
        evidence = await self._evidence(job_id, questions, runs)
        verdicts = judge(settled, evidence) if agreed else _unless_recognized(settled, evidence)
        for question in questions:
            wanted = question.wanted
            if not question.settled and (early := recognized(wanted, evidence.runs)) is not None:
                verdicts[wanted.key] = early
            if isinstance(verdict := verdicts.get(wanted.key), Adopt):
                run = verdict.execution
                await self._journal.accepted(
                    wanted.key,
                    question.attempt,
                    run.job_execution_id,
                    at=self._server_time(),
                    created=created_text(run),
                    adopted=True,
                )
        return verdicts

    async def _runs(self, job_id: str, since: float) -> dict[str, JobExecution]:
        """Give all runs of a job but those that are proven to be older."""
        found: dict[str, JobExecution] = {}
        async for run in self._jobs.executions(job_id):
            created = proven_time(run.created_date)
            if created is None or created >= since:
                found[run.job_execution_id] = run
        return found

    async def _evidence(
        self, job_id: str, questions: list[_Question], runs: dict[str, JobExecution]
    ) -> Evidence:
        known = await self._journal.known_executions(job_id, runs)
        found = [
            Found(
                run,
                proven_time(run.created_date),
                _echoed(run),
                echoed_name(run, self._terms.correlate),
                run.job_execution_id in known,
            )
            for run in runs.values()
        ]
        digests = {run.parameters for run in found} | {question.wanted.parameters for question in questions}
        return Evidence(
            found,
            exclusive=self._terms.exclusive,
            carried=await self._journal.count_parameters(
                job_id, {digest for digest in digests if digest is not None}
            ),
            unresolved=await self._journal.unresolved(job_id),
        )


def _unless_recognized(settled: list[Wanted], evidence: Evidence) -> dict[str, Verdict]:
    """Judge by a list that kept changing: it can show a run, it can't show that there is none."""
    doubt = Doubt(
        "the list of runs kept changing", tuple(run.execution for run in evidence.runs if not run.ours)
    )
    return {wanted.key: recognized(wanted, evidence.runs) or doubt for wanted in settled}


_STRANGE = b"?"
"""Stands for the digest of parameters that can't be digested: no launch has it."""


def _echoed(run: JobExecution) -> bytes | None:
    try:
        return parameters_digest(run.parsed_parameters)
    except InvalidRequest:
        return _STRANGE
