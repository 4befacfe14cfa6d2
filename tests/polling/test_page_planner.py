"""Which pages are worth reading: whatever the pages do, a planner ends, and what it did not show is asked for by id."""

import random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async.polling.list_model import ListModel, Order
from dataflow_async.polling.page_planner import PagePlanner
from dataflow_async.wire.run_rows import page_of
from tests.support.examples import example_count


@attrs.define(eq=False)
class Run:
    place: int | None = None


def row(number):
    return {"jobExecutionId": f"r{number}", "createdDate": f"2026-11-01T00:00:00.{number:09}"}


def read_rows(values):
    return page_of(values, "job").rows


class List:
    """A well-behaved list: rows by the time they came, in some order, in pages of at most ``cap`` rows."""

    def __init__(self, count, order=Order.NEWEST_FIRST, cap=1000, seed=1):
        self.rows = [row(number) for number in range(count)]
        self.order = order
        self.cap = cap
        self.draw = random.Random(seed)
        self.keys = {}

    def arrive(self, count=1, prefix="foreign"):
        for _ in range(count):
            new = row(len(self.rows))
            self.rows.append({**new, "jobExecutionId": f"{prefix}{len(self.rows)}"})

    def page(self, number, limit=1000):
        rows = self.rows
        if self.order is Order.NEWEST_FIRST:
            rows = rows[::-1]
        elif self.order is Order.SHUFFLED:
            rows = sorted(rows, key=self._key)
        size = min(limit, self.cap)
        return rows[number * size : (number + 1) * size]

    def _key(self, one):
        return self.keys.setdefault(one["jobExecutionId"], self.draw.random())


def sweep(model, runs, page):
    """Search for runs; gives the planner and the numbers of the pages it read."""
    planner, read = PagePlanner(model, runs.values()), []
    while (window := planner.next_window()) is not None:
        number, limit = window
        read.append(number)
        rows = page(number, limit)
        found = {}
        for index, one in enumerate(rows):
            execution_id = one.get("jobExecutionId") if isinstance(one, dict) else None
            if isinstance(execution_id, str) and execution_id in runs:
                found[runs[execution_id]] = index
        planner.page_read(number, read_rows(rows), found, limit)
    planner.close()
    return planner, read


# --- whatever the pages do ---------------------------------------------------------------------------------

IDS = [f"r{number}" for number in range(30)]
DATES = st.one_of(
    st.none(), st.integers(), st.text(max_size=3), st.sampled_from([row(n)["createdDate"] for n in range(5)])
)
ROWS = st.one_of(
    st.fixed_dictionaries({"jobExecutionId": st.sampled_from(IDS)}, optional={"createdDate": DATES}),
    st.fixed_dictionaries({"jobExecutionId": st.text(max_size=2)}, optional={"createdDate": DATES}),
    st.sampled_from([None, 7, "r1", [], {}, {"jobExecutionId": None}, {"jobExecutionId": ["r1"]}]),
)
PAGES = st.lists(st.lists(ROWS, max_size=12), min_size=1, max_size=25)


@given(
    wanted=st.lists(st.sampled_from(IDS), unique=True),
    sweeps=st.lists(PAGES, min_size=1, max_size=3),
    limit=st.integers(1, 40),
    honoured=st.booleans(),
)
def test_a_search_ends_reads_no_page_twice_nor_more_than_pay_and_keeps_what_it_did_not_see(
    wanted, sweeps, limit, honoured
):
    model = ListModel(limit)
    runs = {execution_id: Run() for execution_id in wanted}
    for pages in sweeps:
        shown, windows = set(), set()

        def page(number, limit, pages=pages, shown=shown, windows=windows):
            assert number >= 0 and 0 < limit <= model.limit and (number, limit) not in windows
            windows.add((number, limit))
            rows = pages[number % len(pages)][: limit if honoured else None]
            shown |= {
                one["jobExecutionId"]
                for one in rows
                if isinstance(one, dict) and isinstance(one.get("jobExecutionId"), str)
            }
            return rows

        planner, read = sweep(model, runs, page)
        assert len(read) <= len(runs) // 2
        assert planner.remaining == [run for execution_id, run in runs.items() if execution_id not in shown]
        assert planner.saved == len(shown & set(runs)) - len(read)
        assert model.size >= 1


@given(st.lists(st.sampled_from(IDS), unique=True, min_size=2), st.data())
def test_what_is_forgotten_is_neither_looked_for_nor_left(wanted, data):
    runs = {execution_id: Run() for execution_id in wanted}
    planner = PagePlanner(ListModel(), runs.values())
    gone = data.draw(st.sets(st.sampled_from(wanted)))
    for execution_id in gone:
        planner.forget(runs[execution_id])
    assert planner.remaining == [run for execution_id, run in runs.items() if execution_id not in gone]
    if len(wanted) - len(gone) < 2:
        assert planner.next_window() is None


