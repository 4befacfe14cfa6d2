"""The options of bulk runs: what the caller may pass to ``run_all`` and ``launch_all``, and what is left once it is checked."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar, cast

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks

if TYPE_CHECKING:
    from dataflow_async.bulk.launch_source import Launches
    from dataflow_async.bulk.launch_store import LaunchStore
    from dataflow_async.bulk.progress import OnProgress

Method = TypeVar("Method", bound=Callable[..., object])
OnUncertain: TypeAlias = Literal["report", "relaunch"]
"""What becomes of a launch that stays uncertain."""


class BulkOptions(TypedDict, total=False):
    """Options of ``DataFlow.run_all`` and ``DataFlow.launch_all``, all of them optional.

    Attributes:
        max_in_flight: Runs that are unfinished, or whose outcome is not consumed yet, at a time.
        journal: Path of the journal; it is created if it does not exist, and is bound to service and account. Or a
            `LaunchStore` that keeps the launches elsewhere, for this run alone: it is closed at the end.
        correlation_parameter: Name of a parameter that is to carry each launch's key: its run is recognized by it,
            exactly. For SCRIPT jobs that accept one parameter more. Needs a journal, as do the next four.
        assume_exclusive: Whether nobody else launches these jobs meanwhile; runs that look alike may then be
            matched with lost launches by their number.
        visibility_delay: Seconds after a lost answer from which the absence of a run proves something; the service
            shows every run in its lists by then (``contract/notes.md#ruling-88``).
        rerun: Statuses, such as ``"FAILED"``; launches that ended so before are launched anew. ``"UNCERTAIN"``:
            launches that an earlier run has left uncertain, and the lists still prove nothing; ``"NOT_FOUND"``:
            launches whose run the service no longer has.
        on_uncertain: ``"report"``: a launch of which nothing proves whether it started becomes an outcome
            ``"UNCERTAIN"``, with candidates; ``"relaunch"``: it is launched again, at the risk of a second run.
        max_failures: Submit no more after this many launches that did not end COMPLETED; those resumed from the
            journal don't count, or a run that has stopped could never go on.
        max_outage: Seconds without any answer (refused, reset, no route, no address, time-out while connecting,
            no file left) for which launches wait, one probing, before the run ends with that error. Only once
            this client has been answered before; until then such an error is the launch's outcome.
        on_progress: Called with a `Progress` at most ten times a second, and awaited if it returns an awaitable.
        total: How many launches there will be, for `Progress`; not needed where they have a length.
    """

    max_in_flight: int
    journal: str | os.PathLike[str] | LaunchStore | None
    correlation_parameter: str | None
    assume_exclusive: bool
    visibility_delay: float
    rerun: Collection[str]
    on_uncertain: OnUncertain
    max_failures: int | None
    max_outage: float
    on_progress: OnProgress | None
    total: int | None


DEFAULTS: BulkOptions = {
    "max_in_flight": defaults.MAX_IN_FLIGHT,
    "journal": None,
    "correlation_parameter": None,
    "assume_exclusive": False,
    "visibility_delay": defaults.VISIBILITY_DELAY,
    "rerun": (),
    "on_uncertain": "report",
    "max_failures": None,
    "max_outage": defaults.MAX_OUTAGE,
    "on_progress": None,
    "total": None,
}
_BY_NAME: Mapping[str, object] = {**DEFAULTS}
_OF_JOURNALS = ("correlation_parameter", "assume_exclusive", "visibility_delay", "rerun", "on_uncertain")


class JournalOptions(NamedTuple):
    """Where the journal is, and how lost launches may be found again."""

    journal: str | os.PathLike[str] | LaunchStore
    """Path of the file, or the store that takes its place."""
    correlation_parameter: str | None
    assume_exclusive: bool
    visibility_delay: float
    """Seconds."""
    rerun: frozenset[str]
    relaunch: bool
    """Whether a launch that stays uncertain is launched again all the same."""


class RunOptions(NamedTuple):
    """How one bulk run behaves: its options, checked."""

    max_in_flight: int
    max_failures: int | None
    on_progress: OnProgress | None
    total: int | None
    max_outage: float
    """Seconds."""
    journal: JournalOptions | None
    """None without a journal."""

    @property
    def path(self) -> str | os.PathLike[str] | None:
        """Path of the journal; None without one, and where a store takes its place."""
        journal = None if self.journal is None else self.journal.journal
        return journal if isinstance(journal, str | os.PathLike) else None


def checked(method: str, launches: Launches, options: BulkOptions) -> RunOptions:
    """Check the arguments of a bulk run.

    Args:
        method: Name of the method that was called.
        launches: What it was given to launch.
        options: Its options; those that are missing have their defaults.

    Raises:
        TypeError: There is no option of that name.
        InvalidRequest: An argument is malformed, or means nothing without a journal.
    """
    from dataflow_async.bulk.launch_source import check_launches, length

    for name in options:
        if name not in DEFAULTS:
            raise TypeError(f"DataFlow.{method}() got an unexpected keyword argument {name!r}")
    given: BulkOptions = {**DEFAULTS, **options}
    check_launches(launches)
    checks.callback(given["on_progress"], "on_progress")
    failures, total = given["max_failures"], given["total"]
    return RunOptions(
        max_in_flight=checks.whole(given["max_in_flight"], "max_in_flight", 1, defaults.LARGEST_IN_FLIGHT),
        max_failures=None if failures is None else checks.whole(failures, "max_failures", 1, 2**31 - 1),
        on_progress=given["on_progress"],
        total=length(launches) if total is None else checks.whole(total, "total", 0, 2**63 - 1),
        max_outage=checks.at_least_zero(given["max_outage"], "max_outage"),
        journal=_journal_options(given),
    )


def _journal_options(given: BulkOptions) -> JournalOptions | None:
    if given["correlation_parameter"] is not None:
        checks.text(given["correlation_parameter"], "correlation_parameter")
    checks.flag(given["assume_exclusive"], "assume_exclusive")
    checks.at_least_zero(given["visibility_delay"], "visibility_delay")
    rerun = frozenset(checks.text(status, "rerun") for status in checks.sequence(given["rerun"], "rerun"))
    checks.one_of(given["on_uncertain"], ("report", "relaunch"), "on_uncertain")
    journal = given["journal"]
    if journal is None:
        _refuse_without_journal({**given, "rerun": tuple(rerun)})
        return None
    from dataflow_async.bulk.launch_store import LaunchStore

    if not isinstance(cast("object", journal), str | os.PathLike | LaunchStore):
        raise checks.refuse("journal", journal, "the path of a file or a LaunchStore")
    return JournalOptions(
        journal,
        given["correlation_parameter"],
        given["assume_exclusive"],
        given["visibility_delay"],
        rerun,
        given["on_uncertain"] == "relaunch",
    )


def _refuse_without_journal(given: Mapping[str, object]) -> None:
    for name in _OF_JOURNALS:
        if given[name] != _BY_NAME[name]:
            raise InvalidRequest(
                f"{name} must be left out without a journal, got {checks.shown(given[name])}: it says how lost"
                " launches are found again; pass journal= as well",
                field=name,
            )


def takes_bulk_options(method: Method) -> Method:
    """Show each option in the signature and the docstring of a method that takes them as ``**options``.

    Type checkers read the options from `BulkOptions`; ``help`` and the documentation would show their names nowhere.
    """
    shown: Any = method
    signature = inspect.signature(method)
    *explicit, _ = signature.parameters.values()
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_BY_NAME[name],
            annotation=annotation.__forward_arg__,
        )
        for name, annotation in BulkOptions.__annotations__.items()
    ]
    shown.__signature__ = signature.replace(parameters=[*explicit, *options])
    if method.__doc__ and BulkOptions.__doc__:  # absent under -OO
        described = inspect.cleandoc(BulkOptions.__doc__).partition("Attributes:\n")[2]
        lines = re.compile(r" +\*\*options: .*")
        shown.__doc__ = lines.sub(lambda _: described, inspect.cleandoc(method.__doc__))
    return method
