"""Recognizes network file systems, over which a file lock does not keep others out. Everything here blocks."""

from __future__ import annotations

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = re.compile(
    r"(fuse\.)?(nfs\d?|cifs|smb\w*|afs|ncpfs?|coda|ceph(-fuse)?|lustre|glusterfs|beegfs\w*|gpfs|orangefs|davfs2?|sshfs"
    r"|s3fs|s3ql|gcsfuse|goofys|rclone|mount-s3|blobfuse2?|juicefs)"
)
"""Types as the kernel names them."""


def network_type(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network file system that a path lies on; None if it lies on none, or nobody says.

    Linux lists what is mounted where; Windows resolves what lies on another machine to a path of its own form.
    """
    if path.drive.startswith("\\\\"):
        return "a network share"
    found, longest = None, -1
    for place, kind in _mounted(mounts):
        if path.is_relative_to(place) and len(place.parts) >= longest:
            found, longest = kind, len(place.parts)
    return found if found is not None and _NETWORK.fullmatch(found) else None


def _mounted(mounts: Path) -> list[tuple[Path, str]]:
    """Return places and types in the order of mounting; a later one hides an earlier one at the same place."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    fields = (line.split(" ") for line in lines)
    return [(Path(_unescaped(field[1])), field[2]) for field in fields if len(field) > 2]


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
