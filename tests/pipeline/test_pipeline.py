"""Pipelines as a user writes them: what they send, and what the whole of them is checked for."""

import inspect
import pickle
import re

import pytest

from dataflow_async import BadRequest, InvalidRequest, JobCondition, RawNode, TransformUnionNode
from dataflow_async.emulator import Emulator
from dataflow_async.models.nodes.kinds import NODE_CLASSES
from dataflow_async.pipeline import UNKNOWN, Pipeline, PipelineError, Target, col
from tests.pipeline.written import CUSTOMERS, ORDERS, daily_orders, sources
from tests.support import contract
from tests.support.client import client
from tests.support.scripted import answer, scripted


def wire(pipeline):
    return [node.to_wire() for node in pipeline.to_nodes()]


def test_a_pipeline_is_a_body_of_the_contract():
    nodes = wire(daily_orders())
    contract.validate_request("verifyJob", {"name": "abc", "nodes": nodes})
    assert nodes[2:] == [
        {
            "type": "TRANSFORM_JOIN",
            "id": 3,
            "name": "Join 3",
            "parentNodeIds": [1, 2],
            "joinType": "LEFT_OUTER",
            "leftNodeId": 1,
            "rightNodeId": 2,
            "joinConditionList": [
                {"leftField": "id", "rightField": "id", "joinOperator": "EQ", "conditionOperator": "HEAD"}
            ],
            "prefix": "c_",
        },
        {
            "type": "TRANSFORM_FILTER",
            "id": 4,
            "name": "Filter 4",
            "parentNodeIds": [3],
            "filterType": "AND",
            "filterConditionList": [
                {"name": "c_tier", "operator": "EQ", "value": "gold"},
                {"name": "amount", "operator": "GTE", "value": "100"},
            ],
        },
        {
            "type": "TRANSFORM_AGGREGATE",
            "id": 5,
            "name": "Aggregate 5",
            "parentNodeIds": [4],
            "groupByList": ["country"],
            "aggregateFieldList": [{"name": "amount", "ResultName": "total", "function": "SUM"}],
        },
        {
            "type": "TARGET_OBS",
            "id": 6,
            "name": "Object Storage 6",
            "parentNodeIds": [5],
            "regionNo": "1",
            "bucketName": "marts",
            "prefix": "gold/",
            "dataType": "PARQUET",
            "updateType": "OVERWRITE",
            "fieldList": [{"name": "country", "type": "string"}, {"name": "total", "type": "decimal"}],
        },
    ]


def test_every_type_of_node_can_be_written():
    p, orders, customers = sources()
    archive = p.postgresql("archive", "orders", columns=ORDERS)
    shop = p.catalog("shop", "customers", schema_version="3", columns=CUSTOMERS)
    every = orders.union(archive, distinct=True).define({"amount": "double", "day": ("date", "string")})
    every = every.rename({"id": "order_id"}).fill_missing({"amount": 0, "paid": False}).drop_duplicates()
    people = customers.union(shop).select("id", "tier")
    joined = every.join(people, on=[("order_id", "<=", "id"), "country"][:1], match="any")
    joined = joined.filter((col("tier") == "gold") | (col("paid") != True))  # noqa: E712
    sums = joined.aggregate({"top amount": ("amount", "max")}, by=["tier"])
    query = p.sql("SELECT tier FROM t", {"t": sums}, columns={"tier": "string"}, label="질의")
    query.to_mysql("report", "tiers", mode="append")
    query.to_postgresql("report", "tiers", mode="ignore", columns=["tier"])
    query.to_catalog("mart", "tiers", schema_version="1", files=1, columns={"tier": "varchar"})
    sums.to_object_storage("mart", prefix="", format="CSV", files=2, region="2", id=2**62)
    nodes = wire(p)
    contract.validate_request("verifyJob", {"name": "abc", "nodes": nodes})
    assert {node["type"] for node in nodes} == set(NODE_CLASSES)
    assert Pipeline.from_nodes(nodes, "other") == p


