"""However many runs there are, a step handles a few of them; counted in calls, not in time."""

import random

import pytest

from dataflow_async import defaults
from dataflow_async.bulk.launch_records import KnownRun
from dataflow_async.bulk.reconcile.absence import Absence, Witnesses
from dataflow_async.bulk.reconcile.dating import DateReader, Dating, PrintedDates
from dataflow_async.bulk.reconcile.run_index import RunIndex, listed_run
from dataflow_async.bulk.reconcile.snapshot import Snapshot, are_consistent
from dataflow_async.bulk.reconcile.steps import Columns, at_once, emptied, in_order, slices
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text
from tests.bulk.reconcile.test_matching import T
from tests.support.counting import calls_of

RUNS = 12 * defaults.RUNS_PER_STEP
PER_RUN = 40
"""Calls that one run may take in one step."""


def known():
    ats = [T + number for number in range(RUNS)]
    random.Random(7).shuffle(ats)
    return [
        KnownRun(f"r{at}", str(at), at, at + 1, at + 2, text(at + 1), adopted=False, ended=True) for at in ats
    ]


def listing(runs, dates):
    made = Snapshot(ServerTime(T, T + 1))
    for run in runs:
        made.add([run.execution_id], [dates[run.created]])
    return made


def index(runs):
    rows = ({"jobExecutionId": run.execution_id, "jobId": "job", "createdDate": run.created} for run in runs)
    return RunIndex((), (listed_run(decode(JobExecution, row, {}), None) for row in rows))


def columns(rows):
    made = Columns(2)
    for some in slices(rows):
        made.extend(some)
    made.extend([])
    return made


WORK = {
    "dating": lambda runs, dates: Dating.in_steps(runs, listing(runs, dates).dates, dates),
    "absence": lambda runs, dates: Absence.in_steps(listing(runs, dates), runs, None, 1.0, consistent=True),
    "witnesses": lambda runs, _: Witnesses.in_steps(runs),
    "consistency": lambda runs, dates: are_consistent(
        listing(runs[: RUNS // 2], dates), listing(runs[RUNS // 2 :], dates), (), DateReader()
    ),
    "order": lambda runs, _: index(runs).arrange(directly=True),
    "digests": lambda runs, _: index(runs).digests(),
    "freeing": lambda runs, _: index(runs).emptied(),
    "emptying": lambda runs, _: emptied({run.execution_id: run for run in runs}, dict.fromkeys(runs)),
    "columns": lambda runs, _: columns([(run.intended_from, run.intended_until) for run in runs]).in_order(),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_no_step_handles_more_than_a_few_runs(work):
    steps, counts, going_on = work(known(), PrintedDates()), [], [None]
    while going_on == [None]:
        counts.append(calls_of(lambda: going_on.__setitem__(0, next(steps, "ended"))))
    assert max(counts) < PER_RUN * defaults.RUNS_PER_STEP
    assert len(counts) > RUNS / defaults.RUNS_PER_STEP / 2


@pytest.mark.parametrize("count", [0, 1, defaults.RUNS_PER_STEP, defaults.RUNS_PER_STEP * 3 + 1])
def test_items_are_put_in_order_as_by_sorting(count):
    items = [(number % 7, number) for number in range(count)]
    random.Random(7).shuffle(items)
    assert at_once(in_order(items, key=lambda item: item[0])) == sorted(items, key=lambda item: item[0])
    assert [each for some in slices(items) for each in some] == items


@pytest.mark.parametrize("order", ["in order", "in order but for one step", "in no order"])
@pytest.mark.parametrize("count", [0, 1, defaults.RUNS_PER_STEP, defaults.RUNS_PER_STEP * 3 + 1])
def test_columns_hold_the_numbers_of_rows_in_their_order(count, order):
    rows = [(float(number // 7), -number / 2) for number in range(count)]
    if order == "in order but for one step":
        rows = rows[-defaults.RUNS_PER_STEP :] + rows[: -defaults.RUNS_PER_STEP]
    elif order == "in no order":
        random.Random(7).shuffle(rows)
    first, second = at_once(columns(rows).in_order())
    assert [*zip(first, second, strict=True)] == sorted(rows, key=lambda row: row[0])


def test_what_is_emptied_is_empty():
    held = {number: number for number in range(RUNS)}, {"a": 1}, {}
    at_once(emptied(*held))
    assert held == ({}, {}, {})
