"""Collects the body of an answer: decompressed in slices, bounded, and refused early if it can only be a bomb."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from dataflow_async import defaults

ENCODINGS = "gzip, deflate"
"""Encodings of ``Accept-Encoding``: both come with Python."""


class BodyError(ValueError):
    """The body is too large or malformed; the message says why and quotes nothing of it."""


class Body:
    """Collects the chunks of a body.

    Always true: no more than ``limit`` bytes are kept, and never more than one slice is decompressed at once. Without
    either, one answer of a hostile server would take all memory or stop the event loop.

    Args:
        encodings: Those of ``Content-Encoding`` that are still applied, in the order they were applied.
        limit: Bytes that it may have after decompression.

    Raises:
        BodyError: It has an encoding that was not asked for.
    """

    def __init__(self, encodings: Sequence[str], limit: int) -> None:
        self._stages = [_Inflater(encoding) for encoding in reversed(encodings)]
        self._limit = limit
        self._pieces: list[bytes] = []
        self._arrived = 0
        self._size = 0

    def feed(self, data: bytes) -> Iterator[None]:
        """Add a chunk; pause after each full slice, so that other tasks can run.

        Raises:
            BodyError: It is too large or malformed.
        """
        self._arrived += len(data)
        for piece in _decompressed(data, self._stages):
            self._size += len(piece)
            self._check_size()
            self._pieces.append(piece)
            if len(piece) == defaults.INFLATE_SLICE:
                yield

    def _check_size(self) -> None:
        if self._size > self._limit:
            raise too_large(self._limit)
        if self._size > defaults.MIN_BOMB_SIZE and self._size > self._arrived * defaults.MIN_BOMB_RATIO:
            raise BodyError(f"{self._arrived} bytes decompress to more than {self._size}: no JSON does")

    def whole(self) -> bytes:
        """Return the body after its last byte.

        Raises:
            BodyError: It ends too early.
        """
        if self._arrived and not all(stage.is_complete for stage in self._stages):
            raise BodyError("the compressed body ends too early")
        return b"".join(self._pieces)


def too_large(limit: int) -> BodyError:
    """Return the error for a body above the limit."""
    return BodyError(f"the answer has more than {limit} bytes (max_body)")


def encodings_of(header: str | None) -> list[str]:
    """Return the encodings of a ``Content-Encoding`` in the order they were applied."""
    if not header:
        return []
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if name not in {"", "identity"}]


def _decompressed(data: bytes, stages: Sequence[_Inflater]) -> Iterator[bytes]:
    if not stages:
        yield data
        return
    for piece in stages[0].feed(data):
        yield from _decompressed(piece, stages[1:])


class _Inflater:
    """Decompresses one gzip or deflate; gzip may have several members, deflate may lack its header."""

    def __init__(self, encoding: str) -> None:
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise BodyError(f"content-encoding {encoding[: defaults.VALUE_SHOWN]!r}, which was not asked for")
        self._is_deflate = encoding == "deflate"
        self._zlib = None if self._is_deflate else zlib.decompressobj(31)
        self._members = 1

    @property
    def is_complete(self) -> bool:
        """Whether its end has been read."""
        return self._zlib is not None and self._zlib.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress a chunk, slice by slice."""
        while data:
            if self._zlib is None:
                self._zlib = zlib.decompressobj(15 if data[0] & 15 == 8 else -15)
            elif self._zlib.eof:
                data = data.lstrip(b"\0")  # padding
                if not data:
                    return
                self._next_member()
            yield from self._slices(data)
            data = self._zlib.unused_data if self._zlib.eof else b""

    def _slices(self, data: bytes) -> Iterator[bytes]:
        assert self._zlib is not None  # noqa: S101  # feed has made it
        while True:
            try:
                piece = self._zlib.decompress(data, defaults.INFLATE_SLICE)
            except zlib.error:
                piece = None
            if piece is None:
                raise BodyError("the compressed body is malformed")
            if piece:
                yield piece
            data = self._zlib.unconsumed_tail
            if not data and len(piece) < defaults.INFLATE_SLICE:
                return

    def _next_member(self) -> None:
        self._members += 1
        if self._is_deflate or self._members > defaults.MAX_GZIP_MEMBERS:
            raise BodyError("the compressed body has more parts than one")
        self._zlib = zlib.decompressobj(31)
