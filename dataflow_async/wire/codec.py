"""JSON values <-> models: camelCase, open enums, aware dates, `.raw` kept; strict where it matters (ruling 94).

Ids and the numbers of the dashboard are strict. Any other member of an odd type reads as None, so that what
nobody needs spoils nothing. A cattrs converter decides what is right, and says what is wrong. In front of it
stands a fast path: the types of an object's members, taken as one tuple, either were found right before or not. If
they were, the few members that need more than their type checked are converted, and that is all.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter, transform_error
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, override

from dataflow_async.models.base import Response
from dataflow_async.models.moment import read_moment
from dataflow_async.models.naming import camel
from dataflow_async.models.page import Page
from dataflow_async.wire import jsontext

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_NO_FILL: Mapping[str, str] = {}
_OLD_SETTINGS = ("runCondition", "runCondtion")
"""Older names of ``jobCondition``; the first present of the three wins (ruling 62)."""


_NO_ROWS = "an object with a list of rows is needed @ $.list"
_ERRORS = {"error", "errorType"}
"""Members that mark an error, which may come with a 200 (ruling 97)."""


class Unreadable(ValueError):
    """A JSON value that is not what the contract says; the message names the members at fault."""


def decode(answers: type[T], content: Any, fill: Mapping[str, str]) -> T:
    """Structure one JSON value as ``answers``.

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
    raise Unreadable(_explain(answers, content, fill))


@cache
def _structurer(answers: Any) -> Callable[[Any, Mapping[str, str]], Any]:
    """Resolve how to structure a model, or a page of one, once; the result takes a JSON value and fill."""
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
        _set_raw(result, content)
        return result

    return page


def rows_of(content: Any) -> list[Any]:
    """Give the rows of a page; a list that is missing or null is an empty one (ruling 71).

    Raises:
        Unreadable: There is something else in its place, or an error (ruling 97).
    """
    rows = content.get("list") if type(content) is dict else content
    if rows is None and content is not None and not content.keys() & _ERRORS:
        return []
    if type(content) is dict and type(rows) is list:
        return rows
    raise Unreadable(_NO_ROWS)


@cache
def needed(answers: Any) -> tuple[str, ...]:
    """Give the wire's names of the members that an answer can't do without."""
    if answers is None:
        return ()
    if get_origin(answers) is Page:
        return ("list",)
    return tuple(
        camel(field.name) for field in attrs.fields(answers) if field.init and field.default is attrs.NOTHING
    )


def _number(value: Any) -> int | None:
    """The numbers beside a list decide nothing (ruling 71), so a strange one is not worth an error."""
    return value if type(value) is int else None


_set_raw = Response.raw.__set__  # type: ignore[attr-defined]


def _complete(content: Any, fill: Mapping[str, str]) -> Any:
    """Give an object with what it leaves out filled in, and its settings under their newest name."""
    if type(content) is not dict:
        raise TypeError(f"an object is needed, got {type(content).__name__}")
    present = {name: value for name, value in content.items() if value is not None}
    for name, value in fill.items():
        if present.get(name, "") == "":
            present[name] = value
    for name in _OLD_SETTINGS:
        if name in present:
            present.setdefault("jobCondition", present[name])
    return present


# --- fast path ---------------------------------------------------------------------------------------------

_SHAPES = 1000
"""Combinations of member types that are remembered per model: a dozen occur, a hostile server makes no more."""


@cache
def _fast(model: type[Any]) -> Callable[[Any, Mapping[str, str]], Any]:
    """Give the fast path of a model; whatever it is not sure of goes to the converter."""
    fields = [field for field in attrs.fields(model) if field.init]
    names = [camel(field.name) for field in fields]
    count = len(names)
    if "jobCondition" in names:
        names += _OLD_SETTINGS  # their presence belongs to the shape
    converted = [(at, how) for at, field in enumerate(fields) if (how := _conversion(field))]
    ids = [at for at, field in enumerate(fields) if field.type is str]
    known: set[tuple[type, ...]] = set()

    def structure(content: Any, fill: Mapping[str, str]) -> Any:
        values = list(map(content.get, names))
        shape = tuple(map(type, values))
        if shape not in known:
            result = _slowly(model, content, fill)
            if len(known) < _SHAPES and _same(result, values, fields):
                known.add(shape)
        else:
            try:
                for at in ids:
                    _filled(values[at])
                for at, how in converted:
                    if values[at] is not None:
                        values[at] = how(values[at])
            except (TypeError, ValueError, AttributeError):  # the right types, but something odd within
                result = _slowly(model, content, fill)
            else:
                result = model(*values[:count])
        _set_raw(result, content)
        return result

    return structure


