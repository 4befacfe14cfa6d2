"""The columns after each step, and what does not fit them: each refusal says what is wrong and what exists."""

import re

import pytest

from dataflow_async import (
    FilterCondition,
    JoinCondition,
    SourceName,
    TransformDropDuplicationNode,
    TransformFilterNode,
    TransformJoinNode,
    TransformSqlNode,
    TransformUnionNode,
)
from dataflow_async.pipeline import UNKNOWN, PipelineError, col
from tests.pipeline.written import ORDERS, sources

NAMES = "id, amount, country, day, paid"

COLUMNS = {
    "define": (lambda o, c: o.define({"id": "string", "day": ("at", "timestamp")}), "id string, amount decimal, country string, at timestamp, paid boolean"),
    "select": (lambda o, c: o.select("day", "id"), "day date, id bigint"),
    "join": (lambda o, c: o.join(c, on="id", prefix="c_").select("paid", "c_id", "c_tier"), "paid boolean, c_id bigint, c_tier string"),
    "join without prefix": (lambda o, c: o.select("day", "amount").join(c, on=[("amount", ">", "id")]), "day date, amount decimal, id bigint, tier string"),
    "filter": (lambda o, c: c.filter(col("id") > 1), "id bigint, tier string"),
    "union": (lambda o, c: c.union(c.select("id", "tier")), "id bigint, tier string"),
    "aggregate": (
        lambda o, c: o.aggregate(by=["day"], n=("id", "sum"), a=("id", "avg"), d=("amount", "avg"), m=("country", "max")),
        "day date, n bigint, a double, d decimal, m string",
    ),
    "rename": (lambda o, c: c.rename({"id": "tier", "tier": "id"}), "tier bigint, id string"),
    "drop duplicates": (lambda o, c: c.drop_duplicates("id"), "id bigint, tier string"),
    "fill missing": (lambda o, c: c.fill_missing({"id": 0}), "id bigint, tier string"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_after_a_step(name):
    make, expected = COLUMNS[name]
    _, orders, customers = sources()
    shown = ", ".join(f"{column} {kind}" for column, kind in make(orders, customers).columns.items())
    assert shown == expected


REFUSED = {
    "a misspelt column of a filter": (lambda o, c: o.filter(col("contry") == "KR"), f"column to filter by must be one of {NAMES}, got 'contry' (did you mean 'country'?)"),
    "a column in capitals": (lambda o, c: o.select("ID"), f"column to select must be one of {NAMES}, got 'ID' (did you mean 'id'?)"),
    "a column with a blank": (lambda o, c: o.select("id "), f"column to select must be one of {NAMES}, got 'id ' (did you mean 'id'?)"),
    "a misspelt column of a select": (lambda o, c: o.select("amnt"), f"column to select must be one of {NAMES}, got 'amnt' (did you mean 'amount'?)"),
    "a misspelt column of a define": (lambda o, c: o.define({"dya": "string"}), f"step 'Define 3': column to define must be one of {NAMES}, got 'dya' (did you mean 'day'?)"),
    "an unknown type of a define": (lambda o, c: o.define({"day": "strnig"}), "new type of column 'day' must be one of void, boolean,"),
    "a type of a define by its name elsewhere": (lambda o, c: o.define({"day": "str"}), "got 'str' (did you mean 'string'?)"),
    "a define that makes two of one name": (lambda o, c: o.define({"day": ("id", "date")}), "columns after define must have unique names, got 'id' twice"),
    "a misspelt column of a rename": (lambda o, c: o.rename({"dya": "x"}), "column to rename must be one of"),
    "a rename that makes two of one name": (lambda o, c: o.rename({"day": "id"}), "columns after rename must have unique names, got 'id' twice"),
    "a misspelt column of a group": (lambda o, c: o.aggregate(by=["contry"], n=("id", "sum")), "column of `by` must be one of"),
    "a misspelt column of an aggregation": (lambda o, c: o.aggregate(by=[], n=("amont", "sum")), "column to aggregate must be one of"),
    "a sum over text": (lambda o, c: o.aggregate(by=[], n=("country", "sum")), "step 'Aggregate 3': column to aggregate by SUM must be a number, got 'country' (string)"),
    "an average over dates": (lambda o, c: o.aggregate(by=[], n=("day", "avg")), "column to aggregate by AVG must be a number, got 'day' (date)"),
    "a maximum over maps": (
        lambda o, c: c.define({"tier": "map"}).aggregate(by=[], n=("tier", "max")),
        "column to aggregate by MAX must be of a type with an order, got 'tier' (map)",
    ),
    "a join whose first comparison is none": (
        lambda o, c: o.join(c, on=[JoinCondition("id", "id", "EQ", "AND")], prefix="c_"),
        "condition_operator must be HEAD for the first of `on` and no other",
    ),
    "a join whose second comparison is a first one": (
        lambda o, c: o.join(c, on=["id", JoinCondition("id", "id", "EQ", "HEAD")], prefix="c_"),
        "condition_operator must be HEAD for the first of `on` and no other",
    ),
    "two results of one name": (lambda o, c: o.aggregate(by=["day"], day=("id", "sum")), "columns after aggregate must have unique names, got 'day' twice"),
    "a result that is given twice": (lambda o, c: o.aggregate({"n": ("id", "sum")}, by=[], n=("id", "max")), "results must be names that are given once each, got 'n'"),
    "a count": (lambda o, c: o.aggregate(by=[], n=("id", "count")), "function of 'n' must be one of sum, avg, max, min (use sql to count), got 'count'"),
    "an aggregation without a function": (lambda o, c: o.aggregate(by=[], n="id sum"), "aggregation 'n' must be a column and a function"),
    "a union of other columns": (lambda o, c: o.union(c), "steps of a union must have the same columns, got (id bigint, amount decimal, country string, day date, paid boolean) and (id bigint, tier string); only one has amount, country, day, paid, tier"),
    "a union in another order": (lambda o, c: c.union(c.select("tier", "id")), "and (tier string, id bigint); their order differs"),
    "a union of other types": (lambda o, c: c.union(c.define({"id": "int"})), "columns of a union must have the same types, got 'id' as bigint and as int"),
    "a union with itself": (lambda o, c: c.union(c), "others must be other steps"),
    "a join on other types": (lambda o, c: o.join(c, on=[("id", "tier")], prefix="c_"), "columns of `on` must have types that compare, got 'id' (bigint) and 'tier' (string)"),
    "a misspelt column of a join": (lambda o, c: o.join(c, on=[("id", "idd")], prefix="c_"), "column of the joined step in `on` must be one of id, tier, got 'idd' (did you mean 'id'?)"),
    "a join of equal names": (lambda o, c: o.join(c, on="id"), "prefix must be given where names are the same, got None: both have id"),
    "a prefix that makes two of one name": (lambda o, c: o.rename({"day": "c_id"}).join(c, on="id", prefix="c_"), "prefix must make names that the first step does not have, got 'c_': both have c_id"),
    "an unknown join": (lambda o, c: o.join(c, on="id", prefix="c_", how="outer"), "how must be one of inner, left, right, full, got 'outer'"),
    "a join on a mapping": (lambda o, c: o.join(c, on={"id": "id"}), "on must be a column or a list, such as [('id', 'order_id')], got {'id': 'id'}"),
    "a pair that could be two names": (
        lambda o, c: o.join(c, on=("id", "tier"), prefix="c_"),
        "on must be a list: [('id', 'order_id')] for one column of each step, ['id', 'day'] for columns of both, got ('id', 'tier')",
    ),
    "a comparison of no form": (lambda o, c: o.join(c, on=[("id",)], prefix="c_"), "on must be a column, two columns, or two with an operator between, got ('id',)"),
    "a comparison outside of a list": (lambda o, c: o.join(c, on=("id", "<=", "id"), prefix="c_"), "on must be a list: [('id', 'order_id')]"),
    "a join by its name elsewhere": (lambda o, c: o.join(c, on="id", prefix="c_", how="LEFT_OUTER"), "got 'LEFT_OUTER' (did you mean 'left'?)"),
    "a function by its name elsewhere": (lambda o, c: o.aggregate(by=[], n=("id", "mean")), "got 'mean' (did you mean 'avg'?)"),
    "a mode by its name elsewhere": (lambda o, c: o.to_mysql("c", "t", mode="replace"), "got 'replace' (did you mean 'overwrite'?)"),
    "a path into a column": (
        lambda o, c: c.define({"tier": "struct"}).filter(col("tier.name") == "gold"),
        "column to filter by must be a whole column, got the path 'tier.name' into 'tier': use sql for that",
    ),
    "a list of steps": (lambda o, c: o.union([c]), "others must be given one by one, such as union(second, third), got ["),
    "a list to select": (lambda o, c: o.select(["id", "day"]), "columns must be given one by one, such as select('id', 'day'), got ['id', 'day']"),
    "a list to compare": (lambda o, c: o.drop_duplicates(["id"]), "columns must be given one by one, such as drop_duplicates('id', 'day'), got ['id']"),
    "an unknown operator of a join": (lambda o, c: o.join(c, on=[("id", "=", "id")], prefix="c_"), "operator of `on` must be one of ==, !=, >, <, >=, <=, got '=' (did you mean '=='?)"),
    "a join on nothing": (lambda o, c: o.join(c, on=[], prefix="c_"), "on must be at least one, got none"),
    "a join with no step": (lambda o, c: o.join("customers", on="id"), "other must be a step, got 'customers'"),
    "text for a number": (lambda o, c: o.filter(col("amount") > "much"), "value for column 'amount' (decimal) must be a finite number, got 'much'"),
    "a number for text": (lambda o, c: o.filter(col("country") == 5), "value for column 'country' (string) must be text, got 5"),
    "a number for a date": (lambda o, c: o.filter(col("day") == 20260101), "value for column 'day' (date) must be a date, such as"),
    "text for a bool": (lambda o, c: o.fill_missing({"paid": "maybe"}), "value for column 'paid' (boolean) must be True or False, got 'maybe'"),
    "a misspelt column of a fill": (lambda o, c: o.fill_missing({"piad": True}), "column to fill must be one of"),
    "no values of a fill": (lambda o, c: o.fill_missing({}), "values must be at least one, got none"),
    "a misspelt column to compare": (lambda o, c: o.drop_duplicates("idd"), "column to compare must be one of"),
    "a column to compare twice": (lambda o, c: o.drop_duplicates("id", "id"), "columns to compare must be given once each, got 'id' twice"),
    "a misspelt column to write": (lambda o, c: o.to_mysql("c", "t", columns=["idd"]), "column to write must be one of"),
    "a column to write twice": (lambda o, c: o.to_mysql("c", "t", columns=["id", "id"]), "columns to write must have unique names, got 'id' twice"),
    "an unknown mode": (lambda o, c: o.to_mysql("c", "t", mode="replace"), "mode must be one of overwrite, append, ignore, got 'replace'"),
    "a format of sources only": (lambda o, c: o.to_object_storage("b", prefix="", format="NDJSON"), "format must be one of json, csv, parquet, got 'NDJSON'"),
    "no filter": (lambda o, c: o.filter(), "conditions must be at least one, got none"),
    "a filter by a bool": (lambda o, c: o.filter(True), "condition must be a comparison, such as col('amount') >= 100, got True"),
    "an empty table name": (lambda o, c: o.to_mysql("c", ""), "TargetCdbMysqlNode.table must be text that is not empty, got ''"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_at_its_line(name):
    make, words = REFUSED[name]
    _, orders, customers = sources()
    with pytest.raises(PipelineError) as caught:
        make(orders, customers)
    message = str(caught.value)
    line = make.__code__.co_firstlineno
    assert re.match(
        rf"tests/pipeline/test_outputs\.py:{line} in <lambda>, called at tests/pipeline/test_outputs\.py:\d+: ",
        message,
    )
    assert words in message


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": "integer"}, "type of columns 'a' must be one of void, boolean"),
        ({"a": "decimal(10,2)"}, "got 'decimal(10,2)' (did you mean 'decimal'?)"),
        ({"a": 5}, "got 5"),
        ({}, "columns must be at least one, got none"),
        ("id", "columns must be a mapping of names to types, got 'id'"),
        (["id"], "columns must be a mapping of names to types, got 'id'"),
        ({"": "int"}, "Field.name must be text that is not empty"),
    ],
)
def test_columns_of_a_source_are_checked(columns, words):
    p, _, _ = sources()
    with pytest.raises(PipelineError) as caught:
        p.mysql("c", "t", columns=columns)
    assert words in str(caught.value)


def test_types_are_sent_in_lower_case():
    p, _, _ = sources()
    assert p.mysql("c", "t", columns={"a": "BigInt"}).columns == {"a": "bigint"}
    assert set(ORDERS.values()) == {"bigint", "decimal", "string", "date", "boolean"}


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (TransformSqlNode(9, "q", [1], [SourceName(2, "t")], "SELECT 1 AS a"), "tables of a query must be its parents, got node 2"),
        (TransformJoinNode(9, "j", [1], "INNER", 1, 2, [JoinCondition("id", "id", "EQ", "HEAD")]), "sides of a join must be its parents"),
        (TransformUnionNode(9, "u", [], "ALL"), "parents of TRANSFORM_UNION must be 1 or more, got 0"),
        (TransformFilterNode(9, "f", [1, 2], "AND", [FilterCondition("id", "EQ", "1")]), "parents of TRANSFORM_FILTER must be 1, got 2"),
        (TransformDropDuplicationNode(9, "d", [1], []), "columns to compare must be at least one, got none"),
    ],
)  # fmt: skip
def test_a_node_that_is_added_as_it_is_fits_its_parents(node, words):
    p, _, _ = sources()
    with pytest.raises(PipelineError) as caught:
        p.add(node)
    assert words in str(caught.value)


def test_unknown_columns_stay_unknown_through_transforms():
    p, orders, _ = sources()
    query = p.sql("SELECT * FROM t", t=orders, columns=UNKNOWN)
    after = [
        query.define({"id": "int"}),
        query.rename({"x": "y"}),
        query.filter(col("x") > 1),
        query.fill_missing({"x": "any"}),
        query.join(orders, on="id", prefix="o_"),
        orders.rename({"id": "x"}).join(query, on=[("x", "id")], prefix="q_"),
        query.union(orders),
    ]
    for step in after:
        step.filter(col("no one knows") == 1)
    assert [step.columns for step in after[:4]] == [{"id": "int"}, {"y": None}, {}, {}]
    assert query.aggregate(by=["x"], n=("y", "sum")).columns == {"x": None, "n": None}
