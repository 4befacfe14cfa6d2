"""What the commands print: a moving bar for a terminal, plain lines for a pipe."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dataflow_async import Progress
from dataflow_async.cli.output import minutes
from dataflow_async.cli.summary import Row

LINE_EVERY = 25.0
"""Seconds after which a pipe gets a line even if nothing has changed: at least every 30, though a tick is late."""
PLAIN_WIDTH = 100
"""Columns where there is no terminal: wider than any table here, however narrow ``COLUMNS`` says it is."""


class Screen:
    """Standard output, or standard error. Text is printed as it is, without markup, and is never broken where a line ends."""

    def __init__(self, *, stderr: bool = False) -> None:
        is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
        # Colours may be forced into a pipe; frames of a moving bar have no place there.
        self._console = Console(
            stderr=stderr,
            highlight=False,
            width=None if is_terminal else PLAIN_WIDTH,
            force_interactive=is_terminal,
        )

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where there is none."""
        return self._console.width if self._console.is_interactive else None

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._console.print(Text(text, style), soft_wrap=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Print many lines, as they come and without style."""
        for line in lines:
            print(line, file=self._console.file)

    def facts(self, rows: Mapping[str, str]) -> None:
        """Print names and their values in two columns."""
        width = max(map(cell_len, rows))
        for name, value in rows.items():
            space = " " * (width - cell_len(name) + 2)
            self._console.print(Text.assemble("  ", (name, "dim"), space, value), soft_wrap=True)

    def outcomes(self, rows: Iterable[Row]) -> None:
        """Print the table of how runs ended."""
        self._console.print(outcome_table(rows))

    @contextmanager
    def progress(self, total: int, more: Callable[[], str] = lambda: "") -> Iterator["View"]:
        """Show how a bulk run goes on.

        Args:
            total: How many launches there are.
            more: Returns what else to say about this moment, or nothing.
        """
        if not self._console.is_interactive:
            yield Lines(self.say, total, more)
            return
        board = Board(total, more)
        with Live(board, console=self._console, refresh_per_second=10):
            yield board


class View(Protocol):
    """What shows how a bulk run goes on."""

    def show(self, progress: Progress) -> None:
        """Take the counts of this moment."""

    def tick(self) -> None:
        """Notice that time has passed; called every second."""


class Lines:
    """Plain lines: one for every tenth of the runs that has ended, and one at least every 30 seconds."""

    def __init__(self, say: Callable[[str], None], total: int, more: Callable[[], str]) -> None:
        self._say = say
        self._total = total
        self._more = more
        self._tenths = 0
        self._printed = monotonic()
        self._progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Print a line if a further tenth has ended."""
        self._progress = progress
        if ended(progress) * 10 // self._total > self._tenths:
            self._tenths = ended(progress) * 10 // self._total
            self._print(progress)

    def tick(self) -> None:
        """Print a line if the last one is old: whoever reads a log must see that the run goes on."""
        if self._progress is not None and monotonic() - self._printed >= LINE_EVERY:
            self._print(self._progress)

    def _print(self, progress: Progress) -> None:
        self._printed = monotonic()
        line = f"{ended(progress):{len(str(self._total))}}/{self._total}  {counts(progress)}"
        self._say("  ".join(filter(None, (line, self._more()))))


class Board:
    """The moving part of the screen: a bar, the counts under it, and what else to show."""

    def __init__(self, total: int, more: Callable[[], str] = lambda: "") -> None:
        self._total = total
        self._more = more
        self._began = monotonic()
        self._progress = Progress(
            total=total,
            submitted=0,
            launched=0,
            running=0,
            completed=0,
            failed=0,
            uncertain=0,
            rate=0.0,
            eta=None,
        )

    def show(self, progress: Progress) -> None:
        """Take the counts of this moment; they show in the next frame."""
        self._progress = progress

    def tick(self) -> None:
        """Do nothing: frames come by themselves."""

    def __rich__(self) -> RenderableType:
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        done = ended(self._progress)
        bar.add_row(
            ProgressBar(total=self._total, completed=done),
            f"{done:{len(str(self._total))}}/{self._total} {monotonic() - self._began:6.1f} s",
        )
        lines = [Text(counts(self._progress), no_wrap=True, overflow="crop")]
        if more := self._more():
            lines.append(Text(more, no_wrap=True, overflow="crop"))
        return Group(bar, *lines)


def ended(progress: Progress) -> int:
    """Launches that have their outcome."""
    return progress.completed + progress.failed + progress.uncertain


def counts(progress: Progress) -> str:
    """The counts of a moment on one line, in columns that stay where they are."""
    width = len(str(progress.total or 0))
    parts = [
        f"{progress.launched:{width}} launched",
        f"{progress.running:{width}} running",
        f"{progress.completed:{width}} completed",
        f"{progress.failed:{width}} failed",
        f"{progress.rate:5.1f}/s",
    ]
    if progress.uncertain:
        parts.insert(4, f"{progress.uncertain:{width}} uncertain")
    if progress.outage:
        parts.append(f"no answer for {progress.outage:.0f} s: launches wait")
    elif progress.eta:
        parts.append(f"{minutes(progress.eta / 60)} left")
    return "  ".join(parts)


def outcome_table(rows: Iterable[Row]) -> Table:
    """How runs ended, a row for each status."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("outcome", min_width=9, no_wrap=True)
    for name in ("runs", "shortest", "median", "longest"):
        table.add_column(name, justify="right", min_width=len(name), no_wrap=True)
    table.add_column("(min:sec)", no_wrap=True)
    for row in rows:
        times = map(minutes, (row.shortest, row.median, row.longest))
        table.add_row(row.status, str(row.count), *times)
    return table
