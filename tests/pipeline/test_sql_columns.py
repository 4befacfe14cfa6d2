"""The columns of queries, learned with sqlglot."""

import pytest

from dataflow_async import Field
from dataflow_async.pipeline import Pipeline, PipelineError, sql_columns
from tests.pipeline.written import sources

LEARNED = {
    "SELECT country, sum(amount) AS total, max(day) AS last FROM orders GROUP BY country": {
        "country": "string",
        "total": "decimal",
        "last": "date",
    },
    "SELECT * FROM customers": {"id": "bigint", "tier": "string"},
    "WITH a AS (SELECT id FROM orders) SELECT a.id AS x, tier FROM a JOIN customers c ON a.id = c.id": {
        "x": "bigint",
        "tier": "string",
    },
    "SELECT id FROM orders UNION ALL SELECT id FROM customers": {"id": "bigint"},
    "SELECT upper(country) AS a, date_format(day, 'y') AS b FROM orders": {"a": "string", "b": "string"},
    "SELECT y FROM (SELECT year(day) AS y FROM orders)": {"y": "int"},
    "SELECT z FROM orders LATERAL VIEW explode(array(1, 2)) e AS z": {"z": None},
    "SELECT some_function(id) AS f FROM orders": {"f": None},
}
REFUSED = {
    "SELEC 1": "sql must be a query of Spark SQL, got an error: ",
    "DROP TABLE orders": "sql must be one SELECT, got something else",
    "SELECT 1; SELECT 2": "sql must be one SELECT, got something else",
    "SELECT contry FROM orders": "customers has id bigint, tier string), got an error: Column 'contry'",
    "SELECT * FROM ordrs": "table in sql must be one of orders, customers, got 'ordrs'",
    "SELECT id, id FROM orders": "columns of sql must have unique names, got 'id' twice",
}


@pytest.mark.parametrize("query", LEARNED)
def test_columns_are_learned(query):
    pytest.importorskip("sqlglot")
    p, orders, customers = sources()
    assert p.sql(query, orders=orders, customers=customers).columns == LEARNED[query]


@pytest.mark.parametrize("query", REFUSED)
def test_a_query_that_does_not_fit_is_refused(query):
    pytest.importorskip("sqlglot")
    p, orders, customers = sources()
    with pytest.raises(PipelineError) as caught:
        p.sql(query, orders=orders, customers=customers)
    assert REFUSED[query] in str(caught.value)
    assert "\x1b" not in str(caught.value)


ADDRESS = Field(
    "address", "struct", [Field("city", "string"), Field("geo", "struct", [Field("x`", "double")])]
)


def nested():
    p = Pipeline("abc")
    columns = [Field("id", "int"), ADDRESS, Field("tags", "array")]
    return p, p.object_storage("raw", prefix="", format="JSON", columns=columns)


def test_paths_into_a_column_are_learned():
    pytest.importorskip("sqlglot")
    p, people = nested()
    query = "SELECT id, address.city, p.address.geo.`x``` AS x, address.geo AS geo, address, tags FROM p"
    step = p.sql(query, p=people)
    assert step.columns == {
        "id": "int",
        "city": "string",
        "x": "double",
        "geo": "struct",
        "address": "struct",
        "tags": None,
    }
    assert step.entry.columns.fields["address"] == ADDRESS


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "address.ciyt",
            "part of 'p.address' in sql must be one of city, geo, got 'ciyt' (did you mean 'city'?)",
        ),
        ("address.geo.y", "part of 'p.address.geo' in sql must be one of x`, got 'y'"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, words):
    pytest.importorskip("sqlglot")
    p, people = nested()
    with pytest.raises(PipelineError) as caught:
        p.sql(f"SELECT {path} AS a FROM p", p=people)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "query", ["SELECT id, count(*) FROM o", "SELECT * FROM (SELECT upper(country) FROM o)"]
)
def test_columns_are_unknown_where_a_result_has_no_name(query):
    pytest.importorskip("sqlglot")
    p, orders, _ = sources()
    step = p.sql(query, o=orders)
    assert step.columns == {}
    with pytest.raises(PipelineError, match="columns must be stated where those of the step are not known"):
        step.to_mysql("c", "t")
    assert p.sql("SELECT id AS _col_0 FROM o", o=orders).columns == {"_col_0": "bigint"}


def test_without_sqlglot_columns_are_stated(monkeypatch):
    monkeypatch.setattr(sql_columns, "find_spec", lambda _: None)
    p, orders, _ = sources()
    with pytest.raises(PipelineError, match="columns must be stated without the extra sql"):
        p.sql("SELECT contry FROM orders", orders=orders)
    step = p.sql("SELECT contry FROM orders", orders=orders, columns={"contry": "string"})
    assert step.columns == {"contry": "string"}


def test_a_table_of_a_query_is_a_step():
    p, _, _ = sources()
    with pytest.raises(PipelineError, match="table 'orders' must be a step, got 'orders'"):
        p.sql("SELECT 1", orders="orders")


def test_tables_of_a_query_are_given_by_name():
    p, orders, _ = sources()
    with pytest.raises(
        PipelineError, match="tables must be steps by their names in the query, such as orders=orders"
    ):
        p.sql("SELECT id FROM orders", orders)


def test_a_table_is_given_once():
    p, orders, customers = sources()
    with pytest.raises(PipelineError, match="tables must be names that are given once each, got 'o'"):
        p.sql("SELECT id FROM o", {"o": orders}, o=customers, columns={"id": "bigint"})
