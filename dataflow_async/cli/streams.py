"""Standard output and its reader. Loads nothing: the command starts here."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def leave_closed_output() -> "NoReturn":
    """Leave quietly, as every command does whose reader has gone (``| head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
