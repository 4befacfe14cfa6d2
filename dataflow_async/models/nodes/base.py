"""What typed nodes and their parts have in common: checked members, read from and written to the wire's form."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import NoneType
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args, get_origin

import attrs
from attrs import field, frozen

from dataflow_async.models import checks
from dataflow_async.models.base import Value
from dataflow_async.models.naming import camel

Check = Callable[[Any, str], Any]
"""Returns a value in its final form; raises `InvalidRequest` that names the field."""

T = TypeVar("T")

_INT64 = 2**63


def one_of(*allowed: str) -> Check:
    """Return a check for one of these texts."""
    return lambda value, where: checks.one_of(value, allowed, where)


def _any_text(value: Any, where: str) -> str:
    return "" if value == "" and isinstance(value, str) else checks.text(value, where)


def _int64(value: Any, where: str) -> int:
    return checks.whole(value, where, -_INT64, _INT64 - 1)


Text = Annotated[str, checks.text]
"""Text that is not empty."""


@frozen(eq=False, repr=False)
class WireObject(Value):
    """An object of a request or an answer whose members are all of a known form.

    Always true: `from_wire` of what `to_wire` returns is an equal object, and the other way round. What has another form is
    refused when it is made, so that nothing is lost between reading and sending.

    Attributes:
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    extra: Mapping[str, Any] = field(kw_only=True, factory=dict)

    def __attrs_post_init__(self) -> None:
        """Check all members, and make tuples of lists."""
        for name, (_, check) in members_of(type(self)).items():
            checked = check(getattr(self, name), f"{type(self).__name__}.{name}")
            object.__setattr__(self, name, checked)

    def __hash__(self) -> int:
        """Return the hash of the first member: equal objects have equal first members."""
        return hash((type(self), getattr(self, next(iter(members_of(type(self)))))))

    def __repr__(self) -> str:
        """Return the members that are not None, so that the text makes the object again."""
        names = [*members_of(type(self)), *(["extra"] if self.extra else [])]
        members = ((name, getattr(self, name, None)) for name in names)
        shown = ", ".join(f"{name}={value!r}" for name, value in members if value is not None)
        return f"{type(self).__name__}({shown})"

    @classmethod
    def from_wire(cls, content: Mapping[str, Any]) -> Self:
        """Return the object that a JSON object describes.

        Raises:
            InvalidRequest: A member is missing or has another form than the contract says.
        """
        rest = checks.mapping(content, cls.__name__)
        known = {name: rest.pop(wire, None) for name, (wire, _) in members_of(cls).items()}
        return cls(**known, extra=rest)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object; members that are None are left out."""
        written = {wire: _written(getattr(self, name)) for name, (wire, _) in members_of(type(self)).items()}
        return {wire: value for wire, value in written.items() if value is not None} | dict(self.extra)


@frozen(eq=False, repr=False)
class TypedNode(WireObject):
    """A node of a known type: what all of the 18 types have.

    Source: https://api.ncloud-docs.com/docs/common-vapidatatype-dataflowetljobnode

    Attributes:
        id: Number of the node, 64 bit, unique in its job; whoever makes the job chooses it.
        name: Label, any text.
        parent_node_ids: Ids of the nodes that this one reads from; empty for a source.
        extra: Members that have no name here, by the wire's names; sent back unchanged.
    """

    kind: ClassVar[str] = ""

    id: int
    name: Text
    parent_node_ids: Sequence[int]

    @property
    def type(self) -> str:
        """Return the type of the node by the wire's name, such as ``"SOURCE_OBS"``."""
        return self.kind

    @classmethod
    def from_wire(cls, content: Mapping[str, Any]) -> Self:
        """Return the node that a JSON object describes; its ``type`` is that of the class.

        Raises:
            InvalidRequest: A member is missing or has another form than the contract says.
        """
        checks.one_of(content.get("type"), (cls.kind,), f"{cls.__name__}.type")
        return super().from_wire({name: value for name, value in content.items() if name != "type"})

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object; members that are None are left out."""
        return {"type": self.kind, **super().to_wire()}


@frozen(eq=False, repr=False)
class RawNode(Value):
    """A node of an unknown type, or of a form that the contract does not have: kept, and sent back, as it came.

    Attributes:
        raw: The JSON value as received.
    """

    raw: Any

    def __hash__(self) -> int:
        """Return the hash of its text."""
        return hash(repr(self.raw))

    def _member(self, name: str, kind: type[T]) -> T | None:
        value = self.raw.get(name) if isinstance(self.raw, Mapping) else None
        return value if isinstance(value, kind) else None

    @property
    def type(self) -> str | None:
        """Return its type where it has one."""
        return self._member("type", str)

    @property
    def id(self) -> int | None:
        """Return its id where it has one."""
        return self._member("id", int)

    @property
    def name(self) -> str | None:
        """Return its label where it has one."""
        return self._member("name", str)

    @property
    def parent_node_ids(self) -> Sequence[Any]:
        """Return the ids of its parents; empty where it has none."""
        return self._member("parentNodeIds", list) or ()

    def to_wire(self) -> Any:
        """Return the JSON value as received."""
        return dict(self.raw) if isinstance(self.raw, Mapping) else self.raw


JobNode = TypedNode | RawNode
"""A node of a job: one of the 18 types, or kept raw."""


_MEMBERS: dict[type, dict[str, tuple[str, Check]]] = {}


def members_of(kind: type[Any]) -> dict[str, tuple[str, Check]]:
    """Return the members of a class by their names here: the wire's name and the check of each."""
    if kind not in _MEMBERS:
        attrs.resolve_types(kind)
        _MEMBERS[kind] = {
            it.name: (it.metadata.get("wire") or camel(it.name), _check_of(it.type))
            for it in attrs.fields(kind)
            if it.name != "extra"
        }
    return _MEMBERS[kind]


def _written(value: Any) -> Any:
    if isinstance(value, WireObject):
        return value.to_wire()
    return [_written(each) for each in value] if isinstance(value, tuple) else value


def _check_of(target: Any) -> Check:
    """Return the check that a type annotation stands for."""
    origin, arguments = get_origin(target), get_args(target)
    if NoneType in arguments:
        inner = _check_of(next(each for each in arguments if each is not NoneType))
        return lambda value, where: None if value is None else inner(value, where)
    if origin is Annotated:
        rule: Check = arguments[1]
        return rule
    if origin is Sequence:
        return partial(_each, _check_of(arguments[0]))
    if target is str:
        return _any_text
    if target is int:
        return _int64
    return partial(_part, target)


def _each(check: Check, value: Any, where: str) -> tuple[Any, ...]:
    rows = checks.sequence(value, where)
    return tuple(check(row, f"{where}[{index}]") for index, row in enumerate(rows))


def _part(kind: Any, value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return kind.from_wire(value)
    if not isinstance(value, kind):
        raise checks.refuse(where, value, f"a {kind.__name__}")
    return value