def test_the_same_code_gives_the_same_json():
    assert wire(daily_orders()) == wire(daily_orders())
    assert daily_orders() == daily_orders() != sources()[0]


def test_given_ids_are_left_out_of_the_count():
    p = Pipeline("abc")
    for number in (2, None, None):
        p.mysql("c", "t", columns={"a": "int"}, id=number)
    assert [step.id for step in p.steps] == [2, 3, 4]


def test_steps_show_their_columns():
    p, orders, _ = sources()
    assert orders.columns == ORDERS
    assert repr(orders.select("id")) == "<Step 'Select 3': id bigint>"
    assert repr(p) == "<Pipeline 'daily_orders' of 3 steps>"
    assert isinstance(p.add(RawNode(TARGET)), Target)


TARGET = {"type": "TARGET_NEW", "id": 99, "name": "new", "parentNodeIds": [1]}


# --- the calls that take a pipeline -------------------------------------------------------------------------


async def test_a_pipeline_makes_changes_and_checks_jobs():
    p = daily_orders()
    async with Emulator() as server, server.client() as flow:
        assert await flow.jobs.verify(p) is True
        assert await flow.jobs.verify("other", p) is True
        job = await flow.jobs.create(p, condition=JobCondition(num_worker=2))
        assert job.name == "daily_orders"
        assert Pipeline.from_nodes(job.nodes) == Pipeline.from_job(job) == p
        p.steps[0].select("id").to_mysql("c", "t")
        assert Pipeline.from_job(await flow.jobs.update(job.job_id, nodes=p)) == p


async def test_a_pipeline_and_nodes_are_one_too_many():
    async with scripted(answer()) as server, client(server.url) as flow:
        with pytest.raises(InvalidRequest, match="nodes must be left out where a draft has them, got both"):
            await flow.jobs.create(daily_orders(), nodes=[])
        assert server.received == []


@pytest.mark.parametrize("call", ["verify", "create", "update"])
@pytest.mark.parametrize("form", ["nodes[3].name must be text", "at nodes.3: odd", "$/nodes/3/name"])
async def test_what_the_service_refuses_names_step_and_line(call, form):
    p = daily_orders()
    refusal = answer(400, {"detail": form, "errorType": "bad-parameter"})
    async with scripted(refusal) as server, client(server.url) as flow:
        calls = {
            "verify": lambda: flow.jobs.verify(p),
            "create": lambda: flow.jobs.create(p),
            "update": lambda: flow.jobs.update("j", type="VISUAL", nodes=p),
        }
        with pytest.raises(BadRequest) as caught:
            await calls[call]()
    line = inspect.getsourcelines(daily_orders)[1] + 3
    assert f"nodes[3] is step 'Filter 4' (tests/pipeline/written.py:{line} in daily_orders" in str(
        caught.value
    )


async def test_what_the_emulator_refuses_names_the_step():
    p, orders, _ = sources()
    orders.to_mysql("c", "t")
    p.add(RawNode({"type": "TARGET_CATALOG", "id": 9, "name": "report", "parentNodeIds": [2]}))
    async with Emulator() as server, server.client() as flow:
        with pytest.raises(
            BadRequest, match=r"nodes\[3\]\.database must be present.*; nodes\[3\] is step 'report' \("
        ):
            await flow.jobs.verify(p)


# --- the whole ----------------------------------------------------------------------------------------------


def test_a_pipeline_needs_a_target():
    p, orders, _ = sources()
    orders.select("id")
    with pytest.raises(PipelineError, match="pipeline 'daily_orders' must have a target, got none") as caught:
        p.to_nodes()
    assert caught.value.step == "Select 3"
    with pytest.raises(PipelineError, match="must have a target"):
        Pipeline("abc").to_nodes()


