"""A file of launches, one JSON object a line, such as ``{"job_id": "Jq3kT9vLmN2x", "key": "mon", "parameters": {...}}``."""

from collections.abc import Iterator
from pathlib import Path

import attrs

from dataflow_async import InvalidRequest, Launch
from dataflow_async.bulk.launch_keys import LaunchKeys
from dataflow_async.wire import jsontext
from dataflow_async.wire.request import check_id

_MEMBERS = [member.name for member in attrs.fields(Launch)]


def checked_count(path: Path) -> int:
    """Count the launches of a file, once all of them are known to be fit to be sent.

    Raises:
        InvalidRequest: The file can't be read, or a line is no launch; the message names line and member.
    """
    count, keys = 0, LaunchKeys()
    for number, launch in _numbered(path):
        try:
            check_id(launch.job_id, "job_id")
            keys.name(launch)
        except InvalidRequest as error:
            raise InvalidRequest(f"{path}, line {number}: {error}", field=error.field) from None
        count += 1
    return count


def launches(path: Path) -> Iterator[Launch]:
    """Read the launches of a file one by one; lines without text are passed over."""
    return (launch for _, launch in _numbered(path))


def _numbered(path: Path) -> Iterator[tuple[int, Launch]]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _launch(line, f"{path}, line {number}")
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror or error}", field="launches") from None


def _launch(line: bytes, where: str) -> Launch:
    allowed = f"a JSON object with job_id, and any of {', '.join(_MEMBERS[1:])}, is needed"
    try:
        members = jsontext.read(line)
    except ValueError:
        members = None
    if not isinstance(members, dict) or "job_id" not in members:
        raise InvalidRequest(f"{where}: {allowed}", field="launches")
    if unknown := [name for name in members if name not in _MEMBERS]:
        raise InvalidRequest(f"{where}: {allowed}; there is no {unknown[0]!r}", field=unknown[0])
    return Launch(**members)
