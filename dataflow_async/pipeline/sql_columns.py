"""The columns of a Spark SQL query, learned with sqlglot where the extra ``sql`` is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dataflow_async.errors import InvalidRequest
from dataflow_async.models.nodes.columns import COLUMN_TYPES, Field
from dataflow_async.pipeline.columns import UNKNOWN, Columns, unique
from dataflow_async.pipeline.refusals import printable, unknown
from dataflow_async.pipeline.sql_types import metadata

_SPARK = "spark"
_OWN_NAMES = {
    "timestampwithtimezone": "timestamp",
    "datetime": "timestamp",
    "uniontype": "binary",
    "void": "null",
}
"""What Spark calls types that it has under another name, or not at all."""
_NESTED = {"array", "map", "struct"}
_MADE_UP = re.compile(r"_col_\d+")
"""Names that sqlglot gives to results without one; Spark gives others, such as ``count(1)``."""


def can_learn() -> bool:
    """Return whether sqlglot is installed."""
    return find_spec("sqlglot") is not None


def columns_of_query(query: str, tables: Mapping[str, Columns]) -> Columns:
    """Return the columns of a query; unknown ones without sqlglot, over unknown columns, or where a result has no name.

    Raises:
        InvalidRequest: The query can't be read, or names a table or column that does not exist.
    """
    if not can_learn():
        return UNKNOWN
    glot: Any = import_module("sqlglot")
    try:
        statements = glot.parse(query, dialect=_SPARK)
    except glot.errors.SqlglotError as error:
        raise InvalidRequest(
            f"sql must be a query of Spark SQL, got an error: {_plain(error)}", field="sql"
        ) from None
    if len(statements) != 1 or not isinstance(statements[0], glot.exp.Query):
        raise InvalidRequest("sql must be one SELECT, got something else", field="sql")
    _check_tables(glot, statements[0], tables)
    if any(columns.is_open for columns in tables.values()):
        return UNKNOWN
    return _qualified(glot, statements[0], tables)


def _check_tables(glot: Any, query: Any, tables: Mapping[str, Columns]) -> None:
    known = {name.lower() for name in tables}
    inner = {each.alias_or_name.lower() for each in query.find_all(glot.exp.CTE)}
    for table in query.find_all(glot.exp.Table):
        if table.name and table.name.lower() not in known | inner:
            raise InvalidRequest(
                f"table in sql must be one of {', '.join(tables) or 'none'}, got {table.name!r}", field="sql"
            )


def _qualified(glot: Any, query: Any, tables: Mapping[str, Columns]) -> Columns:
    schema = {
        table: {name: _spark_type(column) for name, column in columns.fields.items()}
        for table, columns in tables.items()
    }
    qualify = import_module("sqlglot.optimizer.qualify").qualify
    annotate = import_module("sqlglot.optimizer.annotate_types").annotate_types
    written = query.sql(dialect=_SPARK)
    try:
        whole = annotate(
            qualify(query, schema=schema, dialect=_SPARK, quote_identifiers=False),
            schema=schema,
            expression_metadata=metadata(glot),
            dialect=_SPARK,
        )
    except glot.errors.SqlglotError as error:
        exist = "; ".join(f"{printable(table)} has {columns.text()}" for table, columns in tables.items())
        raise InvalidRequest(
            f"sql must name columns that exist ({exist}), got an error: {_plain(error)}", field="sql"
        ) from None
    _check_paths(glot, whole)
    names = [it.alias_or_name for it in whole.selects]
    if not all(names) or "*" in names or any(_MADE_UP.fullmatch(it) and it not in written for it in names):
        return UNKNOWN
    if whole.find(glot.exp.Lateral):  # sqlglot gives a row of a list the type of the list
        return unique(((name, None) for name in names), "columns of sql")
    return unique(
        (
            (it.alias_or_name, _field(it.alias_or_name, None if it.find(glot.exp.Explode) else it.type))
            for it in whole.selects
        ),
        "columns of sql",
    )


def _spark_type(column: Field | None) -> str:
    if column is None:
        return "unknown"
    kind = column.type.lower()
    if kind == "struct" and column.properties:
        inner = ", ".join(f"`{it.name.replace('`', '``')}`: {_spark_type(it)}" for it in column.properties)
        return f"struct<{inner}>"
    return "unknown" if kind in _NESTED else _OWN_NAMES.get(kind, kind)


def _check_paths(glot: Any, query: Any) -> None:
    """Refuse a path into a column of known parts that names none of them."""
    for path in query.find_all(glot.exp.Dot):
        parts = path.this.type.expressions if path.this.type is not None else []
        names = [it.name for it in parts]
        if names and path.name.lower() not in map(str.lower, names):
            raise unknown(f"part of {path.this.sql(dialect=_SPARK)!r} in sql", path.name, names)


def _field(name: str, type_: Any) -> Field | None:
    """Return a column of the result; None if its type is not known."""
    kind = "" if type_ is None else type_.this.value.lower()
    kind = {"text": "string", "timestamptz": "timestamp", "timestampltz": "timestamp"}.get(kind, kind)
    if kind not in COLUMN_TYPES:
        return None
    parts = [_field(it.name, it.args.get("kind")) for it in type_.expressions] if kind == "struct" else []
    if None in parts:
        return None
    return Field(name, kind, tuple(it for it in parts if it) or None)


def _plain(error: Exception) -> str:
    """Return the first line of a message, without the codes that underline a part of it on a screen."""
    text = str(error).replace("\x1b[4m", "").replace("\x1b[0m", "")
    return text.partition("\n")[0].strip()
