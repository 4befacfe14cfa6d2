"""JSON values -> models: camelCase, open enums, aware dates, ``raw`` kept; strict where it matters.

Ids and the numbers of the dashboard are strict. Any other member of an odd type reads as None, so that what nobody needs
spoils nothing; a page drops the rows it can't read, and counts them. ``converter`` decides what is right, and says what is
wrong. Here stands the fast path in front of it: the types of an object's members, taken as one tuple, either were found right
before or not. If they were, the few members that need more than their type checked are converted, and that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs

from dataflow_async import defaults
from dataflow_async.models.moment import read_moment
from dataflow_async.models.naming import camel
from dataflow_async.models.page import Page
from dataflow_async.wire.converter import (
    OLD_SETTINGS,
    explain,
    filled,
    is_job_node,
    is_model,
    non_null,
    open_enum,
    read_job_node,
    rows_of_kind,
    set_raw,
    status_reader,
)
from dataflow_async.wire.converter import structure as structure_slowly

T = TypeVar("T")

_NO_FILL: Mapping[str, str] = {}


_NO_ROWS = "must be an object with a list of rows @ $.list"
_ERRORS = {"error", "errorType"}
"""Members that mark an error, which may come with a 200."""


class Unreadable(ValueError):
    """A JSON value that is not what the contract says; the message names the members at fault."""


def decode(answers: type[T], content: Any, fill: Mapping[str, str]) -> T:
    """Return one JSON value as what a call answers with.

    Args:
        answers: A model, or a `Page` of one.
        content: The JSON value.
        fill: Members to take from the request where the answer, or a row of the page, leaves them out.

    Raises:
        Unreadable: Naming the members at fault.
    """
    try:
        return cast("T", _structurer(cast("Any", answers))(content, fill))
    except Exception:  # noqa: BLE001, S110  # whatever a hook raised means the same; raised outside, bare
        pass
    is_page = get_origin(answers) is Page
    raise Unreadable(_NO_ROWS if is_page else explain(answers, content, fill))


@cache
def _structurer(answers: Any) -> Callable[[Any, Mapping[str, str]], Any]:
    """Return how to structure a model, or a page of one, resolved once; it takes a JSON value and ``fill``."""
    if get_origin(answers) is not Page:
        return _fast(answers)
    one = _fast(get_args(answers)[0])

    def page(content: Any, fill: Mapping[str, str]) -> Any:
        rows = rows_of(content)
        items = []
        for row in rows:
            try:
                items.append(one(row, fill))
            except Exception:  # noqa: BLE001, S112  # as in decode; it is counted
                continue
        count, number, limit = (_number(content.get(name)) for name in ("count", "page", "limit"))
        result: Page[Any] = Page(items, count, number, limit, len(rows) - len(items))
        set_raw(result, content)
        return result

    return page


def rows_of(content: Any) -> list[Any]:
    """Return the rows of a page; a list that is missing or null is an empty one.

    Raises:
        Unreadable: There is something else in its place, or an error.
    """
    rows = content.get("list") if type(content) is dict else content
    if rows is None and content is not None and not content.keys() & _ERRORS:
        return []
    if type(content) is dict and type(rows) is list:
        return rows
    raise Unreadable(_NO_ROWS)


@cache
def needed(answers: Any) -> tuple[str, ...]:
    """Return the wire's names of the members that an answer can't do without."""
    if answers is None:
        return ()
    if get_origin(answers) is Page:
        return ("list",)
    return tuple(
        camel(field.name) for field in attrs.fields(answers) if field.init and field.default is attrs.NOTHING
    )


def _number(value: Any) -> int | None:
    """Return a number beside a list, which decides nothing, so that a strange one is not worth an error."""
    return value if type(value) is int else None


@cache
def _fast(model: type[Any]) -> Callable[[Any, Mapping[str, str]], Any]:
    """Return the fast path of a model; whatever it is not sure of goes to the converter.

    Always true: a tuple of types is ``known`` only if the converter has structured an object of these types and has neither
    filled in nor defaulted a member. What more a type does not show, an empty id or an odd row, is checked each time.
    """
    fields = [field for field in attrs.fields(model) if field.init]
    names = [camel(field.name) for field in fields]
    count = len(names)
    if "jobCondition" in names:
        names += OLD_SETTINGS  # their presence belongs to the shape
    converted = [(at, how) for at, field in enumerate(fields) if (how := _conversion(field))]
    ids = [at for at, field in enumerate(fields) if field.type is str]
    known: set[tuple[type, ...]] = set()
    shapes = defaults.DECODED_SHAPES

    def structure(content: Any, fill: Mapping[str, str]) -> Any:
        values = list(map(content.get, names))
        shape = tuple(map(type, values))
        if shape not in known:
            result = structure_slowly(model, content, fill)
            if len(known) < shapes and _same(result, values, fields):
                known.add(shape)
        else:
            try:
                for at in ids:
                    filled(values[at])
                for at, how in converted:
                    if values[at] is not None:
                        values[at] = how(values[at])
            except (TypeError, ValueError, AttributeError):  # the right types, but something odd within
                result = structure_slowly(model, content, fill)
            else:
                result = model(*values[:count])
        set_raw(result, content)
        return result

    return structure


def _same(result: Any, values: list[Any], fields: list[attrs.Attribute[Any]]) -> bool:
    """Return whether nothing was filled in or defaulted: then members of these types may be taken as they are."""
    return all(
        (value is None) == (getattr(result, field.name) is None)
        for value, field in zip(values, fields, strict=False)
    )


def _conversion(field: attrs.Attribute[Any]) -> Callable[[Any], Any] | None:
    """Return what a member needs beside a check of its own type, or None."""
    target: Any = field.type
    members = non_null(target) or (target,)
    if field.name == "status":
        return status_reader(target)
    if (enum := open_enum(target)) is not None:
        known: dict[str, str] = {member.value: member for member in enum}
        return lambda text: known.get(text, text)
    if datetime in members:
        return read_moment
    for member in members:
        if is_model(member):
            return _alone(member)
        if get_origin(member) is list:
            return _list_conversion(get_args(member)[0])
    return None


def _alone(model: type[Any]) -> Callable[[Any], Any]:
    """Return the fast path of a member: nothing is filled in."""
    one = _fast(cast("Any", model))
    return lambda content: one(content, _NO_FILL)


def _list_conversion(row: Any) -> Callable[[Any], Any]:
    if is_model(row):
        one = _alone(row)
        return lambda rows: [one(content) for content in rows]
    if is_job_node(row):
        return lambda rows: [read_job_node(content) for content in rows]
    return rows_of_kind(row)
