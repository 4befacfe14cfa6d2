"""The public class of the emulator: the server, its credentials, and a client for it."""

from typing import TYPE_CHECKING, Any

import attrs

from dataflow_async.emulator.http.admin_api import AdminHandler
from dataflow_async.emulator.http.server import Server

if TYPE_CHECKING:
    from dataflow_async import Credentials, DataFlow
    from dataflow_async.emulator.likeness import Like, Likeness


@attrs.define(kw_only=True, eq=False)
class Emulator(Server):
    """A local Data Flow server on loopback, for tests and for trying things out.

    ```python
    async with Emulator(speed=60) as server, server.client() as flow:
        job = await flow.jobs.create("orders_rollup")
        run = await flow.run(job.job_id)
    ```

    It answers every call of the API over real HTTP, checks every signature, and moves its runs along by the clock alone. Triggers
    fire only with ``fire_triggers=True``. All settings are given by keyword.

    Methods such as `script`, `finish` and `launch` change the service without a request. ``faults`` injects faults, ``history``
    records what happened, and `verify_history` proves from it that nothing was started twice. `save` and `load` keep the state in
    a file.
    """

    like: "Like | None" = None
    """A report of ``dataflow-async probe``, or its file: the server behaves as that account does, and has things that show it.
    ``not_imitated`` names what it does not take over."""
    not_imitated: dict[str, str] = attrs.field(factory=dict, init=False)
    """Facts of that report that a probe of this server shows otherwise, each with the reason."""

    def __attrs_post_init__(self) -> None:
        if self.like is None:
            super().__attrs_post_init__()
        else:
            self._become_like(self.like)

    def _become_like(self, like: "Like") -> None:
        from dataflow_async.emulator.likeness import Likeness
        from dataflow_async.emulator.likeness_gaps import not_imitated
        from dataflow_async.emulator.sample import Sample

        likeness = Likeness.read(like)
        self._take_settings(likeness)
        super().__attrs_post_init__()
        self.likeness = likeness.plan(self.seed)
        self.aliases = likeness.aliases
        self.idle_limit = likeness.idle_limit
        self.not_imitated = not_imitated(likeness)
        self.state.make_id = likeness.new_id
        Sample(self.state, likeness, self.clock.time()).add()

    def _take_settings(self, likeness: "Likeness") -> None:
        """Take settings of the account where none were given."""
        settings = {"signature_window": likeness.signature_window, **likeness.seconds}
        for name, value in settings.items():
            if getattr(self, name) == getattr(attrs.fields(type(self)), name).default:
                setattr(self, name, value)

    @property
    def credentials(self) -> "Credentials":
        """The keys that this server accepts."""
        from dataflow_async.credentials import Credentials

        return Credentials(self.access_key, self.secret_key)

    def client(self, **settings: Any) -> "DataFlow":
        """Return a client for this server; close it before the server stops.

        Args:
            **settings: Passed on to `dataflow_async.DataFlow`.
        """
        from dataflow_async import DataFlow

        # A server on all addresses is reached on loopback, where the client allows http: without being set to.
        url = self.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        defaults: dict[str, Any] = {
            "credentials": self.credentials,
            "base_url": url,
            "allow_insecure_http": self.allow_remote,
        }
        return DataFlow(**(defaults | settings))

    def _handler_of(self, method: str, path: str) -> AdminHandler | None:
        from dataflow_async.emulator import ui

        return ui.handler_of(method, path) or super()._handler_of(method, path)
