"""The calls about triggers."""

from dataflow_async.emulator.api import serializers
from dataflow_async.emulator.api.handlers.request import ValidRequest, found, newest_named, page
from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.service.state import State, Trigger


def _trigger(state: State, request: ValidRequest) -> Trigger:
    return found(state.triggers, request.ids["triggerId"])


def create_trigger(state: State, request: ValidRequest) -> Answer:
    """Add a new trigger."""
    body = request.body
    trigger = Trigger(state.new_id(), body["name"], body["type"], body["triggerRule"], request.now)
    state.add_trigger(trigger)
    return Answer(201, serializers.trigger(trigger))


def get_triggers(state: State, request: ValidRequest) -> Answer:
    """List triggers."""
    found = newest_named(request, state.triggers, lambda trigger: trigger.name)
    return page(request, (serializers.trigger(trigger) for trigger in found))


def get_trigger_by_id(state: State, request: ValidRequest) -> Answer:
    """Show a trigger."""
    return Answer(200, serializers.trigger(_trigger(state, request)))


def delete_trigger(state: State, request: ValidRequest) -> Answer:
    """Remove a trigger; workflows that use it show that it is gone."""
    del state.triggers[_trigger(state, request).trigger_id]
    return Answer(200, True)
