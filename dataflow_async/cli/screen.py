"""What the commands print: a moving bar for a terminal, plain lines for a pipe."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dataflow_async import Progress
from dataflow_async.cli.summary import Row, duration

PLAIN_WIDTH = 100
"""Columns where there is no terminal: wider than any table here, however narrow ``COLUMNS`` says it is."""


class Screen:
    """Standard output. Text is printed as it is, without markup, and is never broken where a line ends."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._console.print(Text(text, style), soft_wrap=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Print many lines, as they come and without style."""
        for line in lines:
            print(line, file=self._console.file)

    def facts(self, rows: Mapping[str, str]) -> None:
        """Print names and their values in two columns."""
        width = max(map(len, rows))
        for name, value in rows.items():
            self._console.print(Text.assemble("  ", (name.ljust(width), "dim"), "  ", value), soft_wrap=True)

    def outcomes(self, rows: Iterable[Row]) -> None:
        """Print the table of how runs ended."""
        self._console.print(outcome_table(rows))

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[Progress], None]]:
        """Show how a bulk run goes on; gives the function to call with each `Progress`."""
        if not self._console.is_interactive:
            yield self._tenths(total)
            return
        board = Board(total)
        with Live(board, console=self._console, refresh_per_second=10):
            yield board.show

    def _tenths(self, total: int) -> Callable[[Progress], None]:
        """Print a line for every tenth of the runs that has ended."""
        printed = 0

        def show(progress: Progress) -> None:
            nonlocal printed
            ended = progress.completed + progress.failed + progress.uncertain
            if ended * 10 // total > printed:
                printed = ended * 10 // total
                self.say(f"{ended:{len(str(total))}}/{total}  {counts(progress)}")

        return show


def complain(text: str) -> None:
    """Print a sentence to standard error; broken between words, and only if somebody is looking."""
    console = Console(stderr=True, highlight=False)
    console.print(Text(text), soft_wrap=not console.is_terminal)


class Board:
    """The moving part of the screen: a bar, and the counts under it."""

    def __init__(self, total: int) -> None:
        self._total = total
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

    def __rich__(self) -> RenderableType:
        progress = self._progress
        ended = progress.completed + progress.failed + progress.uncertain
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(
            ProgressBar(total=self._total, completed=ended),
            f"{ended:{len(str(self._total))}}/{self._total} {monotonic() - self._began:6.1f} s",
        )
        return Group(bar, Text(counts(progress), no_wrap=True, overflow="crop"))


def counts(progress: Progress) -> str:
    """The counts of a moment on one line, in columns that stay where they are."""
    width = len(str(progress.total or 0))
    parts = [
        f"{progress.running:{width}} running",
        f"{progress.completed:{width}} completed",
        f"{progress.failed:{width}} failed",
        f"{progress.rate:5.1f} a second",
    ]
    if progress.uncertain:
        parts.insert(3, f"{progress.uncertain:{width}} uncertain")
    return "   ".join(parts)


def outcome_table(rows: Iterable[Row]) -> Table:
    """How runs ended, a row for each status."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("outcome", min_width=9, no_wrap=True)
    for name in ("runs", "shortest", "median", "longest"):
        table.add_column(name, justify="right", min_width=len(name), no_wrap=True)
    table.add_column("(min:sec)", no_wrap=True)
    for row in rows:
        times = map(duration, (row.shortest, row.median, row.longest))
        table.add_row(row.status, str(row.count), *times)
    return table
