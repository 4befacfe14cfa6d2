"""The types of results are those that Spark has; sqlglot alone gives others, or others again."""

import pytest

from dataflow_async.pipeline import Pipeline

COLUMNS = {
    "ok": "boolean",
    "t": "tinyint",
    "i": "int",
    "l": "bigint",
    "f": "float",
    "d": "double",
    "m": "decimal",
    "s": "string",
    "day": "date",
}
TYPES = {
    "avg(m)": "decimal",
    "avg(i)": "double",
    "avg(f)": "double",
    "sum(i)": "bigint",
    "sum(f)": "double",
    "sum(m)": "decimal",
    "sum(s)": None,
    "round(m, 1)": "decimal",
    "round(i)": "int",
    "round(d, 2)": "double",
    "abs(l)": "bigint",
    "-f": "float",
    "m * f": "double",
    "m + d": "double",
    "m - i": "decimal",
    "t + i": "int",
    "i * l": "bigint",
    "i + f": None,
    "f * f": "float",
    "i % 2": "int",
    "i / 2": "double",
    "m / i": "decimal",
    "m / d": "double",
    "day - day": None,
    "i + s": None,
    "if(ok, 1, 2)": "int",
    "if(ok, i, l)": "bigint",
    "if(ok, s, 'none')": "string",
    "if(ok, i, 'none')": None,
    "ifnull(i, 0)": "int",
    "coalesce(m, 0)": "decimal",
    "coalesce(day, null)": "date",
    "nullif(i, 0)": "int",
    "case when ok then 1 else 2.5 end": "decimal",
    "case when ok then s end": "string",
    "case when ok then day else s end": None,
    "greatest(t, l)": "bigint",
    "1.5": "decimal",
    "1e3": "double",
    "'a'": "string",
    "1": "int",
    "3000000000": "bigint",
    "10000000000000000000": "decimal",
    "cast(s as decimal(10, 2))": "decimal",
    "count(*)": "bigint",
    "i > 1 and s like 'a%'": "boolean",
    "length(s)": "int",
}


@pytest.mark.parametrize("written", TYPES)
def test_the_type_of_a_result_is_that_of_spark_or_not_known(written):
    pytest.importorskip("sqlglot")
    p = Pipeline("types")
    table = p.object_storage("raw", prefix="", format="PARQUET", columns=COLUMNS)
    assert p.sql(f"SELECT {written} AS x FROM t", t=table).columns == {"x": TYPES[written]}


def test_a_type_that_is_not_known_stays_so_in_an_outer_query():
    pytest.importorskip("sqlglot")
    p = Pipeline("types")
    table = p.object_storage("raw", prefix="", format="PARQUET", columns=COLUMNS)
    inner = "SELECT x + 1 AS y, coalesce(x, 0) AS z FROM (SELECT day - day AS x FROM t)"
    assert p.sql(inner, t=table).columns == {"y": None, "z": None}
