"""The library's log on a terminal: a line for each warning, with the texts of others escaped."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_async.cli.text import escaped


class _Lines(logging.Handler):
    """Prints records to standard error, whatever that is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record on one line."""
        if sys.stderr:
            print(escaped(record.getMessage()), file=sys.stderr)


@contextmanager
def log_on_standard_error() -> Iterator[None]:
    """Show warnings of the library during the block, unless the program has handlers of its own."""
    logger = logging.getLogger("dataflow_async")
    handler = _Lines(logging.WARNING)
    if not logger.hasHandlers():
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
