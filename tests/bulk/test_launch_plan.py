"""Under which key and digests a launch is recorded, and what is sent for it."""

import pytest

from dataflow_async import InvalidRequest, JobCondition, Launch
from dataflow_async.bulk.digests import parameters_digest, settings_digest
from dataflow_async.bulk.launch_plan import Planner

PARAMETERS = {"day": "2026-11-01"}


@pytest.mark.parametrize("recorded", [True, False])
def test_plan_names_a_launch_by_its_key_or_by_what_it_is(recorded):
    planner = Planner(recorded=recorded)
    assert planner.plan(Launch("job", key="day-1")).key == "day-1"
    made = planner.plan(Launch("job", parameters=PARAMETERS))
    assert made.key == Planner(recorded=not recorded).plan(Launch("job", parameters=PARAMETERS)).key
    assert made.settings == settings_digest(made.given)


@pytest.mark.parametrize("recorded", [True, False])
def test_plan_gets_the_next_name_where_its_own_is_taken(recorded):
    planner = Planner(recorded=recorded)
    first = planner.plan(Launch("job"))
    second = planner.renamed(first)
    assert len({first.key, second.key, planner.renamed(second).key}) == 3
    with pytest.raises(InvalidRequest) as caught:
        planner.renamed(planner.plan(Launch("job", key="day-1")))
    assert caught.value.field == "key"


@pytest.mark.parametrize("recorded", [True, False])
def test_plans_have_a_key_each_before_any_of_them_is_recorded(recorded):
    planner = Planner(recorded=recorded)
    plans = [planner.plan(Launch("job")) for _ in range(5)]
    assert len({plan.key for plan in plans}) == 5
    with pytest.raises(InvalidRequest) as caught:
        [planner.plan(Launch("job", key="day-1")) for _ in range(2)]
    assert caught.value.field == "key"


def test_plan_forgets_a_key_that_the_store_recognizes():
    planner = Planner(recorded=True)
    first = planner.plan(Launch("job"))
    planner.key_recorded(first)
    assert planner.plan(Launch("job")).key == first.key


def test_plan_computes_no_digests_that_are_not_recorded():
    plan = Planner(recorded=False).plan(Launch("job", parameters=PARAMETERS, key="day-1"))
    assert (plan.settings, plan.parameters) == (b"", None)


@pytest.mark.parametrize(
    "launch",
    [
        Launch("job", parameters=PARAMETERS, key="k"),
        Launch("job", condition={"parameters": PARAMETERS}, key="k"),
        Launch("job", condition=JobCondition(parameters=PARAMETERS), key="k"),
    ],
)
def test_plan_adds_the_key_to_the_parameters_wherever_they_stood(launch):
    plan = Planner("correlation", recorded=True).plan(launch)
    assert plan.launch.parameters == {**PARAMETERS, "correlation": "k"}
    assert plan.parameters == parameters_digest(plan.launch.parameters)
    assert plan.given is launch
    assert plan.settings == settings_digest(launch)


def test_plan_refuses_a_launch_that_has_the_correlation_parameter_itself():
    with pytest.raises(InvalidRequest) as caught:
        Planner("day", recorded=True).plan(Launch("job", parameters=PARAMETERS, key="k"))
    assert caught.value.field == "correlation_parameter"
