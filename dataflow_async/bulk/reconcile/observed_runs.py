"""Takes in the rows of a job's listings, one by one: runs of ours as samples, the others as candidates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import DateReader, PlainDate
from dataflow_async.bulk.reconcile.run_index import (
    ListedRun,
    PlainRun,
    RunIndex,
    echo,
    echoed_digest,
    echoed_name,
    is_direct,
    listed_row,
    listed_run,
)
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire.listed_rows import ListedPage


@define(eq=False)
class ObservedRuns:
    """What the listings of one job have shown so far.

    Always true: every run that is listed and not recorded is in ``unrecorded``, but those that are dated a day before the
    first launch in question: a long list is not held whole. `is_whole` proves afterwards that none of these was younger;
    without that proof a run that was omitted would count as absent.
    """

    job_id: str
    unrecorded: RunIndex
    keys: Mapping[str, str]
    """Keys of the runs that were recorded before, by execution id."""
    correlation_parameter: str | None
    read_by_id: Mapping[str, JobExecution]
    """Runs that were read by id, which shows more than the list."""
    lost_keys: Collection[str]
    """Keys of the launches in question."""
    reader: DateReader
    since: float
    """Server time: runs dated before are omitted."""
    omitted: PlainDate | None = None
    """The date of the youngest of these."""
    digests: set[bytes] = field(factory=set)
    """Of parameters that runs of ours echo."""
    echoes_keys: bool = False
    """Whether a run of ours echoes its key."""
    garbles: bool = False
    """Whether one echoes another text in its place."""
    ours_started_directly: bool | None = None
    """Whether all runs of ours show that they were started directly; None without one."""
    _sampled: int = 0

    def take(
        self, page: ListedPage, start: int, ids: Sequence[str], dates: Sequence[PlainDate | None]
    ) -> None:
        """Learn from listed rows: those of a page from an index on, with their ids as recorded and their dates."""
        keys, unrecorded = self.keys, self.unrecorded.ids
        for index, (execution_id, created) in enumerate(zip(ids, dates, strict=True), start):
            if (key := keys.get(execution_id)) is not None:
                self._take_own(page, index, key)
            elif execution_id in self.read_by_id:
                run = self.read_by_id[execution_id]
                self._take_unrecorded(*listed_run(run, self.correlation_parameter))
            elif execution_id not in unrecorded:
                self._take_row(page, index, created)

    def _take_own(self, page: ListedPage, index: int, key: str) -> None:
        row = page.rows[index]
        self.ours_started_directly = is_direct(row) and self.ours_started_directly is not False
        if self._sampled < defaults.OWN_SAMPLES:
            self._take_sample(key, echo(page.parameters(index), row.status))

    def _take_sample(self, key: str, echoed: Mapping[str, Any] | None) -> None:
        """Record what a run of ours shows of how the service echoes parameters."""
        if not echoed:
            return
        self._sampled += 1
        name = echoed_name(echoed, self.correlation_parameter)
        self.echoes_keys = self.echoes_keys or name == key
        self.garbles = self.garbles or name not in (None, key)
        if (digest := echoed_digest(echoed)) is not None:
            self.digests.add(digest)

    def _take_row(self, page: ListedPage, index: int, created: PlainDate | None) -> None:
        """Take a run that is not recorded; of one that is surely too old nothing is read but its date, and its key."""
        if not self._is_since(created):
            keyed = self.correlation_parameter is not None
            name = echoed_name(page.parameters(index), self.correlation_parameter) if keyed else None
            if name not in self.lost_keys:
                self._omit(created)
                return
        self.unrecorded.add(*listed_row(page, index, created, self.job_id, self.correlation_parameter))

    def _take_unrecorded(self, plain: PlainRun, echoed: Mapping[str, Any] | None) -> None:
        run = ListedRun(*plain)
        if self._is_since(run.created) or run.name in self.lost_keys:
            self.unrecorded.add(plain, echoed)
        else:
            self._omit(run.created)

    def _omit(self, created: PlainDate | None) -> None:
        if self.omitted is None or (created is not None and created[0] > self.omitted[0]):
            self.omitted = created

    def _is_since(self, created: PlainDate | None) -> bool:
        """Return whether a run of this date is not provably older, as `is_since`."""
        if created is None:
            return True
        at, grain, zoned = created
        shift = self.reader.zoned if zoned else self.reader.zoneless
        return shift is None or at + grain - shift.least > self.since

    def is_whole(self, reader: DateReader) -> bool:
        """Return whether no run was omitted that may be younger after all, as dates are read by now."""
        span = reader.read(self.omitted)
        return self.omitted is None or (span is not None and span.latest < self.since + defaults.DAY)

    def shows_echoes(self, carried: Mapping[bytes, int]) -> bool:
        """Return whether a run of ours shows that the service returns parameters as they were sent.

        One that shows its key or the parameters of a launch is enough.

        Args:
            carried: How many recorded keys carry parameters of each digest.
        """
        return self.echoes_keys or any(carried.get(digest) for digest in self.digests)
