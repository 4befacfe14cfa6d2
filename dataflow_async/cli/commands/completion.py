"""``completion``: the script that lets a shell complete commands and options."""

import os
from importlib import import_module
from typing import Annotated

import typer

from dataflow_async.cli.command import fail

SHELLS = ("bash", "zsh", "fish", "powershell")
VARIABLE = "_DATAFLOW_ASYNC_COMPLETE"
"""Set by the script when it calls for completions."""


def add(parent: typer.Typer) -> None:
    """Add the command, and answer the script where it is the caller."""
    parent.command("completion")(completion)
    if VARIABLE in os.environ:
        import_module("typer.completion").completion_init()


def completion(
    shell: Annotated[
        str, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.", show_default=False)
    ],
) -> None:
    """Print the completion script of a shell.

    To use it at once: eval "$(dataflow-async completion bash)"
    """
    if shell not in SHELLS:
        fail(f"SHELL must be one of {', '.join(SHELLS)}, got {shell}", 2)
    make = import_module("typer.completion").get_completion_script  # public there, and not declared
    typer.echo(make(prog_name="dataflow-async", complete_var=VARIABLE, shell=shell))
