"""What `help` shows of the front door."""

import pydoc
import typing

import pytest

from dataflow_async import DataFlow, client
from dataflow_async.resources.dashboard import Dashboard
from dataflow_async.resources.jobs import Jobs
from dataflow_async.resources.triggers import Triggers
from dataflow_async.resources.workflows import Workflows

RESOURCES = {"jobs": Jobs, "workflows": Workflows, "triggers": Triggers, "dashboard": Dashboard}


@pytest.mark.parametrize(("name", "kind"), RESOURCES.items())
def test_each_resource_is_annotated_and_documented(name, kind):
    assert typing.get_type_hints(DataFlow, vars(client) | {"aiohttp": None})[name] is kind
    shown = pydoc.plain(pydoc.render_doc(DataFlow))
    assert f"|      {name}: " in shown
    assert kind.__doc__


def test_every_argument_is_documented():
    arguments = pydoc.inspect.signature(DataFlow).parameters
    assert [name for name in arguments if f"\n        {name}: " not in DataFlow.__doc__] == []
