"""What `help` shows of the front door."""

import pydoc
import typing

import pytest

from dataflow_async import BulkOptions, DataFlow, client, defaults
from dataflow_async.resources.dashboard import Dashboard
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows

RESOURCES = {"jobs": Jobs, "workflows": Workflows, "triggers": Triggers, "dashboard": Dashboard}


@pytest.mark.parametrize(("name", "kind"), RESOURCES.items())
def test_each_resource_is_annotated_and_documented(name, kind):
    parts = {"Workflows": Workflows, "Triggers": Triggers, "Dashboard": Dashboard, "aiohttp": None}
    lazy = getattr(DataFlow, name, None)  # made with its first use
    hints = typing.get_type_hints(lazy.func if lazy else DataFlow, vars(client) | parts)
    assert hints["return" if lazy else name] is kind
    shown = pydoc.plain(pydoc.render_doc(DataFlow))
    assert f"|      {name}: " in shown
    assert kind.__doc__


def test_every_argument_is_documented():
    arguments = pydoc.inspect.signature(DataFlow).parameters
    assert [name for name in arguments if f"\n        {name}: " not in DataFlow.__doc__] == []


@pytest.mark.parametrize("method", [DataFlow.run_all, DataFlow.launch_all])
def test_bulk_options_are_shown_with_their_defaults_and_documented(method):
    arguments = pydoc.inspect.signature(method).parameters
    assert [*arguments][-len(BulkOptions.__annotations__) :] == [*BulkOptions.__annotations__]
    assert arguments["max_in_flight"].default == defaults.MAX_IN_FLIGHT
    shown = pydoc.plain(pydoc.render_doc(method))
    assert "visibility_delay: 'float' = 120.0" in shown
    assert [name for name in arguments if name != "self" and f"\n        {name}: " not in shown] == []
    assert "**options" not in shown
