"""Plans what is sent for a launch, and under which key and digests it is recorded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import attrs

from dataflow_async.bulk.digests import digests, parameters_digest, sent_parameters, settings_digest
from dataflow_async.bulk.launch_keys import Ordinals, check_key, key_repeated, made_name
from dataflow_async.bulk.launch_records import JournalEntry
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.launch import Launch
from dataflow_async.wire.request import check_id


class LaunchPlan(NamedTuple):
    """One launch as it is recorded and sent."""

    key: str
    launch: Launch
    """As it is sent: with its key among its parameters, if runs are to be correlated."""
    given: Launch
    settings: bytes
    """Digest of job and settings; empty where it is not recorded."""
    parameters: bytes | None
    """Digest of the parameters as sent; None where there are none, or where it is not recorded."""

    def was_sent_so(self, entry: JournalEntry) -> bool:
        """Return whether an entry was sent with the parameters of now, and not under another correlation parameter."""
        return entry.parameters == self.parameters

    def known_parameters(self, entry: JournalEntry) -> dict[str, str]:
        """Return the parameters that an entry is known to have been sent with: at least the caller's own."""
        return sent_parameters(self.launch if self.was_sent_so(entry) else self.given)


class Planner:
    """Plans the launches of one run.

    Always true: no two plans of one run have the same key. The store recognizes the keys that it has recorded; those of
    launches that still wait for their turn, as in an outage, are remembered here. Without these, launches that look alike
    would share a key, and so would their outcomes.

    Args:
        correlation_parameter: Name of the parameter that carries the key; None for none.
        recorded: Whether digests are recorded; they are not computed in vain.
    """

    def __init__(self, correlation_parameter: str | None = None, *, recorded: bool) -> None:
        self._correlation_parameter = correlation_parameter
        self._recorded = recorded
        self._ordinals = Ordinals()
        self._unrecorded: set[str] = set()
        """Keys of launches whose intent is not recorded yet; no more than are in flight."""

    def plan(self, launch: Launch) -> LaunchPlan:
        """Return the plan of a launch; `key_recorded` must follow once its intent is recorded.

        Raises:
            InvalidRequest: Of field ``"key"`` if its key can't be used; otherwise as ``jobs.execute``.
        """
        check_ids(launch)
        return self._distinct(self._first(launch))

    def key_recorded(self, plan: LaunchPlan) -> None:
        """Take in that the store has the key of a launch, and recognizes it from now on."""
        self._unrecorded.discard(plan.key)

    def renamed(self, plan: LaunchPlan) -> LaunchPlan:
        """Return the plan under its next name, because the store has had a launch of this name in this run.

        Raises:
            InvalidRequest: Of field ``"key"``: the name is the caller's own.
        """
        self._unrecorded.discard(plan.key)
        return self._distinct(self._next(plan))

    def _distinct(self, plan: LaunchPlan) -> LaunchPlan:
        while plan.key in self._unrecorded:
            plan = self._next(plan)
        self._unrecorded.add(plan.key)
        return plan

    def _first(self, launch: Launch) -> LaunchPlan:
        if self._recorded:
            settings, parameters = digests(launch)
            ordinal = 1 if launch.key is not None else self._ordinals.next(settings)
            return self._plan(launch, settings, parameters, ordinal)
        if launch.key is not None:
            return LaunchPlan(check_key(launch.key), launch, launch, b"", None)
        settings = settings_digest(launch)
        return LaunchPlan(made_name(settings, self._ordinals.next(settings)), launch, launch, settings, None)

    def _next(self, plan: LaunchPlan) -> LaunchPlan:
        """Return a plan under its next name; a name of the caller's own has none."""
        launch, settings = plan.given, plan.settings
        if launch.key is not None:
            raise key_repeated(plan.key)
        ordinal = self._ordinals.after_taken(settings)
        if self._recorded:
            return self._plan(launch, settings, sent_parameters(launch), ordinal)
        return plan._replace(key=made_name(settings, ordinal))

    def _plan(self, launch: Launch, settings: bytes, parameters: dict[str, str], ordinal: int) -> LaunchPlan:
        key = made_name(settings, ordinal) if launch.key is None else check_key(launch.key)
        sent = launch
        if (name := self._correlation_parameter) is not None:
            if name in parameters:
                raise InvalidRequest(
                    f"correlation_parameter: launch {key!r} has a parameter {name!r} of its own; choose another name",
                    field="correlation_parameter",
                )
            parameters = {**parameters, name: key}
            sent = _with_parameters(launch, parameters)
        return LaunchPlan(key, sent, launch, settings, parameters_digest(parameters))


def check_ids(launch: Launch) -> None:
    """Check the ids that a launch names; a list or None in their place would break what is keyed by them.

    Raises:
        InvalidRequest: Field ``"job_id"``, ``"trigger_id"`` or ``"workflow_id"``.
    """
    check_id(launch.job_id, "job_id")
    for name in ("trigger_id", "workflow_id"):
        if (value := getattr(launch, name)) is not None:
            check_id(value, name)


def _with_parameters(launch: Launch, parameters: dict[str, str]) -> Launch:
    """Return the same launch with these parameters, which hold those it had, wherever they stood."""
    condition = launch.condition
    if isinstance(condition, Mapping):
        condition = {name: value for name, value in condition.items() if name != "parameters"}
    elif condition is not None:
        condition = attrs.evolve(condition, parameters=None)
    return attrs.evolve(launch, parameters=parameters, condition=condition)
