"""Triggers. No call changes one: create another, update the workflow, delete the old (ruling 3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from dataflow_async import defaults
from dataflow_async.models import checks
from dataflow_async.models.page import Page
from dataflow_async.models.trigger import (
    Trigger,
    TriggerRule,
    TriggerRuleInfo,
    TriggerTypeName,
    trigger_to_wire,
)
from dataflow_async.resources.base import Resource, body_of
from dataflow_async.resources.paging import every_row, named, only_one, window
from dataflow_async.wire import operation as op


class Triggers(Resource):
    """``flow.triggers``. Every method raises errors of the `DataFlowError` tree and no others."""

    async def create(
        self,
        name: str,
        rule: TriggerRule | TriggerRuleInfo | Mapping[str, Any],
        *,
        type: TriggerTypeName | None = None,  # noqa: A002  # the wire's name
        extra: Mapping[str, Any] | None = None,
    ) -> Trigger:
        """Create a trigger (createTrigger). Never repeated on a guess.

        Args:
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-`` (ruling 34).
            rule: When it fires, also the rule of another trigger; times are UTC+9 (ruling 53).
            type: SCHEDULED, EVENT or NONE; follows from the rule unless given. What an EVENT needs is not
                documented: its rule is passed on unchecked (ruling 52).
            extra: Members of newer docs that have no argument here (ruling 33).
        """
        kind, members = trigger_to_wire(rule, type)
        body = body_of(extra, name=checks.name(name), type=kind, triggerRule=members)
        return await self._calls.call(op.CREATE_TRIGGER, body=body)

    async def get(self, trigger_id: str) -> Trigger:
        """Read a trigger (getTriggerById)."""
        return await self._calls.call(op.GET_TRIGGER, trigger_id, fill={"triggerId": trigger_id})

    async def page(
        self, page: int = 0, limit: int = defaults.PAGE_LIMIT, name: str | None = None
    ) -> Page[Trigger]:
        """Read one page of triggers (getTriggers); whether ``name`` matches in part is not documented."""
        return await self._calls.call(op.GET_TRIGGERS, query={"name": named(name), **window(page, limit)})

    async def list(
        self, name: str | None = None, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[Trigger]:
        """Walk all triggers, each once; pages of ``limit`` are fetched as they are needed."""
        rows = every_row(lambda page: self.page(page, limit, name), lambda trigger: trigger.trigger_id)
        async for trigger in rows:
            yield trigger

    async def find(self, name: str) -> Trigger | None:
        """Give the trigger of exactly this name, or None.

        Raises:
            InvalidRequest: Several triggers have the name; the message holds their ids.
        """
        checks.text(name, "name")
        rows = [(trigger.trigger_id, trigger) async for trigger in self.list(name) if trigger.name == name]
        return only_one(name, rows)

    async def delete(self, trigger_id: str) -> None:
        """Delete a trigger (deleteTrigger); gone after an unclear first attempt counts as done (ruling 29)."""
        await self._calls.call(op.DELETE_TRIGGER, trigger_id)