def test_a_step_that_nothing_reads_is_refused_at_its_line():
    p, orders, _ = sources()
    orders.to_mysql("c", "t")
    with pytest.raises(PipelineError) as caught:
        p.to_nodes()
    assert re.fullmatch(
        r"tests/pipeline/written\.py:13 in sources, called at .*: step 'MySQL 2': step must be read by another step or a "
        r"target, got one that nothing reads",
        str(caught.value),
    )


def test_a_target_is_written_once_unless_both_append():
    _, orders, _ = sources()
    orders.to_mysql("c", "t", mode="append")
    orders.to_mysql("c", "t", mode="append")
    with pytest.raises(
        PipelineError, match=r"target must be written once unless both append, got c/t of .* again"
    ):
        orders.to_mysql("c", "t", mode="overwrite")
    with pytest.raises(PipelineError, match="label of a target must be unique, got 'MySQL 3'"):
        orders.to_mysql("c", "u", label="MySQL 3")


def test_a_step_is_found_by_its_label_or_number():
    p, orders, customers = sources()
    orders.drop_duplicates("id", label="once").to_mysql("c", "t", label="end")
    assert (p.step("once").id, p.step(2).label) == (3, customers.label)
    p.step("once").to_mysql("c", "u")
    assert len(p.steps) == 5


def test_a_step_that_can_not_be_found_is_refused():
    p, orders, _ = sources()
    once = [orders.drop_duplicates("id", label="once") for _ in range(2)]
    once[0].to_mysql("c", "t", label="end")
    for name, words in {
        "onec": "step must be one of Object Storage 1, MySQL 2, once, once, got 'onec' (did you mean 'once'?)",
        "once": "step must be given by its number (3, 4), got a label of several: 'once'",
        "end": "step must be one that can be read, got the target 'end'",
        9: "step must be one of Object Storage 1,",
        True: "got True",
        None: "got None",
    }.items():
        with pytest.raises(PipelineError) as caught:
            p.step(name)
        assert str(caught.value).startswith("tests/pipeline/test_pipeline.py:")
        assert words in str(caught.value)


def test_steps_of_two_pipelines_do_not_mix():
    _, orders, _ = sources()
    _, other, _ = sources()
    with pytest.raises(
        PipelineError, match="steps must belong to one pipeline, got 'Object Storage 1' of another"
    ):
        orders.union(other)


def test_an_id_is_taken_once():
    _, orders, _ = sources()
    with pytest.raises(
        PipelineError,
        match=r"step 'Select 1': id must be unique, got 1 of step 'Object Storage 1' at tests/pipeline/written\.py:\d+ in sources",
    ):
        orders.select("id", id=1)


def test_names_are_checked_where_they_are_written():
    with pytest.raises(PipelineError, match=r"test_pipeline\.py:\d+: name must be 3 to 100"):
        Pipeline("x")


# --- reading back -------------------------------------------------------------------------------------------


def test_nodes_in_any_order_are_read():
    p = daily_orders()
    assert Pipeline.from_nodes(reversed(p.to_nodes())) == p


@pytest.mark.parametrize(
    ("parents", "words"), [([9], "must be ids of nodes"), ([7], "without a cycle"), ([3], "without a cycle")]
)
def test_a_cycle_and_a_parent_that_is_missing_are_refused(parents, words):
    nodes = wire(daily_orders())
    nodes.append(
        {"type": "TRANSFORM_UNION", "id": 7, "name": "u", "parentNodeIds": parents, "unionType": "ALL"}
    )
    nodes[2]["parentNodeIds"] = [1, 2, 7]
    with pytest.raises(InvalidRequest, match=words):
        Pipeline.from_nodes(nodes)