def _slowly(model: type[Any], content: Any, fill: Mapping[str, str]) -> Any:
    return _converter(detailed=False).structure(_complete(content, fill), model)


def _filled(text: str) -> str:
    if not text:
        raise ValueError("text that is not empty is needed")
    return text


def _same(result: Any, values: list[Any], fields: list[attrs.Attribute[Any]]) -> bool:
    """Whether nothing was filled in or defaulted: then members of these types may be taken as they are."""
    return all(
        (value is None) == (getattr(result, field.name) is None)
        for value, field in zip(values, fields, strict=False)
    )


def _conversion(field: attrs.Attribute[Any]) -> Callable[[Any], Any] | None:
    """Give what a member needs beside a check of its own type, or None."""
    target: Any = field.type
    members = _non_null(target) or (target,)
    if field.name == "status":
        return _status(target)
    if (enum := _open_enum(target)) is not None:
        known: dict[str, str] = {member.value: member for member in enum}
        return lambda text: known.get(text, text)
    if datetime in members:
        return read_moment
    for member in members:
        if _is_model(member):
            return _alone(member)
        if get_origin(member) is list:
            return _list_conversion(get_args(member)[0])
    return None


def _status(target: Any) -> Callable[[Any], str]:
    """A status of an odd type is one that nobody knows: its text, which equals no other (ruling 94)."""
    known: dict[str, str] = {member.value: member for member in _open_enum(target) or ()}
    return lambda value: known.get(value, value) if type(value) is str else jsontext.shown(value)


def _alone(model: type[Any]) -> Callable[[Any], Any]:
    """The fast path for a member: nothing is filled in."""
    one = _fast(cast("Any", model))
    return lambda content: one(content, _NO_FILL)


def _list_conversion(row: Any) -> Callable[[Any], Any]:
    if _is_model(row):
        one = _alone(row)
        return lambda rows: [one(content) for content in rows]
    kind = get_origin(row) or row
    if kind is dict:  # nodes go out again, or are refused, as they came
        return lambda rows: rows

    def check(rows: Any) -> Any:
        if type(rows) is list and any(type(content) is not kind for content in rows):
            raise TypeError
        return rows

    return check


# --- what was wrong ----------------------------------------------------------------------------------------


def _explain(answers: Any, content: Any, fill: Mapping[str, str]) -> str:
    """Say in words why ``content`` is no ``answers``, naming the members at fault."""
    if get_origin(answers) is Page:
        return _NO_ROWS
    try:
        _converter(detailed=True).structure(_complete(content, fill), answers)
    except Exception as error:  # noqa: BLE001  # as in decode
        return "; ".join(map(_wire_path, transform_error(error, path="$")[:5]))
    return "not what the contract says"


def _wire_path(reason: str) -> str:
    """Put the wire's names into the path of a reason."""
    text, at, path = reason.rpartition(" @ ")
    return text + at + re.sub(r"_([a-z])", lambda match: match[1].upper(), path)


# --- hooks -------------------------------------------------------------------------------------------------


def _exactly(*kinds: type) -> Hook:
    """A hook that passes values of these types and refuses the rest: cattrs would turn "false" into True."""

    def hook(value: Any, target: Any) -> Any:
        if type(value) in kinds:
            return value
        wanted = getattr(target, "__name__", str(target))
        raise TypeError(f"{wanted} is needed, got {type(value).__name__}")

    return hook


def _non_null(target: Any) -> tuple[Any, ...]:
    """The members of a union without None; empty for anything that is no union."""
    if get_origin(target) not in {Union, types.UnionType}:
        return ()
    return tuple(member for member in get_args(target) if member is not type(None))


def _open_enum(target: Any) -> type[StrEnum] | None:
    """The enum of ``SomeEnum | str``: known values become members, others stay text (ruling 63)."""
    members = _non_null(target)
    if len(members) == 2 and str in members:
        return next((m for m in members if isinstance(m, type) and issubclass(m, StrEnum)), None)
    return None


