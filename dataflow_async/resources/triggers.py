"""Triggers. No call changes one: create another, update the workflow, delete the old one."""

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
    """The triggers of the account: ``flow.triggers``.

    Each method raises `InvalidRequest` where an argument is wrong, before anything is sent, and else what any call raises:
    `CredentialsError`, `TransportError`, `APIError` or `DecodeError`. Only what a method adds to this is named on it.
    """

    async def create(
        self,
        name: str,
        rule: TriggerRule | TriggerRuleInfo | Mapping[str, Any],
        *,
        type: TriggerTypeName | None = None,  # noqa: A002  # the wire's name
        extra: Mapping[str, Any] | None = None,
    ) -> Trigger:
        """Create a trigger (createTrigger). It is retried only where nothing has been created.

        Args:
            name: 3 to 100 ASCII letters, digits, ``_`` or ``-``, of which the first is a letter or ``_``.
            rule: When it fires, also the rule of another trigger; its times are UTC+9.
            type: SCHEDULED, EVENT or NONE; follows from the rule unless given. What an EVENT needs is not
                documented: its rule is passed on unchecked.
            extra: Members of newer docs that have no argument here, by the wire's names.

        Returns:
            The trigger as created.

        Raises:
            DataFlowError: With ``may_have_run`` set where the trigger may exist all the same.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-createtrigger
        """
        kind, members = trigger_to_wire(rule, type)
        body = body_of(extra, name=checks.name(name), type=kind, triggerRule=members)
        return await self._calls.call(op.CREATE_TRIGGER, body=body)

    async def get(self, trigger_id: str) -> Trigger:
        """Return a trigger (getTriggerById).

        Raises:
            NotFound: There is no such trigger.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-gettriggerbyid
        """
        return await self._calls.call(op.GET_TRIGGER, trigger_id, fill={"triggerId": trigger_id})

    async def page(
        self, page: int = 0, limit: int = defaults.PAGE_LIMIT, name: str | None = None
    ) -> Page[Trigger]:
        """Return one page of triggers (getTriggers).

        Args:
            page: Number of the page, from 0.
            limit: Rows of a page, from 1.
            name: Name to search for; whether it matches in part is not documented.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-gettriggers
        """
        return await self._calls.call(op.GET_TRIGGERS, query={"name": named(name), **window(page, limit)})

    async def list(
        self, name: str | None = None, *, limit: int = defaults.PAGE_LIMIT
    ) -> AsyncIterator[Trigger]:
        """List all triggers, each once; pages of ``limit`` rows are fetched while you iterate.

        Args:
            name: Name to search for, as in `page`.
            limit: Rows of a page, from 1.
        """
        rows = every_row(lambda page: self.page(page, limit, name), lambda trigger: trigger.trigger_id)
        async for trigger in rows:
            yield trigger

    async def find(self, name: str) -> Trigger | None:
        """Return the trigger of exactly this name, or None.

        Raises:
            InvalidRequest: Several triggers have the name; the message holds their ids.
        """
        checks.text(name, "name")
        rows = [(trigger.trigger_id, trigger) async for trigger in self.list(name) if trigger.name == name]
        return only_one(name, rows)

    async def delete(self, trigger_id: str) -> None:
        """Delete a trigger (deleteTrigger). If the first attempt's answer was lost, a 404 of the second counts as done.

        Source: https://api.ncloud-docs.com/docs/analytics-dataflow-deletetrigger
        """
        await self._calls.call(op.DELETE_TRIGGER, trigger_id)