def test_unknown_nodes_are_kept_and_what_does_not_fit_is_left_unchecked():
    nodes = wire(daily_orders())
    nodes[3]["filterConditionList"][0]["name"] = "no such"
    nodes[4] = {"type": "TRANSFORM_NEW", "id": 5, "name": "new", "parentNodeIds": [4], "any": 1}
    p = Pipeline.from_nodes(nodes)
    assert wire(p) == nodes
    assert [step.columns for step in p.steps[3:5]] == [{}, {}]
    with pytest.raises(InvalidRequest, match="got 'no such'"):
        again = Pipeline("abc")
        for node in p.to_nodes():
            again.add(node)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("str", "string"),
        ("text", "string"),
        ("long", "bigint"),
        ("Integer", "int"),
        ("numeric", "decimal"),
        ("array<string>", "array"),
        ("varchar(255)", "varchar"),
        (int, "bigint"),
        (str, "string"),
        (float, "double"),
    ],
)
def test_a_type_by_its_name_elsewhere_is_refused_with_its_name_here(given, meant):
    with pytest.raises(PipelineError) as caught:
        Pipeline("abc").mysql("c", "t", columns={"a": given})
    assert caught.value.problem.endswith(f"got {given!r} (did you mean {meant!r}?)")


def test_a_group_of_one_column_needs_no_list():
    _, orders, _ = sources()
    assert orders.aggregate(by="country", total=("amount", "sum")).columns == {
        "country": "string",
        "total": "decimal",
    }


async def test_a_job_of_a_list_has_no_nodes_to_read():
    async with Emulator() as server, server.client() as flow:
        await flow.jobs.create(daily_orders())
        job = await flow.jobs.find("daily_orders")
        with pytest.raises(InvalidRequest, match="job must be a Job with its nodes, as jobs"):
            Pipeline.from_job(job)


def test_add_takes_nodes_only():
    with pytest.raises(PipelineError, match="node must be a node, such as SourceObsNode or RawNode, got 5"):
        Pipeline("abc").add(5)
    with pytest.raises(PipelineError, match="node must have an id and a label"):
        Pipeline("abc").add(RawNode(5))
    with pytest.raises(PipelineError, match="parents must be steps that exist, got node 4"):
        Pipeline("abc").add(TransformUnionNode(1, "u", [4], "ALL"))


def test_what_reads_a_target_is_refused():
    p = daily_orders()
    with pytest.raises(PipelineError, match="parents must not be targets, got 'Object Storage 6'"):
        p.add(TransformUnionNode(7, "u", [6], "ALL"))


def test_an_error_survives_a_pickle():
    with pytest.raises(PipelineError) as caught:
        Pipeline("x")
    error = caught.value
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.place, again.field) == (str(error), error.place, "name")


def test_columns_of_a_query_may_stay_unknown():
    p, orders, _ = sources()
    query = p.sql("SELECT * FROM orders", orders=orders, columns=UNKNOWN)
    assert query.columns == {}
    with pytest.raises(PipelineError, match="columns must be stated where those of the step are not known"):
        query.filter(col("any") == 1).to_mysql("c", "t")
    with pytest.raises(PipelineError, match="column to write must have a known type, got 'any': state it"):
        query.to_mysql("c", "t", columns=["any"])
    query.to_mysql("c", "t", columns={"any": "int"})


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (
            None,
            "nodes must be a list, such as the nodes of a job that jobs.get returns; rows of lists have none",
        ),
        ([5], "nodes[0] must be a node, or a mapping with the wire's names, got 5"),
        ("nodes", "nodes must be a list, got 'nodes'"),
    ],
)
def test_what_are_no_nodes_is_refused(nodes, words):
    with pytest.raises(InvalidRequest, match=re.escape(words)):
        Pipeline.from_nodes(nodes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (int, "new type of column 'id' must be one of void, "),
        (5, "change of 'id' must be a type, or a new name and a type, such as ('key', 'string'), got 5"),
        (("key",), "change of 'id' must be a type, or a new name and a type, such as ('key', 'string'), got"),
        (("key", int), "new type of column 'id' must be one of void, "),
    ],
)
def test_a_change_of_a_column_is_a_type_or_a_name_and_a_type(change, words):
    source = Pipeline("abc").mysql("c", "t", columns={"id": "string"})
    with pytest.raises(PipelineError, match=re.escape(words)):
        source.define({"id": change})
