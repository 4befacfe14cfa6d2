"""Digests of what a launch sends, by which its record and a listed run are recognized."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from dataflow_async.models.job_settings import run_settings
from dataflow_async.models.launch import Launch
from dataflow_async.wire import jsontext

DIGEST_BYTES = 16
"""Bytes of SHA-256 kept: 128 bits, so that no two of any number of launches meet by chance."""


def digests(launch: Launch) -> tuple[bytes, dict[str, str]]:
    """Return the digest of all that a launch sends, and the parameters among it, wherever they were given.

    Raises:
        InvalidRequest: As ``jobs.execute`` would raise.
    """
    settings = run_settings(launch.condition, launch.parameters)
    return _settings_digest(launch, settings), (settings or {}).get("parameters", {})


def settings_digest(launch: Launch) -> bytes:
    """Return the digest of all that a launch sends: job, condition, parameters, trigger and workflow, in the wire's form.

    The same settings give the same digest, typed or as a mapping; members that are None are not sent and do not count.

    Raises:
        InvalidRequest: As ``jobs.execute`` would raise.
    """
    return digests(launch)[0]


def _settings_digest(launch: Launch, settings: Mapping[str, Any] | None) -> bytes:
    sent = {
        "jobId": launch.job_id,
        "jobCondition": settings,
        "triggerId": launch.trigger_id,
        "workflowId": launch.workflow_id,
    }
    return _digest({name: value for name, value in sent.items() if value is not None})


def sent_parameters(launch: Launch) -> dict[str, str]:
    """Return the parameters that a launch sends, wherever they were given; empty where there are none.

    Raises:
        InvalidRequest: As ``jobs.execute`` would raise.
    """
    found: dict[str, str] = (run_settings(launch.condition, launch.parameters) or {}).get("parameters", {})
    return found


def parameters_digest(parameters: Mapping[str, Any] | None) -> bytes | None:
    """Return the digest of parameters, as sent or as echoed; None where there are none.

    Raises:
        InvalidRequest: A value has no form in JSON.
    """
    return _digest(parameters) if parameters else None


def _digest(value: Mapping[str, Any]) -> bytes:
    return sha256(jsontext.write(value, "launch", in_order=True)).digest()[:DIGEST_BYTES]