def _enum_hook(target: Any) -> Hook:
    enum = _open_enum(target)
    assert enum is not None  # noqa: S101  # the predicate said so
    known: dict[str, str] = {member.value: member for member in enum}
    text = _exactly(str)

    def hook(value: Any, _: Any) -> Any:
        return None if value is None else known.get(text(value, str), value)

    return hook


def _moment_hook(value: Any, _: Any) -> Any:
    return None if value is None else read_moment(value)


def _plain_union(target: Any) -> bool:
    """``list[str] | str``, ``str | int``: unions of JSON's own types, told apart by the value's type."""
    members = _non_null(target)
    return len(members) == 2 and all((get_origin(m) or m) in {str, int, list} for m in members)


def _plain_union_hook(target: Any) -> Hook:
    kind = _exactly(type(None), *((get_origin(member) or member) for member in _non_null(target)))
    rows = next((_list_conversion(get_args(m)[0]) for m in _non_null(target) if get_origin(m) is list), None)

    def hook(value: Any, _: Any) -> Any:
        return rows(kind(value, target)) if rows is not None else kind(value, target)

    return hook


def _list_factory(converter: Converter) -> Callable[[Any], Hook]:
    """Lists are JSON arrays: cattrs would take any iterable, the letters of a text or the keys of an object."""
    base = list_structure_factory if converter.detailed_validation else None

    def factory(target: Any) -> Hook:
        kind = get_args(target)[0]
        if get_origin(kind) is dict:
            return _exactly(list)
        row = converter.get_structure_hook(kind)
        detailed = base(target, converter) if base is not None else None

        def hook(value: Any, _: Any) -> Any:
            if type(value) is not list:
                raise TypeError(f"a list is needed, got {type(value).__name__}")
            return detailed(value, target) if detailed is not None else [row(each, kind) for each in value]

        return hook

    return factory


def _model_hook(converter: Converter, *, detailed: bool) -> Callable[[type[Any]], Hook]:
    def factory(model: type[Any]) -> Hook:
        fields = [field for field in attrs.fields(model) if field.init]
        base = make_dict_structure_fn(
            model,
            converter,
            _cattrs_detailed_validation=detailed,
            **{  # type: ignore[arg-type]
                field.name: override(rename=camel(field.name), struct_hook=_member_hook(converter, field))
                for field in fields
            },
        )

        def hook(content: Any, _: Any) -> Any:
            result = base(_complete(content, {}), model)
            _set_raw(result, content)
            return result

        return hook

    return factory


def _member_hook(converter: Converter, field: attrs.Attribute[Any]) -> Hook | None:
    """Ids and needed numbers are strict, a status is text, and the rest reads as None if it is odd."""
    if field.default is not None:
        text = _exactly(str)
        is_id = field.default is attrs.NOTHING and field.type is str
        return (lambda value, target: _filled(text(value, target))) if is_id else None
    if field.name == "status":
        read = _status(field.type)
        return lambda value, _: None if value is None else read(value)
    base: Hook = converter.get_structure_hook(field.type)

    def hook(value: Any, target: Any) -> Any:
        try:
            return base(value, target)
        except Exception:  # noqa: BLE001  # whatever it raised means the same
            return None

    return hook


def _is_model(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, Response)


def _is_list(target: Any) -> bool:
    return get_origin(target) is list


def _is_dict(target: Any) -> bool:
    return get_origin(target) is dict


@cache
def _converter(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    for kinds in ((str,), (int,), (bool,)):
        converter.register_structure_hook(kinds[0], _exactly(*kinds))
    converter.register_structure_hook(float, _exactly(float, int))
    converter.register_structure_hook_func(lambda t: datetime in _non_null(t), _moment_hook)
    converter.register_structure_hook_factory(lambda t: _open_enum(t) is not None, _enum_hook)
    converter.register_structure_hook_factory(_plain_union, _plain_union_hook)
    converter.register_structure_hook_factory(_is_list, _list_factory(converter))
    converter.register_structure_hook_func(_is_dict, _exactly(dict))
    converter.register_structure_hook_factory(_is_model, _model_hook(converter, detailed=detailed))
    return converter
