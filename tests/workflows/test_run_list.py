"""Long histories, of which only the new runs are read."""

import random
from urllib.parse import parse_qs, urlsplit

import pytest

from dataflow_async import (
    PermissionDenied,
)
from tests.support.scripted import answer, gateway_error
from tests.support.workflow_scripts import (
    CHAIN,
    NOW,
    ONE,
    TRIGGER,
    Service,
    at,
    follow,
    follow_dated,
    ids,
    paged,
    run,
)


def history(pages, size, order):
    """Runs of earlier days, long over."""
    rows = [
        run(
            f"o{n}",
            createdDate=at(NOW - 100_000 - n * 60),
            endDate=at(NOW - 99_000 - n * 60),
            triggerId="other",
        )
        for n in range(pages * size)
    ]
    if order == "oldest first":
        rows.reverse()
    elif order == "any":
        random.Random(3).shuffle(rows)
    return rows


@pytest.mark.parametrize(
    ("order", "most"), [("newest first", 60 + 50), ("oldest first", 60 + 100), ("any", 60 * 3 + 200)]
)
async def test_a_long_history_is_not_read_again_at_each_poll(order, most):
    old = history(50, 2, order)
    ours = [run("x1", createdDate=at(NOW + 0.1))]
    lists = [paged(old, 2)] * 20 + [paged([*old, *ours] if order == "oldest first" else [*ours, *old], 2)]
    service = Service(ONE, lists, before=[])
    service.before = paged(old, 2)
    polls = [0]

    def shown(number):
        polls[0] += number == 0 or (order == "oldest first" and number == 49)
        return lists[min(polls[0] // (2 if order == "oldest first" else 1), 20)](number)

    service.polls = [shown]
    assert ids(await follow_dated(service)) == ["x1"]
    requests = sum(asked.startswith("list") for asked in service.asked)
    assert requests <= most


async def test_a_change_deep_in_a_long_history_is_read_before_a_conclusion():
    old = history(20, 2, "newest first")
    old[-1] = old[-1] | {"status": "RUNNING", "triggerId": TRIGGER, "endDate": None}
    now = [*old[:-1], old[-1] | {"status": "FAILED"}]
    ours = [run("x2", "b", createdDate=at(NOW + 50)), run("x1", createdDate=at(NOW + 0.1))]
    service = Service(CHAIN, [paged([*ours, *now], 2)])
    service.before = paged(old, 2)
    assert ids(await follow_dated(service)) == ["x1", "x2"]


@pytest.mark.parametrize("before_the_start", [True, False])
async def test_pages_that_time_out_are_requested_in_smaller_ones(before_the_start):
    service = Service(ONE, [[run("x1")]])
    limits = []

    def respond(request):
        query = parse_qs(urlsplit(request.target).query)
        if "limit" in query and bool(service.starts) is not before_the_start:
            limits.append(int(query["limit"][0]))
            if limits[-1] > 250:
                return gateway_error(504, "510")
        return service(request)

    assert ids(await follow(respond)) == ["x1"]
    assert limits[:3] == [1000, 500, 250]
    assert set(limits[3:]) <= {250}


async def test_a_proxy_that_refuses_the_list_for_half_an_hour_is_reported():
    service = Service(ONE, [[], answer(403, "<html>Blocked</html>")])
    with pytest.raises(PermissionDenied) as caught:
        await follow(service)
    assert caught.value.may_have_run
