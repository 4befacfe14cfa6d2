"""Calls that have no method of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dataflow_async.models import checks
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire import jsontext, success
from dataflow_async.wire.message import Call
from dataflow_async.wire.operation import Effect, Operation
from dataflow_async.wire.request import free_path, query_text

_EFFECTS = {
    "GET": Effect.READ,
    "HEAD": Effect.READ,
    "PUT": Effect.IDEMPOTENT,
    "DELETE": Effect.IDEMPOTENT,
    "PATCH": Effect.CREATES,
    "POST": Effect.CREATES,
}
"""The effect that is assumed of a method; a PATCH of an unknown call may add to something."""


async def send_raw(
    calls: CallPipeline, prefix: str, method: str, path: str, query: Mapping[str, Any] | None, json: Any
) -> Any:
    """Send a call described by its parts; see ``DataFlow.request``.

    Raises:
        InvalidRequest: A part is malformed; nothing was sent.
        DataFlowError: Any other of the tree.
    """
    verb = checks.one_of(
        method.upper() if isinstance(cast("object", method), str) else method, _EFFECTS, "method"
    )
    target = prefix + free_path(path)
    operation: Operation[Any] = Operation(f"{verb} {target}", verb, "", _EFFECTS[verb], None)
    body = None if json is None else jsontext.write(json, "json")
    answer = await calls.answer(Call(operation, target + query_text(query), body))
    if answer is None or not answer.body:
        return None
    try:
        return jsontext.read(answer.body)
    except ValueError:
        pass
    raise success.unreadable(operation, answer, "not JSON")
