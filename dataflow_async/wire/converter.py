"""One JSON object -> one model, member by member: strict about ids and needed numbers, lenient about the rest.

A cattrs converter decides what is right, and says what is wrong. It is slow; ``decoding`` has a fast path in front of it, so
that cattrs is loaded with the first answer of an odd shape.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import attrs

from dataflow_async import defaults
from dataflow_async.models.base import Response
from dataflow_async.models.moment import read_moment
from dataflow_async.models.naming import camel
from dataflow_async.wire import jsontext

if TYPE_CHECKING:
    from cattrs import Converter

Hook = Callable[[Any, Any], Any]

OLD_SETTINGS = ("runCondition", "runCondtion")
"""Older names of ``jobCondition``; the first present of the three wins."""


set_raw = Response.raw.__set__  # type: ignore[attr-defined]


def structure(model: type[Any], content: Any, fill: Mapping[str, str]) -> Any:
    """Return an object as its model; members that it leaves out are taken from ``fill``.

    Raises:
        Exception: Of any class: it is not what the contract says; `explain` says why.
    """
    return _converter(detailed=False).structure(_complete(content, fill), model)


def explain(model: type[Any], content: Any, fill: Mapping[str, str]) -> str:
    """Return in words why ``content`` is no ``model``; the members at fault are named as on the wire."""
    from cattrs import transform_error

    try:
        _converter(detailed=True).structure(_complete(content, fill), model)
    except Exception as error:  # noqa: BLE001  # whatever a hook raised means the same
        return "; ".join(map(_wire_path, transform_error(error, path="$")[: defaults.FAULTS_SHOWN]))
    return "not what the contract says"


def _wire_path(reason: str) -> str:
    """Return a reason with the wire's names in its path."""
    text, at, path = reason.rpartition(" @ ")
    return text + at + re.sub(r"_([a-z])", lambda match: match[1].upper(), path)


def _complete(content: Any, fill: Mapping[str, str]) -> Any:
    """Return an object with what it leaves out filled in, and its settings under their newest name."""
    if type(content) is not dict:
        raise TypeError(f"must be an object, got {type(content).__name__}")
    present = {name: value for name, value in content.items() if value is not None}
    for name, value in fill.items():
        if present.get(name, "") == "":
            present[name] = value
    for name in OLD_SETTINGS:
        if name in present:
            present.setdefault("jobCondition", present[name])
    return present


def filled(text: str) -> str:
    """Return a text that is not empty.

    Raises:
        ValueError: It is.
    """
    if not text:
        raise ValueError("must be text that is not empty")
    return text


def status_reader(target: Any) -> Callable[[Any], str]:
    """Return what reads a status: one of an odd type reads as its text, which equals no other."""
    known: dict[str, str] = {member.value: member for member in open_enum(target) or ()}
    return lambda value: known.get(value, value) if type(value) is str else jsontext.shown(value)


def _exactly(*kinds: type) -> Hook:
    """Return a hook that passes values of these types and refuses the rest: cattrs would turn "false" into True."""

    def hook(value: Any, target: Any) -> Any:
        if type(value) in kinds:
            return value
        expected = getattr(target, "__name__", str(target))
        raise TypeError(f"must be {expected}, got {type(value).__name__}")

    return hook


def non_null(target: Any) -> tuple[Any, ...]:
    """Return the members of a union without None; empty for anything that is no union."""
    if get_origin(target) not in {Union, types.UnionType}:
        return ()
    return tuple(member for member in get_args(target) if member is not type(None))


def open_enum(target: Any) -> type[StrEnum] | None:
    """Return the enum of ``SomeEnum | str``: known values become members, others stay text."""
    members = non_null(target)
    if len(members) == 2 and str in members:
        return next((m for m in members if isinstance(m, type) and issubclass(m, StrEnum)), None)
    return None


def _enum_hook(target: Any) -> Hook:
    enum = open_enum(target)
    assert enum is not None  # noqa: S101  # the predicate has matched
    known: dict[str, str] = {member.value: member for member in enum}
    text = _exactly(str)

    def hook(value: Any, _: Any) -> Any:
        return None if value is None else known.get(text(value, str), value)

    return hook


def _moment_hook(value: Any, _: Any) -> Any:
    return None if value is None else read_moment(value)


