"""The nodes of a workflow in a request."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    InvalidRequest,
    Job,
    JobCondition,
    JobSettings,
    RuleType,
    Trigger,
    TriggerRuleInfo,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from tests.models.api import CONDITION, JOB_NODE, JUNK, TRIGGER_NODE, Api, refused
from tests.support import contract
from tests.support.examples import example_count


@pytest.mark.parametrize(
    ("nodes", "field", "words"),
    [
        *(
            (
                [
                    TRIGGER_NODE,
                    JOB_NODE | {"jobCondition": {k: v for k, v in CONDITION.items() if k != member}},
                ],
                f"nodes[1].jobCondition.{member}",
                ["None"],
            )
            for member in CONDITION
        ),
        ([TRIGGER_NODE, JOB_NODE | {"jobCondition": None}], "nodes[1].jobCondition", ["None"]),
        (
            [TRIGGER_NODE, JOB_NODE | {"jobCondition": CONDITION | {"numWorker": 11}}],
            "nodes[1].jobCondition.numWorker",
            ["11", "2 to 10"],
        ),
        ([JOB_NODE], "nodes[0].parentNodeIds", ["'t'"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": ["j"]}], "nodes", ["cycle"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": "t"}], "nodes[1].parentNodeIds", ["'t'"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": [5]}], "nodes[1].parentNodeIds", ["5"]),
        ([TRIGGER_NODE, JOB_NODE | {"parentNodeIds": None}], "nodes[1].parentNodeIds", ["None"]),
        ([TRIGGER_NODE | {"parentNodeIds": ["t"]}], "nodes[0].parentNodeIds", ["[]"]),
        ([TRIGGER_NODE | {"triggerRule": {"type": "NONE"}}], "nodes[0].triggerRule", ["RECURRING"]),
        ([TRIGGER_NODE | {"triggerRule": "DAILY"}], "nodes[0].triggerRule", ["'DAILY'", "ONE_TIME"]),
        ([TRIGGER_NODE | {"type": "EVENT"}], "nodes[0].type", ["'EVENT'", "TRIGGER", "JOB"]),
        ([TRIGGER_NODE | {"type": None}], "nodes[0].type", ["None"]),
        ([TRIGGER_NODE | {"id": ""}], "nodes[0].id", ["''"]),
        ([TRIGGER_NODE | {"id": 5}], "nodes[0].id", ["5"]),
        ([TRIGGER_NODE | {"name": ""}], "nodes[0].name", ["''"]),
        (["t"], "nodes[0]", ["'t'"]),
        ("t", "nodes", ["'t'"]),
        (None, "nodes", ["None"]),
    ],
)
@pytest.mark.parametrize("call", ["create", "update"])
async def test_a_node_of_a_workflow_that_is_not_allowed_is_refused(api, call, nodes, field, words):
    calls = {
        "create": lambda: api.workflows.create("abc", nodes),
        "update": lambda: api.workflows.update("w", "abc", nodes),
    }
    await refused(api, calls[call](), field, *words)


def after(id_, *parents):
    return JOB_NODE | {"id": id_, "parentNodeIds": list(parents)}


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [TRIGGER_NODE],
        [TRIGGER_NODE, JOB_NODE],
        [JOB_NODE, TRIGGER_NODE],
        [TRIGGER_NODE, after("a", "t"), after("b", "a")],
        [TRIGGER_NODE, after("a", "t"), after("b", "t"), after("c", "a", "b")],
        [TRIGGER_NODE, TRIGGER_NODE | {"id": "u"}, after("a", "t", "u")],
        [TRIGGER_NODE | {"triggerRule": "RECURRING"}, JOB_NODE],
        [after("a")],
    ],
)
async def test_how_many_triggers_jobs_and_parents_is_left_to_the_service(api, nodes):
    await api.workflows.create("abc", nodes)
    assert api.body["nodes"] == nodes
    contract.validate_request("createWorkflow", api.body)


async def test_typed_nodes_go_out_like_mappings(api):
    typed = [
        WorkflowTriggerNode("t", "start", RuleType.NONE),
        WorkflowJobNode(
            "j", "step", ["t"], JobCondition(nrn="n", script_path="s", log_path="l", num_worker=3)
        ),
    ]
    await api.workflows.create("abc", typed)
    condition = {"nrn": "n", "scriptPath": "s", "logPath": "l", "numWorker": 3}
    assert api.body["nodes"] == [
        TRIGGER_NODE | {"triggerRule": "NONE"},
        JOB_NODE | {"jobCondition": condition},
    ]


async def test_nodes_made_of_a_job_copy_the_three_settings_that_are_needed(api):
    stored = JobSettings(
        worker_type="DEFAULT", num_worker=7, timeout=5, nrn="n", script_path="s", log_path="l"
    )
    trigger = Trigger("t", name="start", trigger_rule=TriggerRuleInfo(type=RuleType.RECURRING))
    await api.workflows.create(
        "abc",
        [
            WorkflowTriggerNode.of(trigger),
            WorkflowJobNode.of(Job("j", name="step", job_condition=stored), ["t"]),
        ],
    )
    trigger_node, job_node_ = api.body["nodes"]
    assert trigger_node == TRIGGER_NODE | {"triggerRule": "RECURRING"}
    assert job_node_["jobCondition"] == {"nrn": "n", "scriptPath": "s", "logPath": "l"}


async def test_a_job_without_the_three_settings_makes_no_node(api):
    await refused(
        api,
        api.workflows.create("abc", [WorkflowJobNode.of(Job("j"), [])]),
        "nodes[0].jobCondition.nrn",
        "None",
    )


IDS = st.sampled_from(["a", "b", "c", "t", ""])
WORKFLOW_NODES = st.lists(
    st.fixed_dictionaries(
        {
            "id": IDS | JUNK,
            "name": st.just("n") | JUNK,
            "type": st.sampled_from(["TRIGGER", "JOB"]) | JUNK,
            "parentNodeIds": st.lists(IDS, max_size=2) | JUNK,
        },
        optional={
            "triggerRule": st.sampled_from(["NONE", "RECURRING", "ONE_TIME", "X"]) | JUNK,
            "jobCondition": st.just(CONDITION)
            | st.builds(
                dict.__or__,
                st.just(CONDITION),
                st.fixed_dictionaries(
                    {},
                    optional={
                        "workerType": st.sampled_from(["DATAFLOW", "DEFAULT", "LARGE"]) | JUNK,
                        "numWorker": st.integers(1, 11) | JUNK,
                        "timeout": st.integers(0, 2) | JUNK,
                    },
                ),
            )
            | JUNK,
        },
    ),
    max_size=4,
)


@settings(max_examples=example_count(25, 300))
@given(WORKFLOW_NODES)
async def test_workflow_nodes_that_are_let_through_are_those_of_the_contract(nodes):
    await let_through_are_valid(nodes)


async def let_through_are_valid(nodes):
    api = Api()
    try:
        await api.workflows.create("abc", nodes)
    except InvalidRequest:
        assert api.sent == []
    else:
        contract.validate_request("createWorkflow", api.body)


@pytest.mark.parametrize(
    "node",
    [
        TRIGGER_NODE | {"triggerRule": None},
        JOB_NODE | {"parentNodeIds": [], "jobCondition": CONDITION | {"workerType": "LARGE"}},
        JOB_NODE | {"parentNodeIds": [], "jobCondition": CONDITION | {"workerType": None}},
        JOB_NODE | {"parentNodeIds": [], "jobCondition": CONDITION | {"workerType": "DEFAULT"}},
    ],
    ids=["triggerRule null", "workerType unknown", "workerType null", "workerType known"],
)
async def test_a_workflow_node_is_refused_or_valid(node):
    await let_through_are_valid([node])
