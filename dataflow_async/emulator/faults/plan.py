"""The plan of faults: pure, seeded, replayable.

A fault says which requests it matches, into which of those it is injected, and what it does. Whether it is injected depends on
nothing but the seed, the fault's place in the plan, and how many requests it has matched: the same seed and the same requests
in the same order give the same faults.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

import attrs

from dataflow_async.emulator.api.endpoints import ENDPOINTS
from dataflow_async.emulator.faults import text as spec
from dataflow_async.emulator.faults.base import FaultType, Refuses, When, wire_name
from dataflow_async.emulator.faults.kinds import KINDS

NAMES = frozenset(operation.name for operation in ENDPOINTS)


class InjectedFault(NamedTuple):
    """One fault that is injected into one request."""

    kind: FaultType
    when: When
    chance: Random
    """The random source of this injection."""


@attrs.define(eq=False)
class Fault:
    """One line of the plan."""

    kind: FaultType
    operations: frozenset[str] | None
    """operationIds of the requests it matches; None for all, those that are no call of the API included."""
    probability: float
    """Share of the matching requests into which it is injected, 0 to 1."""
    count: int | None
    """How often it is injected at most."""
    requests: frozenset[int] | None
    """The only matching requests into which it may be injected, the first being 1."""
    when: When
    details: Mapping[str, Any]
    """The details that were given, as they were given."""
    number: int
    """Its place among all that were ever added, from 1."""
    _random: Random = attrs.field(repr=False)
    matched: int = attrs.field(default=0, init=False)
    """Requests it has matched so far."""
    injected: int = attrs.field(default=0, init=False)
    """Requests into which it was injected so far."""

    def __str__(self) -> str:
        """As text that `text.read` takes."""
        whole = {None, self.kind.concerns}
        words = [] if self.operations in whole else [",".join(sorted(self.operations or ()))]
        words.append(self.kind.name)
        words += [f"{wire_name(name)}={shlex.quote(str(value))}" for name, value in self.details.items()]
        if self.when is not self.kind.moments[0]:
            words.append(self.when)
        if self.probability < 1:
            words.append(f"{self.probability * 100:.10g}%")
        if self.count is not None:
            words.append(f"x{self.count}")
        if self.requests is not None:
            words.append("#" + ",".join(map(str, sorted(self.requests))))
        return " ".join(words)

    def inject(self, operation: str | None) -> InjectedFault | None:
        """Count the next request; return the injected fault if this request gets it."""
        if self.operations is not None and operation not in self.operations:
            return None
        self.matched += 1
        draw, source = self._random.random(), self._random.getrandbits(64)
        if self.count is not None and self.injected >= self.count:
            return None
        if self.requests is not None and self.matched not in self.requests:
            return None
        if draw >= self.probability:
            return None
        self.injected += 1
        return InjectedFault(self.kind, self.when, Random(source))


class FaultPlan:
    """The faults of a server, in the order in which they are applied to a request.

    Args:
        seed: Start of all chance.
        text: Faults to begin with, as `parse` takes them.
    """

    def __init__(self, seed: int = 0, text: str = "") -> None:
        self._seed = seed
        self._added = 0
        self._faults: list[Fault] = []
        self.parse(text)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults))

    def __len__(self) -> int:
        return len(self._faults)

    def __str__(self) -> str:
        return "; ".join(map(str, self._faults))

    def add(
        self,
        kind: str,
        *,
        operation: str | Iterable[str] | None = None,
        probability: float = 1.0,
        count: int | None = None,
        requests: Iterable[int] | None = None,
        when: str | None = None,
        **details: Any,
    ) -> Fault:
        """Add a fault; it applies to requests from now on.

        Args:
            kind: A name of `KINDS`.
            operation: The operationId it is for, or several; None for every request.
            probability: Share of the matching requests into which it is injected, 0 to 1.
            count: How often it is injected at most.
            requests: The only matching requests into which it may be injected, counted from 1.
            when: ``before`` the effect of the call (which then never happens) or ``after`` it; each kind has its own
                default.
            **details: What the kind takes.

        Raises:
            ValueError: Naming what is wrong and what is allowed; nothing is added.
        """
        fault = self._checked(kind, operation, probability, count, requests, when, details)
        self._faults.append(fault)
        return fault

    def parse(self, text: str) -> list[Fault]:
        """Add the faults that a text describes (the form is that of the module ``faults.text``).

        Raises:
            ValueError: Naming the part that is wrong and what is allowed; nothing is added.
        """
        faults = []
        for part, arguments in spec.read(text, KINDS, NAMES):
            try:
                faults.append(self._checked(*arguments))
            except ValueError as error:
                raise ValueError(f"fault {part!r}: {error}") from None
        self._faults += faults
        return faults

    def remove(self, fault: Fault) -> None:
        """Take one fault out; does nothing if it is out already."""
        self._faults = [it for it in self._faults if it is not fault]

    def clear(self) -> None:
        """Take all faults out; those already injected run to their end."""
        self._faults = []

    def inject(self, operation: str | None) -> tuple[InjectedFault, ...]:
        """The faults that are injected into the next request, in order."""
        return tuple(
            injected
            for fault in self._faults
            if not isinstance(fault.kind, Refuses) and (injected := fault.inject(operation))
        )

    def refuses_connection(self) -> str | None:
        """The name of the fault that is injected into the next connection, if there is one."""
        for fault in self._faults:
            if isinstance(fault.kind, Refuses) and fault.inject(None):
                return fault.kind.name
        return None

    def _checked(
        self,
        kind: str,
        operation: str | Iterable[str] | None,
        probability: float,
        count: int | None,
        requests: Iterable[int] | None,
        when: str | None,
        details: Mapping[str, Any],
    ) -> Fault:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        made = KINDS[kind].made_from(details)
        operations = _operations(made, operation)
        share = _share(probability)
        if count is not None:
            _positive("count", count)
        wanted = (
            None
            if requests is None
            else frozenset(_positive("requests", it) for it in _set("requests", requests))
        )
        if wanted is not None and not wanted:
            raise ValueError("requests must name at least one request, the first being 1")
        self._added += 1
        # The text is part of the seed: another one gives other faults for the same seed.
        random = Random(f"weather {self._seed} {self._added} {kind}")
        moment = _moment(made, when)
        return Fault(made, operations, share, count, wanted, moment, dict(details), self._added, random)


def _operations(kind: FaultType, given: str | Iterable[str] | None) -> frozenset[str] | None:
    if given is None:
        return kind.concerns or None
    names = frozenset({given}) if isinstance(given, str) else _set("operation", given)
    allowed = NAMES if kind.concerns is None else kind.concerns
    if not allowed:
        raise ValueError(f"{kind.name}: it acts on connections, before there is an operation to name")
    if names and names <= allowed:
        return names
    wrong = ", ".join(sorted(names - allowed)) or "none"
    raise ValueError(f"{kind.name}: operation must be of {', '.join(sorted(allowed))}, got {wrong}")


def _moment(kind: FaultType, given: str | None) -> When:
    if given is None:
        return kind.moments[0]
    try:
        moment = When(given)
    except ValueError:
        raise ValueError(f"when must be before or after, got {given!r}") from None
    if moment not in kind.moments:
        raise ValueError(f"{kind.name}: when must be {kind.moments[0]}, because {kind.why}, got {given}")
    return moment


def _set(name: str, given: Iterable[Any]) -> frozenset[Any]:
    try:
        return frozenset(given)
    except TypeError:
        raise ValueError(f"{name} must be a list, got {given!r}") from None


def _positive(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"{name} must be a whole number, 1 or more, got {value!r}")


def _share(value: object) -> float:
    match value:
        case bool():
            pass
        case int() | float() if 0 <= value <= 1:
            return float(value)
    raise ValueError(f"probability must be a number from 0 to 1, got {value!r}")


def described(fault: Fault) -> dict[str, Any]:
    """A fault as a JSON object; `FaultPlan.add` takes the members up to ``when``, and those of ``details``."""
    return {
        "kind": fault.kind.name,
        "operation": None if fault.operations is None else sorted(fault.operations),
        "probability": fault.probability,
        "count": fault.count,
        "requests": None if fault.requests is None else sorted(fault.requests),
        "when": str(fault.when),
        "details": {wire_name(name): value for name, value in fault.details.items()},
        "matched": fault.matched,
        "injected": fault.injected,
        "text": str(fault),
    }