def rows_of_kind(row: Any) -> Callable[[Any], Any]:
    """Return what checks the rows of a list of JSON's own types, and passes whatever is no list."""
    kind = get_origin(row) or row
    if kind is dict:  # nodes go out again, or are refused, as they came
        return lambda rows: rows

    def check(rows: Any) -> Any:
        if type(rows) is list and any(type(content) is not kind for content in rows):
            raise TypeError
        return rows

    return check


def _plain_union(target: Any) -> bool:
    """Return whether a type is a union of JSON's own types, such as ``list[str] | str``: the value's type decides."""
    members = non_null(target)
    return len(members) == 2 and all((get_origin(m) or m) in {str, int, list} for m in members)


def _plain_union_hook(target: Any) -> Hook:
    kind = _exactly(type(None), *((get_origin(member) or member) for member in non_null(target)))
    rows = next((rows_of_kind(get_args(m)[0]) for m in non_null(target) if get_origin(m) is list), None)

    def hook(value: Any, _: Any) -> Any:
        return rows(kind(value, target)) if rows is not None else kind(value, target)

    return hook


def _list_factory(converter: Converter) -> Callable[[Any], Hook]:
    """Return the hooks of lists: JSON arrays, where cattrs would take the letters of a text or the keys of an object."""
    from cattrs.cols import list_structure_factory

    base = list_structure_factory if converter.detailed_validation else None

    def factory(target: Any) -> Hook:
        kind = get_args(target)[0]
        if get_origin(kind) is dict:
            return _exactly(list)
        row = converter.get_structure_hook(kind)
        detailed = base(target, converter) if base is not None else None

        def hook(value: Any, _: Any) -> Any:
            if type(value) is not list:
                raise TypeError(f"must be a list, got {type(value).__name__}")
            return detailed(value, target) if detailed is not None else [row(each, kind) for each in value]

        return hook

    return factory


def _model_hook(converter: Converter, *, detailed: bool) -> Callable[[type[Any]], Hook]:
    from cattrs.gen import make_dict_structure_fn, override

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
            set_raw(result, content)
            return result

        return hook

    return factory


def _member_hook(converter: Converter, field: attrs.Attribute[Any]) -> Hook | None:
    """Return the hook of a member: ids and needed numbers are strict, a status is text, the rest is None if odd."""
    if field.default is not None:
        text = _exactly(str)
        is_id = field.default is attrs.NOTHING and field.type is str
        return (lambda value, target: filled(text(value, target))) if is_id else None
    if field.name == "status":
        read = status_reader(field.type)
        return lambda value, _: None if value is None else read(value)
    base: Hook = converter.get_structure_hook(field.type)

    def hook(value: Any, target: Any) -> Any:
        try:
            return base(value, target)
        except Exception:  # noqa: BLE001  # whatever it raised means the same
            return None

    return hook


def is_model(target: Any) -> bool:
    """Return whether a type is one of the models."""
    return isinstance(target, type) and issubclass(target, Response)


def read_job_node(content: Any) -> Any:
    """Return a node of a job, whatever it is; the classes of the types are loaded with the first one."""
    from dataflow_async.models.nodes.kinds import read_node

    return read_node(content)


def is_job_node(target: Any) -> bool:
    """Return whether a type is that of a job's nodes."""
    from dataflow_async.models.nodes.base import JobNode

    return bool(target == JobNode)


def _is_list(target: Any) -> bool:
    return get_origin(target) is list


def _is_dict(target: Any) -> bool:
    return get_origin(target) is dict


@cache
def _converter(*, detailed: bool) -> Converter:
    from cattrs import Converter

    converter = Converter(detailed_validation=detailed)
    for kinds in ((str,), (int,), (bool,)):
        converter.register_structure_hook(kinds[0], _exactly(*kinds))
    converter.register_structure_hook(float, _exactly(float, int))
    converter.register_structure_hook_func(lambda t: datetime in non_null(t), _moment_hook)
    converter.register_structure_hook_factory(lambda t: open_enum(t) is not None, _enum_hook)
    converter.register_structure_hook_factory(_plain_union, _plain_union_hook)
    converter.register_structure_hook_func(is_job_node, lambda value, _: read_job_node(value))
    converter.register_structure_hook_factory(_is_list, _list_factory(converter))
    converter.register_structure_hook_func(_is_dict, _exactly(dict))
    converter.register_structure_hook_factory(is_model, _model_hook(converter, detailed=detailed))
    return converter
