"""Pipelines as text."""

from dataflow_async.pipeline import Pipeline, col
from tests.pipeline.written import daily_orders, sources


def test_each_step_is_explained_with_its_columns():
    assert daily_orders().explain() == EXPLAINED


EXPLAINED = """pipeline daily_orders
1 Object Storage 1
    read JSON of raw/orders/ in region 1
    columns: id bigint, amount decimal, country string, day date, paid boolean
2 MySQL 2
    read MySQL table customers by connection crm-connection
    columns: id bigint, tier string
3 Join 3 <- 1, 2
    left join 1 with 2 on id == id, prefix c_
    columns: id bigint, amount decimal, country string, day date, paid boolean, c_id bigint, c_tier string
4 Filter 4 <- 3
    filter c_tier == 'gold' and amount >= '100'
    columns: id bigint, amount decimal, country string, day date, paid boolean, c_id bigint, c_tier string
5 Aggregate 5 <- 4
    aggregate total = sum amount by country
    columns: country string, total decimal
6 Object Storage 6 <- 5
    write PARQUET of marts/gold/ in region 1, overwrite
    columns: country string, total decimal
"""


def test_every_transform_has_words():
    p, orders, customers = sources()
    orders.define({"day": ("at", "string")}).rename({"at": "when"}).fill_missing({"id": 0}).drop_duplicates(
        "id"
    )
    customers.union(customers.select("id", "tier")).aggregate(by=[], n=("id", "max"))
    p.sql("SELECT 1 AS a", t=customers, columns={"a": "int"}).filter(col("a") != 1)
    p.add(
        Pipeline.from_nodes([{"type": "NEW", "id": 99, "name": "n", "parentNodeIds": []}]).steps[0].entry.node
    )
    text = p.explain()
    for line in (
        "define day as at string",
        "rename at to when",
        "fill missing id with '0'",
        "drop duplicates of id",
        "select id, tier",
        "union all",
        "aggregate n = max id by nothing",
        "sql over 2 as t: SELECT 1 AS a",
        "filter a != '1'",
        "NEW, which is not known here",
        "columns: ...",
    ):
        assert f"    {line}\n" in text
