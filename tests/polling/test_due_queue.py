"""The queue against a list that is searched from end to end."""

import random

import attrs
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.polling.due_queue import DueQueue
from tests.support.counting import calls_of

TIMES = st.integers(0, 20).map(float)


@attrs.define(eq=False)
class Item:
    due: float | None = None
    heap_time: float | None = None


STEPS = st.one_of(
    st.tuples(st.just("enter"), st.integers(0, 5), TIMES),
    st.tuples(st.just("put off"), st.integers(0, 5), st.one_of(st.none(), TIMES)),
    st.tuples(st.just("take"), st.none(), TIMES),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_is_entered_moved_or_dropped_comes_up_once_when_it_is_due(steps):
    queue, items, inside = DueQueue(), [Item() for _ in range(6)], set()
    for what, number, when in steps:
        if what == "take":
            due = queue.fallen_due(when)
            expected = [each for each in inside if each.due is not None and each.due <= when]
            assert set(due) == set(expected) and len(due) == len(expected)
            assert [each.due for each in due] == sorted(each.due for each in due)
            inside -= set(due)
            assert all(each.heap_time is None for each in due)
        else:
            item = items[number]
            if what == "put off" and when is not None and (item.due is None or when < item.due):
                continue  # only what is put off may change its due time without being entered again
            item.due = when
            if what == "enter":
                queue.enter(item)
                inside.add(item)
            if when is None:
                inside.discard(item)  # it may be forgotten at any time, and must be entered again
                item.due = None
                assert queue.next_due() == min((each.due for each in inside), default=None)
        assert queue.next_due() == min((each.due for each in inside if each.due is not None), default=None)


def test_items_of_equal_times_come_each_once_and_are_never_compared():
    queue, items = DueQueue(), [Item(1.0) for _ in range(9)]
    for item in items:
        queue.enter(item)
    assert set(queue.fallen_due(1.0, 5)) | set(queue.fallen_due(1.0)) == set(items)


def test_what_is_due_a_moment_later_is_not_due():
    queue = DueQueue()
    queue.enter(Item(1.0))
    assert queue.fallen_due(0.999999) == []
    assert len(queue.fallen_due(1.0)) == 1
    assert queue.next_due() is None


def test_putting_off_again_and_again_does_not_make_the_heap_grow():
    queue, item = DueQueue(), Item(1.0)
    queue.enter(item)
    for number in range(1_000):
        item.due = 2.0 + number
        queue.enter(item)
    assert len(queue) == 1
    assert queue.next_due() == 1001.0


def test_many_items_take_no_quadratic_time():
    count = 50_000
    draw = random.Random(3)
    queue, items = DueQueue(), [Item(draw.random()) for _ in range(count)]

    def enter_and_take():
        for item in items:
            queue.enter(item)
        assert len(queue.fallen_due(1.0)) == count

    assert calls_of(enter_and_take) < 10 * count
