"""Pipelines as code: what it looks like, that formatters leave it alone, and what can't be written shorter."""

import json
import subprocess
import sys

import pytest

from dataflow_async import Field, RawNode
from dataflow_async.models.nodes.kinds import read_node
from dataflow_async.pipeline import UNKNOWN, Pipeline, col
from tests.models.nodes.test_kinds import EXAMPLES
from tests.pipeline.test_pipeline_generated import made_by, wire
from tests.pipeline.written import daily_orders, sources


def long():
    """A pipeline whose code has to be broken into lines."""
    p, orders, customers = sources()
    nested = p.catalog("d", "t", schema_version="1", columns=[Field("a", "struct", [Field("b", "int")])])
    nested.to_catalog("d", "u", schema_version="1", columns=UNKNOWN.fields or None, label='a "label"')
    either = orders.filter(
        (col("country") == "a country of a long name") | (col("amount") >= 10**30), label="or"
    )
    either = either.filter((col("paid") == True) | (col("paid") != False))  # noqa: E712
    both = either.join(customers, on=[("id", "<=", "id"), ("id", "id")], match="any", prefix="c_", id=77)
    both.aggregate({"a b": ("amount", "sum")}, by=["country", "day", "paid", "c_tier", "c_id"]).to_mysql(
        "c", "t"
    )
    p.sql("SELECT 1 AS x", {"from": both}, columns={"x": "int"}).to_postgresql(
        "c", "t", columns={"x": "bigint"}
    )
    return p


@pytest.mark.parametrize("make", [daily_orders, long])
def test_code_makes_the_same_json(make):
    assert wire(made_by(make().to_python())) == wire(make())


@pytest.mark.parametrize("nodes", EXAMPLES)
def test_printed_nodes_become_code_that_makes_them(nodes):
    p = Pipeline.from_nodes([read_node(node) for node in nodes])
    for each in (p, made_by(p.to_python())):
        assert json.dumps(wire(each), sort_keys=True) == json.dumps(nodes, sort_keys=True)
    assert ".add(" not in p.to_python()


def test_code_reads_as_a_user_writes_it():
    assert daily_orders().to_python() == DAILY_ORDERS


DAILY_ORDERS = """from dataflow_async.pipeline import Pipeline, col

p = Pipeline("daily_orders")
object_storage_1 = p.object_storage(
    "raw",
    prefix="orders/",
    format="JSON",
    columns={
        "id": "bigint",
        "amount": "decimal",
        "country": "string",
        "day": "date",
        "paid": "boolean",
    },
)
mysql_2 = p.mysql(
    "crm-connection",
    "customers",
    columns={"id": "bigint", "tier": "string"},
)
join_3 = object_storage_1.join(mysql_2, on=[("id", "id")], how="left", prefix="c_")
filter_4 = join_3.filter(col("c_tier") == "gold", col("amount") >= 100)
aggregate_5 = filter_4.aggregate(by=["country"], total=("amount", "sum"))
aggregate_5.to_object_storage(
    "marts",
    prefix="gold/",
    format="PARQUET",
    mode="overwrite",
)
"""


@pytest.mark.parametrize("make", [daily_orders, long])
def test_a_formatter_and_a_linter_leave_it_alone(make, tmp_path):
    file = tmp_path / "job.py"
    file.write_text(make().to_python(), "utf-8")
    for arguments in (["format", "--check", "--diff"], ["check", "--select", "E,F,W"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--isolated", file]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_what_has_no_shorter_form_is_added_as_it_is():
    nodes = wire(daily_orders())
    nodes[3]["filterConditionList"][0]["name"] = "no such"
    nodes[4] = {"type": "TRANSFORM_NEW", "id": 5, "name": "new", "parentNodeIds": [4], "any": [None, True]}
    nodes[2]["newMember"] = {"a": "'\"\n"}
    p = Pipeline.from_nodes(nodes)
    code = p.to_python()
    assert wire(made_by(code)) == nodes
    assert (
        code.startswith(
            "from dataflow_async import FilterCondition, JoinCondition, RawNode, TransformFilterNode"
        )
        or "    TransformJoinNode," in code
    )
    assert "check=False" in code
    assert isinstance(made_by(code).to_nodes()[4], RawNode)


@pytest.mark.parametrize("label", ["class", "print", "p", "col", "match", "1", "주문", "", "_", "Pipeline"])
def test_variables_are_names_of_their_own(label):
    p, orders, customers = sources()
    for step in (orders, customers):
        step.drop_duplicates(label=label or None).to_mysql("c", f"t{step.id}")
    assert wire(made_by(p.to_python())) == wire(p)


def test_numbers_are_written_as_numbers_where_their_text_is_the_same():
    p, orders, _ = sources()
    kept = orders.filter(col("amount") > 5, col("amount") != "007", col("paid") == True)  # noqa: E712
    kept.fill_missing({"amount": 1.5, "country": "5", "paid": False}).to_mysql("c", "t")
    code = p.to_python()
    assert '(col("amount") > 5, col("amount") != "007", col("paid") == "true")' in code.replace(
        "\n    ", " "
    ).replace("( ", "(").replace(",\n)", ")")
    assert 'fill_missing({"amount": 1.5, "country": "5", "paid": False})' in code


def test_a_single_comparison_joined_by_or_stays_that():
    p = Pipeline("abc")
    source = p.mysql("c", "t", columns={"id": "int"})
    source.filter(col("id") == 1).to_mysql("c", "u")
    nodes = wire(p)
    nodes[1]["filterType"] = "OR"
    assert wire(made_by(Pipeline.from_nodes(nodes).to_python())) == nodes


@pytest.mark.parametrize(
    "broken",
    [
        {
            "type": "TRANSFORM_JOIN",
            "joinType": "INNER",
            "leftNodeId": 1,
            "rightNodeId": 7,
            "joinConditionList": [
                {"leftField": "id", "rightField": "id", "joinOperator": "EQ", "conditionOperator": "HEAD"}
            ],
        },
        {
            "type": "TRANSFORM_SQL",
            "sourceNameList": [{"parentId": 7, "newName": "t"}],
            "sql": "SELECT 1 AS x",
        },
    ],
)
def test_a_step_that_names_a_node_that_does_not_exist_becomes_code(broken):
    p = Pipeline("abc")
    source = p.mysql("c", "t", columns={"id": "int"})
    source.to_mysql("c", "u")
    nodes = [*wire(p), {"id": 3, "name": "broken", "parentNodeIds": [1], **broken}]
    made = made_by(Pipeline.from_nodes(nodes).to_python())
    assert [step.entry.node.to_wire() for step in made.steps] == nodes
