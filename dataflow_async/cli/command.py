"""Makes commands: an async function with options of its own, joined by the options that commands share.

A command module declares options and loads what it needs when it runs: help loads typer alone.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from dataflow_async.cli.streams import leave_closed_output

if TYPE_CHECKING:
    from dataflow_async import DataFlowError
    from dataflow_async.cli.context import Context

Work = Callable[..., Coroutine[Any, Any, None]]
F = TypeVar("F", bound=Work)
FORMATS = ("table", "json", "jsonl", "yaml", "csv")


def _format(word: str) -> str:
    if word not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)} is needed, got {word}")
    return word


def _formats(incomplete: str) -> list[str]:
    return [word for word in FORMATS if word.startswith(incomplete)]


URL = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="Address of the service, else NCLOUD_DATAFLOW_URL, else the public one."
    ),
]
PROFILE = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Profile of the keys.")]
INSECURE = Annotated[
    bool,
    typer.Option("--allow-insecure-http", help="Allow http: to another machine, such as an emulator there."),
]
OUTPUT = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT",
        help="table, json, jsonl, yaml or csv.",
        callback=_format,
        autocompletion=_formats,
        show_default=False,
    ),
]
QUERY = Annotated[
    str | None, typer.Option("--query", metavar="JMESPATH", help="Print this part of the data only.")
]
YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Print the request, unsigned, and send nothing.")]
_CONNECTION: dict[str, tuple[Any, Any]] = {
    "url": (URL, None),
    "profile": (PROFILE, None),
    "allow_insecure_http": (INSECURE, False),
}
_DATA: dict[str, tuple[Any, Any]] = {"output": (OUTPUT, "table"), "query": (QUERY, None)}
_YES: dict[str, tuple[Any, Any]] = {"yes": (YES, False)}
_DRY_RUN: dict[str, tuple[Any, Any]] = {"dry_run": (DRY_RUN, False)}


def group(name: str, summary: str, parent: typer.Typer) -> typer.Typer:
    """Make a group of commands."""
    app = typer.Typer(help=summary, no_args_is_help=True, rich_markup_mode=None)
    app.callback(help=summary)(_nothing)
    parent.add_typer(app, name=name)
    return app


def _nothing() -> None:
    pass


def command(
    app: typer.Typer,
    name: str,
    *,
    data: bool = True,
    changes: bool = False,
    confirms: bool = False,
    connects: bool = True,
) -> Callable[[F], F]:
    """Make a command of an async function whose first argument is the `Context`.

    An argument whose type is a `NamedTuple` stands for the options that are its members.

    Args:
        app: The group it belongs to.
        name: How it is called.
        data: Whether it prints data: it takes ``--output`` and ``--query``.
        changes: Whether it sends one request that changes something: it takes ``--dry-run``.
        confirms: Whether it costs money or destroys: it takes ``--yes``.
        connects: Whether it talks to the service: it takes ``--url`` and ``--profile``.
    """
    parts = ((connects, _CONNECTION), (data, _DATA), (confirms, _YES), (changes, _DRY_RUN))
    shared = {option: kind for is_taken, options in parts if is_taken for option, kind in options.items()}

    def register(work: F) -> F:
        own = list(inspect.signature(work).parameters.values())[1:]
        joined = {it.name: it.annotation for it in own if hasattr(it.annotation, "_fields")}

        def run(**arguments: Any) -> None:
            from dataflow_async.cli.context import Context

            with errors_in_one_line():
                context = Context(**{option: arguments.pop(option) for option in shared})
                for argument, kind in joined.items():
                    arguments[argument] = kind(*(arguments.pop(option) for option in kind._fields))
                execute(context, work(context, **arguments))

        parameters = [option for it in own for option in _options(it)]
        parameters += [_option(option, *kind) for option, kind in shared.items()]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {it.name: it.annotation for it in parameters}
        run.__doc__ = work.__doc__
        app.command(name)(run)
        return work

    return register


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Return an argument of a command as options, keyword-only: itself, or the members of its type."""
    kind = parameter.annotation
    if not hasattr(kind, "_fields"):
        return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    return [_option(name, kind.__annotations__[name], kind._field_defaults[name]) for name in kind._fields]


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def execute(context: "Context", work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; a signal ends it within a second."""
    from dataflow_async.cli import signals
    from dataflow_async.cli.logs import log_on_standard_error

    def last_words() -> str:
        return (context.forced_interruption or context.interruption)()

    try:
        with log_on_standard_error():
            signals.run(work, last_words)
    except signals.Stopped as stopped:
        fail(context.interruption(), stopped.exit_code)


class errors_in_one_line:  # noqa: N801  # a context manager reads as a verb, and loads nothing before it is left
    """Shows errors that a person can do something about as one line each; all others are mistakes of ours."""

    def __init__(self, *others: type[Exception]) -> None:
        self._others = others

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception):
            return
        if isinstance(error, BrokenPipeError):
            leave_closed_output()
        from dataflow_async import DataFlowError

        if isinstance(error, self._others):
            fail(str(error), 1)
        if isinstance(error, DataFlowError):
            _fail_with(error)
        from dataflow_async.cli.dry_run import NothingSent
        from dataflow_async.cli.exit_codes import CommandFailed

        if isinstance(error, NothingSent):
            raise typer.Exit(0)
        if isinstance(error, CommandFailed):
            fail(str(error), error.code)
        if isinstance(error, OSError):  # such as a full disk behind standard output
            fail(f"can't read or write {error.filename or 'the output'}: {error.strerror or error}", 1)


def _fail_with(error: "DataFlowError") -> NoReturn:
    from dataflow_async.cli.exit_codes import exit_code, next_step
    from dataflow_async.cli.text import one_line

    step = next_step(error)
    fail(f"{one_line(error)}; {step}" if step else one_line(error), exit_code(error))


def fail(text: str, exit_code: int) -> NoReturn:
    """Print a line to standard error and end with this code."""
    from dataflow_async.cli.text import complain

    complain(text)
    raise typer.Exit(exit_code)
