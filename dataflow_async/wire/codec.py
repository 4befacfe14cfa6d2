"""JSON values <-> models: camelCase, open enums, aware dates, strict types, `.raw` kept.

Two converters with the same hooks: a fast one that every answer goes through, and an explaining one that
is asked only after the fast one failed, to say which member was wrong.
"""

import re
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from dataflow_async.models.base import Response
from dataflow_async.models.moment import read_moment
from dataflow_async.models.naming import camel
from dataflow_async.models.page import Page

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_SETTINGS = ("jobCondition", "runCondition", "runCondtion")
"""The three names a job's run settings came under; the first present wins (ruling 62)."""


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
        return cast("T", _fast(cast("Any", answers))(content, fill))
    except Exception:  # noqa: BLE001, S110  # whatever a hook raised means the same; raised outside, bare
        pass
    raise Unreadable(explain(answers, content, fill))


def explain(answers: Any, content: Any, fill: Mapping[str, str]) -> str:
    """Say in words why ``content`` is no ``answers``: the first row of a page at fault, or the members."""
    if get_origin(answers) is Page and type(content) is dict and type(content.get("list")) is list:
        rows = enumerate(content["list"])
        reasons = (_reasons(get_args(answers)[0], row, fill, f"$.list[{index}]") for index, row in rows)
        return next(filter(None, reasons), "not what the contract says")
    return _reasons(answers, content, fill, "$") or "not what the contract says"


def _reasons(answers: Any, content: Any, fill: Mapping[str, str], path: str) -> str:
    try:
        _slow(answers)(content, fill)
    except Exception as error:  # noqa: BLE001  # as above
        return "; ".join(_camel_path(reason) for reason in transform_error(error, path=path)[:5])
    return ""


def _camel_path(reason: str) -> str:
    text, at, path = reason.rpartition(" @ ")
    return text + at + re.sub(r"_([a-z])", lambda match: match[1].upper(), path)


@cache
def _fast(answers: Any) -> Callable[[Any, Mapping[str, str]], Any]:
    return _structurer(_FAST, answers)


@cache
def _slow(answers: Any) -> Callable[[Any, Mapping[str, str]], Any]:
    return _structurer(_EXPLAINING, answers)


def _structurer(converter: Converter, answers: type[Any]) -> Callable[[Any, Mapping[str, str]], Any]:
    """Resolve the hooks of a model once; the result takes a JSON value and what to fill in."""
    page = get_origin(answers) is Page
    model = get_args(answers)[0] if page else answers
    hook = converter.get_structure_hook(model)

    def one(content: Any, fill: Mapping[str, str]) -> Any:
        if type(content) is not dict:
            raise TypeError(f"an object is needed, got {type(content).__name__}")
        missing = {name: value for name, value in fill.items() if not content.get(name)}
        if not missing:
            return hook(content, model)
        result = hook({**content, **missing}, model)
        _set_raw(result, content)
        return result

    def many(content: Any, fill: Mapping[str, str]) -> Any:
        if type(content) is not dict or type(content.get("list")) is not list:
            raise TypeError("an object with a list of rows under 'list' is needed")
        numbers = {name: content.get(name) for name in ("count", "page", "limit")}
        result = Page(
            [one(row, fill) for row in content["list"]], **{k: _number(v) for k, v in numbers.items()}
        )
        _set_raw(result, content)
        return result

    return many if page else one


def _number(value: Any) -> int | None:
    """The numbers beside a list decide nothing (ruling 71), so a strange one is not worth an error."""
    return value if type(value) is int else None


_set_raw = Response.raw.__set__  # type: ignore[attr-defined]


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
    return _exactly(type(None), *((get_origin(member) or member) for member in _non_null(target)))


def _model_hook(converter: Converter, detailed: bool) -> Callable[[type[Any]], Hook]:  # noqa: FBT001
    def factory(model: type[Any]) -> Hook:
        names = {
            field.name: override(rename=camel(field.name)) for field in attrs.fields(model) if field.init
        }
        base = make_dict_structure_fn(
            model,
            converter,
            _cattrs_detailed_validation=detailed,
            **names,  # type: ignore[arg-type]
        )
        has_settings = "job_condition" in names

        def hook(content: Any, _: Any) -> Any:
            if type(content) is not dict:
                raise TypeError(f"an object is needed, got {type(content).__name__}")
            source = _with_settings(content) if has_settings else content
            result = base(source, model)
            _set_raw(result, content)
            return result

        return hook

    return factory


def _with_settings(content: dict[str, Any]) -> dict[str, Any]:
    if content.get("jobCondition") is not None:
        return content
    settings = next((content[name] for name in _SETTINGS if content.get(name) is not None), None)
    return content if settings is None else {**content, "jobCondition": settings}


def _is_model(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, Response)


def _is_dict(target: Any) -> bool:
    return get_origin(target) is dict


def _converter(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    for kinds in ((str,), (int,), (bool,)):
        converter.register_structure_hook(kinds[0], _exactly(*kinds))
    converter.register_structure_hook(float, _exactly(float, int))
    converter.register_structure_hook_func(lambda t: datetime in _non_null(t), _moment_hook)
    converter.register_structure_hook_factory(lambda t: _open_enum(t) is not None, _enum_hook)
    converter.register_structure_hook_factory(_plain_union, _plain_union_hook)
    converter.register_structure_hook_func(_is_dict, _exactly(dict))
    converter.register_structure_hook_factory(_is_model, _model_hook(converter, detailed))
    return converter


_FAST = _converter(detailed=False)
_EXPLAINING = _converter(detailed=True)
