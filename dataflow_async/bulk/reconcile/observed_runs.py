"""Takes in the rows of a job's listings, one by one: runs of ours as samples, the others as candidates."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.run_index import (
    ListedRun,
    RunIndex,
    echo,
    echoed_digest,
    echoed_name,
    is_since,
    listed_run,
    started_directly,
    stored_id,
)
from dataflow_async.bulk.reconcile.steps import Steps
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.moment import Printed


@define(eq=False)
class ObservedRuns:
    """What the listings of one job have shown so far.

    Always true: every run that is listed and not recorded is in ``unrecorded``, but those that are dated a day before the
    first launch in question: a long list is not held whole. `is_whole` proves afterwards that none of these was younger;
    without that proof a run that was omitted would count as absent.
    """

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
    omitted: Printed | None = None
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
    _final: set[str] = field(factory=set)
    """Runs that were listed as ended: another listing can show nothing new of them."""

    def take(self, run: JobExecution) -> None:
        """Learn from a listed row."""
        if run.is_terminal:
            if run.job_execution_id in self._final:
                return
            self._final.add(run.job_execution_id)
        key = self.keys.get(stored_id(run))
        if key is None:
            run = self.read_by_id.get(run.job_execution_id, run)
            self._take_unrecorded(listed_run(run, self.correlation_parameter))
            return
        self.ours_started_directly = started_directly(run) and self.ours_started_directly is not False
        if self._sampled < defaults.OWN_SAMPLES and echo(run):
            self._sampled += 1
            self._take_sample(key, run)

    def _take_sample(self, key: str, run: JobExecution) -> None:
        """Record what a run of ours shows of how the service echoes parameters."""
        name = echoed_name(run, self.correlation_parameter)
        self.echoes_keys = self.echoes_keys or name == key
        self.garbles = self.garbles or name not in (None, key)
        if (digest := echoed_digest(run)) is not None:
            self.digests.add(digest)

    def _take_unrecorded(self, run: ListedRun) -> None:
        if is_since(run, self.since, self.reader) or run.name in self.lost_keys:
            self.unrecorded.add(run)
        elif self.omitted is None or (run.created is not None and run.created.at > self.omitted.at):
            self.omitted = run.created

    def is_whole(self, reader: DateReader) -> bool:
        """Return whether no run was omitted that may be younger after all, as dates are read by now."""
        span = reader.read(self.omitted)
        return self.omitted is None or (span is not None and span.latest < self.since + defaults.DAY)

    def shows_echoes(self, carried: Mapping[bytes, int]) -> Steps[bool]:
        """Return whether the service returns parameters as they were sent: one run that shows those of a launch is enough.

        It may be a recorded run that shows its key or its parameters, or another one that shows the parameters of any
        recorded launch. A key that comes back altered disproves all of it.

        Args:
            carried: How many recorded keys carry parameters of each digest.
        """
        if self.garbles:
            return False
        if self.echoes_keys or any(carried.get(digest) for digest in self.digests):
            return True
        return (yield from self.unrecorded.any_echoes(carried))
