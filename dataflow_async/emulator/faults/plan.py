"""The plan of faults: which requests each fault matches, into which of those it is injected, and what it does."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

import attrs

from dataflow_async.emulator.api.endpoints import ENDPOINTS
from dataflow_async.emulator.faults import text as spec
from dataflow_async.emulator.faults.base import FaultType, Refuses, When, wire_name

NAMES = frozenset(operation.name for operation in ENDPOINTS)


class InjectedFault(NamedTuple):
    """One fault that is injected into one request."""

    kind: FaultType
    when: When
    chance: Random
    """The random source of this injection."""


@attrs.define(eq=False)
class Fault:
    """One fault of the plan, and its counts."""

    kind: FaultType
    operations: frozenset[str] | None
    """operationIds of the requests it matches; None for all, also those that match no endpoint."""
    probability: float
    """Share of the matching requests into which it is injected, 0 to 1."""
    count: int | None
    """Most times that it is injected; None for no limit."""
    requests: frozenset[int] | None
    """The only matching requests into which it may be injected, counted from 1."""
    when: When
    details: Mapping[str, Any]
    """The details as they were given."""
    number: int
    """Its place among all faults that were ever added, from 1."""
    _random: Random = attrs.field(repr=False)
    matched: int = attrs.field(default=0, init=False)
    """Requests it has matched so far."""
    injected: int = attrs.field(default=0, init=False)
    """Requests into which it was injected so far."""

    def __str__(self) -> str:
        """Return the fault in the text form that `text.read` reads."""
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
        """Count the next request; return the injected fault, or None if this request does not get it."""
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

    Always true: whether a fault is injected depends only on the seed, the fault's place in the plan, its type, and the number of
    requests it has matched; so the same seed and the same requests in the same order give the same faults. One random source
    for several faults, or a draw for only some of the matching requests, would break this: so each fault has its own source, and
    takes two numbers from it for every matching request.

    Args:
        seed: Start of the random sources.
        text: Initial faults, as `parse` reads them.
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
            count: Most times that it is injected; None for no limit.
            requests: The only matching requests into which it may be injected, counted from 1.
            when: ``before`` the effect of the call (which then never happens) or ``after`` it; each kind has its own
                default.
            **details: The details of the kind.

        Raises:
            ValueError: The message names the argument, the allowed values and the value; nothing is added.
        """
        fault = self._checked(kind, operation, probability, count, requests, when, details)
        self._faults.append(fault)
        return fault

    def parse(self, text: str) -> list[Fault]:
        """Add the faults that a text describes (the form is that of the module ``faults.text``).

        Raises:
            ValueError: The message names the wrong part and what is allowed; nothing is added.
        """
        faults = []
        for part, arguments in spec.read(text, _kinds(), NAMES) if text else ():
            try:
                faults.append(self._checked(*arguments))
            except ValueError as error:
                raise ValueError(f"fault {part!r}: {error}") from None
        self._faults += faults
        return faults

    def remove(self, fault: Fault) -> None:
        """Remove one fault; does nothing if it is removed already."""
        self._faults = [it for it in self._faults if it is not fault]

    def clear(self) -> None:
        """Remove all faults; those already injected run to their end."""
        self._faults = []

    def inject(self, operation: str | None) -> tuple[InjectedFault, ...]:
        """Return the faults that are injected into the next request, in order."""
        if not self._faults:
            return ()
        return tuple(
            injected
            for fault in self._faults
            if not isinstance(fault.kind, Refuses) and (injected := fault.inject(operation))
        )

    def refuses_connection(self) -> str | None:
        """Return the name of the fault that is injected into the next connection, or None."""
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
        kinds = _kinds()
        if kind not in kinds:
            raise ValueError(f"kind must be one of {', '.join(kinds)}, got {kind!r}")
        made = kinds[kind].made_from(details)
        operations = _operations(made, operation)
        share = _share(probability)
        if count is not None:
            _positive("count", count)
        numbers = (
            None
            if requests is None
            else frozenset(_positive("requests", it) for it in _set("requests", requests))
        )
        if numbers is not None and not numbers:
            raise ValueError(
                "requests must be a list of at least one number, the first request being 1, got an empty one"
            )
        self._added += 1
        # The place and the type are part of the seed, so that no fault changes the chance of another.
        random = Random(f"fault {self._seed} {self._added} {kind}")
        moment = _moment(made, when)
        return Fault(made, operations, share, count, numbers, moment, dict(details), self._added, random)


def _kinds() -> Mapping[str, type[FaultType]]:
    """Return all kinds of faults; they are loaded by the first fault, because most servers never have one."""
    from dataflow_async.emulator.faults.kinds import KINDS

    return KINDS


def _operations(kind: FaultType, given: str | Iterable[str] | None) -> frozenset[str] | None:
    if given is None:
        return kind.concerns or None
    names = frozenset({given}) if isinstance(given, str) else _set("operation", given)
    allowed = NAMES if kind.concerns is None else kind.concerns
    if not allowed:
        raise ValueError(f"{kind.name}: operation must be absent, because the fault acts on connections")
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
    """Return a fault as a JSON object; `FaultPlan.add` accepts the members up to ``when``, and those of ``details``."""
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
