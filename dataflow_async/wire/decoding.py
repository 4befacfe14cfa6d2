"""JSON values -> models: camelCase, open enums, aware dates, ``raw`` kept; strict where it matters.

Ids and the numbers of the dashboard are strict. Any other member of an odd type reads as None, so that what nobody needs
spoils nothing; a page drops the rows it can't read, and counts them. ``converter`` decides what is right, and says what is
wrong. Here stands the fast path in front of it: the types of an object's members, taken as one tuple, either are those of the
model or not. If they are, the few members that need more than their type checked are converted, and that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from operator import contains
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin

import attrs

from dataflow_async import defaults
from dataflow_async.models.moment import read_moment
from dataflow_async.models.naming import camel
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

if TYPE_CHECKING:
    from dataflow_async.models.page import Page

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
        structured: T = _structurer(answers)(content, fill)  # type: ignore[arg-type]  # a cache takes what is hashable
    except Exception:  # noqa: BLE001, S110  # whatever a hook raised means the same; raised outside, bare
        pass
    else:
        return structured
    is_page = get_origin(answers) is not None  # of the models it alone is generic
    raise Unreadable(_NO_ROWS if is_page else explain(answers, content, fill))


@cache
def _structurer(answers: Any) -> Callable[[Any, Mapping[str, str]], Any]:
    """Return how to structure a model, or a page of one, resolved once; it takes a JSON value and ``fill``."""
    page_of_rows = get_origin(answers)
    if page_of_rows is None:
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
        result: Page[Any] = page_of_rows(items, count, number, limit, len(rows) - len(items))
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
    if get_origin(answers) is not None:
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

    Always true: a tuple of types is ``known`` only if the converter would neither fill in nor default a member of them. What
    more a type does not show, an empty id or an odd row, is checked each time.
    """
    fields = [field for field in attrs.fields(model) if field.init]
    names = [camel(field.name) for field in fields]
    count = len(names)
    certain = [_certain_types(field) for field in fields]
    if "jobCondition" in names:  # an older name beside it is for the converter
        names += OLD_SETTINGS
        certain += [_NONE] * len(OLD_SETTINGS)
    converted = [(at, how) for at, field in enumerate(fields) if (how := _conversion(field))]
    ids = [at for at, field in enumerate(fields) if field.type is str]
    known, is_known = _known_shapes(certain)

    def structure(content: Any, fill: Mapping[str, str]) -> Any:
        values = list(map(content.get, names))
        shape = tuple(map(type, values))
        if shape in known or is_known(shape):
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
        else:
            result = structure_slowly(model, content, fill)
        set_raw(result, content)
        return result

    return structure


def _known_shapes(
    certain: list[frozenset[type]],
) -> tuple[set[tuple[type, ...]], Callable[[tuple[type, ...]], bool]]:
    """Return the tuples of types that are known to be certain, and what checks a further one and remembers it."""
    known: set[tuple[type, ...]] = set()

    def is_known(shape: tuple[type, ...]) -> bool:
        if not all(map(contains, certain, shape)):
            return False
        if len(known) < defaults.DECODED_SHAPES:
            known.add(shape)
        return True

    return known, is_known


_NONE = frozenset({type(None)})
_JSON = frozenset({str, int, float, bool, dict, list})


def _certain_types(field: attrs.Attribute[Any]) -> frozenset[type]:
    """Return the types of JSON with which a member is certain to be taken as it is, or converted, and never defaulted."""
    types: set[type] = set()
    for target in non_null(field.type) or (field.type,):
        origin = get_origin(target) or target
        if origin is Any:
            types |= _JSON
        elif origin is float:
            types |= {float, int}
        elif origin in _JSON:
            types.add(cast("type", origin))
        elif is_model(target):
            types.add(dict)
    return frozenset(types) | (_NONE if field.default is None else frozenset())


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
