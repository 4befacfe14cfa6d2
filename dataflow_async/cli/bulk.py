"""Launch what a file lists, with a journal: the same command again goes on where it was stopped."""

from pathlib import Path
from typing import Any

from attrs import define, field

from dataflow_async import DataFlow, ExecutionStatus, Outcome, Progress
from dataflow_async.cli.launches import checked_count, launches
from dataflow_async.cli.screen import Screen
from dataflow_async.cli.summary import Summary
from dataflow_async.cli.text import one_line, printable

_SHOWN = 10
"""Outcomes that did not end well and are told one by one; the journal has them all."""


@define(kw_only=True)
class Bulk:
    """One run of the command.

    Args:
        screen: Where it is shown.
        path: File of launches.
        journal: File of the journal.
        url: Address of the service, or None for the environment's or the public one.
        profile: Profile of the keys, or None for the usual search.
        settings: Arguments of ``DataFlow.run_all``.
    """

    screen: Screen
    path: Path
    journal: Path
    url: str | None
    profile: str | None
    settings: dict[str, Any]
    _running: int = field(default=0, init=False)
    _bad: list[Outcome] = field(factory=list, init=False)

    async def run(self) -> bool:
        """Launch and await everything; tell whether all of it ended COMPLETED."""
        from dataflow_async.credentials import CredentialsChain

        total = checked_count(self.path)
        if not total:
            self.screen.say(f"{printable(str(self.path))} lists no launches")
            return True
        async with DataFlow(CredentialsChain(self.profile), base_url=self.url) as flow:
            summary, resumed = await self._play(flow, total)
        self.screen.say()
        self.screen.outcomes(summary.rows())
        if resumed:
            self.screen.say(f"{resumed} of them were in the journal before")
        self._tell_bad(sum(row.count for row in summary.rows() if row.status != ExecutionStatus.COMPLETED))
        return summary.failed is None

    async def _play(self, flow: DataFlow, total: int) -> tuple[Summary, int]:
        summary, resumed = Summary(), 0
        self.screen.say(f"{total} launches, journal {printable(str(self.journal))}", "bold")
        with self.screen.progress(total) as show:

            def on_progress(progress: Progress) -> None:
                self._running = progress.running
                show(progress)

            async with flow.run_all(
                launches(self.path),
                journal=self.journal,
                on_progress=on_progress,
                total=total,
                **self.settings,
            ) as outcomes:
                async for outcome in outcomes:
                    summary.add(outcome)
                    resumed += outcome.resumed
                    if outcome.error is not None and len(self._bad) < _SHOWN:
                        self._bad.append(outcome)
        return summary, resumed

    def _tell_bad(self, count: int) -> None:
        if not count:
            return
        self.screen.say()
        for outcome in self._bad:
            error = one_line(outcome.error) if outcome.error is not None else ""
            self.screen.say(f"{printable(outcome.key)}: {error}")
        if count > len(self._bad):
            self.screen.say(
                f"and {count - len(self._bad)} more: dataflow-async journal {self.journal} --rows"
            )

    def interruption(self) -> str:
        """What somebody should know who has stopped it."""
        return f"interrupted: {self._running} launched runs go on; the same command again takes them up"
