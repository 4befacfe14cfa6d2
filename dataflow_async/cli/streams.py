"""Standard output and its reader. Loads nothing: the command starts here."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def open_streams() -> None:
    """Make standard streams fit for any text and any use.

    One that is closed (``>&-``) is replaced: its number would go to the next file or socket, and an event loop ends the
    process when it finds itself there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  # open to the end
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            # A name that the reader's encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")


def leave_closed_output() -> "NoReturn":
    """Leave quietly, as every command does whose reader has gone (``| head``)."""
    discard_output()
    sys.exit(141)


def discard_output() -> None:
    """Drop what is still to be written: Python would try it again at the very end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