# --- a list that behaves -----------------------------------------------------------------------------------


@settings(max_examples=example_count(25, 200), deadline=None)
@given(
    order=st.sampled_from([Order.NEWEST_FIRST, Order.OLDEST_FIRST, Order.SHUFFLED]),
    cap=st.sampled_from([50, 100, 1000]),
    foreign=st.integers(0, 300),
    count=st.integers(60, 400),
    coming=st.lists(st.integers(0, 120), min_size=2, max_size=4),
    stride=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_on_a_list_that_behaves_a_few_pages_find_nearly_all(order, cap, foreign, count, coming, stride, seed):
    model, listed = ListModel(), List(foreign, order, cap, seed)
    runs = {}
    for number in range(0, count, stride):
        listed.rows.append(row(foreign + number))
        runs[f"r{foreign + number}"] = Run()
        for _ in range(min(stride - 1, count - number - 1)):
            listed.arrive()
    sweep(model, runs, listed.page)
    for new in coming:
        sweep(model, runs, listed.page)
        listed.arrive(new)
        planner, read = sweep(model, runs, listed.page)
        pages = len(listed.rows) // min(cap, 1000) + 1
        if 2 * pages > len(runs):  # so thin a spread is cheaper asked by id
            continue
        few = 2 * pages if order is Order.SHUFFLED else len(runs) // 8 + 2
        assert len(planner.remaining) <= few
        assert len(read) <= pages + 1
        if order is not Order.SHUFFLED:
            assert len(read) <= count // cap + 3 + new // cap


def test_the_order_of_a_list_is_learned_from_its_dates():
    for order in (Order.NEWEST_FIRST, Order.OLDEST_FIRST, Order.SHUFFLED):
        model = ListModel()
        runs = {f"r{number}": Run() for number in range(200)}
        sweep(model, runs, List(400, order).page)
        assert model.order is order


def test_a_list_without_dates_tells_no_order():
    model = ListModel()
    rows = [{"jobExecutionId": f"r{number}"} for number in range(100)]
    planner, read = sweep(
        model, {f"r{n}": Run() for n in range(100)}, lambda number, _: [] if number else rows
    )
    assert model.order is Order.UNKNOWN
    assert (read, planner.remaining) == ([0], [])


def test_pages_that_are_capped_are_found_out_in_the_first_search_and_read_on():
    model, listed = ListModel(), List(1000, cap=100)
    runs = {f"r{number}": Run() for number in range(1000)}
    planner, read = sweep(model, runs, listed.page)
    assert model.size == 100
    assert planner.remaining == []
    assert sorted(read) == list(range(10))


def test_a_short_list_is_probed_once_for_a_second_page():
    model, listed = ListModel(), List(10)
    runs = {f"r{number}": Run() for number in range(5)} | {f"gone{number}": Run() for number in range(9)}
    assert sweep(model, runs, listed.page)[1] == [0, 1]
    assert sweep(model, runs, listed.page)[1] == [0]


def test_a_list_that_grows_past_its_first_page_is_not_taken_for_capped():
    model, listed = ListModel(), List(10)
    missing = {f"gone{number}": Run() for number in range(9)}
    sweep(model, missing, listed.page)
    assert model.probed == 10
    listed.rows = [row(number) for number in range(1500)]
    planner, read = sweep(model, {f"r{number}": Run() for number in range(1500)}, listed.page)
    assert (planner.remaining, sorted(read)) == ([], [0, 1])
    assert (model.size, model.rows) == (1000, 1500)


def test_a_service_that_gives_more_than_was_asked_for_is_read_once():
    model, listed = ListModel(100), List(450)
    runs = {f"r{number}": Run() for number in range(450)}
    sweep(model, runs, lambda number, _: listed.page(number))
    for _ in range(3):
        planner, read = sweep(model, runs, lambda number, _: listed.page(number))
        assert (planner.remaining, read) == ([], [0])


def test_a_service_that_does_not_turn_the_page_is_left_after_two():
    model, listed = ListModel(), List(100)
    runs = {f"r{number}": Run() for number in range(1000)}
    for _ in range(3):
        planner, read = sweep(model, runs, lambda *_: listed.page(0))
        assert len(planner.remaining) == 900
        assert len(read) <= 2


def test_an_empty_list_costs_one_page():
    runs = {f"r{number}": Run() for number in range(100)}
    assert sweep(ListModel(), runs, lambda *_: [])[1] == [0]


@pytest.mark.parametrize("order", [Order.NEWEST_FIRST, Order.OLDEST_FIRST])
def test_runs_deep_in_a_list_are_gone_to_at_once_after_they_were_found(order):
    model, listed = ListModel(), List(20_000, order)
    runs = {f"r{number}": Run() for number in range(9_200, 9_900)}
    planner, read = sweep(model, runs, listed.page)
    assert planner.remaining == [] and len(read) > 5
    listed.arrive(2_300)
    planner, read = sweep(model, runs, listed.page)
    assert planner.remaining == [] and len(read) <= 5
    assert len(sweep(model, runs, listed.page)[1]) <= 2


@pytest.mark.parametrize("order", [Order.NEWEST_FIRST, Order.OLDEST_FIRST])
def test_runs_that_are_not_where_they_were_thought_to_be_are_found_again(order):
    model, listed = ListModel(), List(20_000, order)
    runs = {f"r{number}": Run() for number in range(20_000)}
    sweep(model, runs, listed.page)
    for number in range(7_000):
        runs[f"r{number}"].place += 9_000
    sweep(model, runs, listed.page)
    planner, read = sweep(model, runs, listed.page)
    # Where the list grows at its end, that is read as well: new runs may stand there.
    assert (planner.remaining, len(read)) == ([], 20 + (order is Order.OLDEST_FIRST))
    planner, read = sweep(model, {f"r{number}": runs[f"r{number}"] for number in range(7_000)}, listed.page)
    assert (planner.remaining, len(read)) == ([], 7)


def test_new_runs_are_looked_for_where_the_list_grows():
    for order, page in ((Order.NEWEST_FIRST, 0), (Order.OLDEST_FIRST, 5)):
        model, listed = ListModel(), List(5_500, order)
        sweep(model, {f"r{number}": Run() for number in range(5_500)}, listed.page)
        fresh = {}
        for number in range(5_500, 5_600):
            listed.rows.append(row(number))
            fresh[f"r{number}"] = Run()
        planner, read = sweep(model, fresh, listed.page)
        assert (planner.remaining, read) == ([], [page])


def test_no_page_is_read_for_co_due_runs_alone():
    model = ListModel(10)
    runs = {f"r{place}": Run(place) for place in range(30)}
    planner = PagePlanner(model, runs.values(), due=[runs["r15"]])
    assert planner.next_window() == (1, 10)
    rows = [{"jobExecutionId": f"r{place}"} for place in range(10, 20)]
    planner.page_read(
        1,
        read_rows(rows),
        {runs[one["jobExecutionId"]]: at for at, one in enumerate(rows)},
    )
    assert planner.next_window() is None


# --- no more rows than are needed --------------------------------------------------------------------------


def searching(listed, model, numbers, windows):
    """Search for runs again; gives those that were not found."""
    runs = {f"r{number}": Run() for number in numbers}
    sweep(model, runs, listed.page)

    def page(number, limit):
        windows.append((number, limit))
        return listed.page(number, limit)

    return runs, lambda: sweep(model, runs, page)[0].remaining


def test_of_a_list_that_is_newest_first_only_the_rows_in_front_are_asked_for():
    listed, model, windows = List(20_000), ListModel(), []
    _, search = searching(listed, model, range(19_960, 20_000), windows)
    assert search() == []
    assert windows == [(0, 40 + 40 // 8 + 10)]


@pytest.mark.parametrize("order", [Order.OLDEST_FIRST, Order.SHUFFLED])
def test_of_other_lists_whole_pages_are_asked_for(order):
    listed, model, windows = List(900, order), ListModel(), []
    _, search = searching(listed, model, range(860, 900), windows)
    assert search() == []
    assert windows == [(0, 1000)]


def test_rows_that_come_in_front_cost_one_whole_page_and_are_allowed_for_from_then_on():
    listed, model, windows = List(20_000), ListModel(), []
    _, search = searching(listed, model, range(19_960, 20_000), windows)
    asked = []
    for _ in range(3):
        listed.arrive(100)
        windows.clear()
        assert search() == []
        asked.append(list(windows))
    assert asked == [[(0, 55), (0, 1000)], [(0, 140 + 140 // 8 + 200 + 10)], [(0, 240 + 240 // 8 + 200 + 10)]]


def test_a_list_that_ends_within_the_rows_asked_for_is_not_taken_for_capped():
    listed, model, windows = List(40), ListModel(), []
    _, search = searching(listed, model, range(30, 40), windows)
    for _ in range(3):
        assert search() == []
    assert model.size == 1000
    assert set(windows) == {(0, 10 + 1 + 10)}


def test_a_service_that_ignores_the_rows_asked_for_costs_nothing_more():
    listed, model, windows = List(900), ListModel(), []
    runs, _ = searching(listed, model, range(860, 900), windows)
    for _ in range(3):
        planner, read = sweep(model, runs, lambda number, _: listed.page(number))
        assert (planner.remaining, read) == ([], [0])
