"""Test controls: changes that a test, or the page, makes to the service directly, without a request."""

from collections.abc import Iterable, Mapping
from typing import Any

from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.scripts import Script, Scriptable, ScriptedRun
from dataflow_async.emulator.service.state import Execution, Job, State


class Controls:
    """Methods that change the state of a server by id; an unknown id raises `LookupError`."""

    __slots__ = ()
    state: State

    def create_job(
        self,
        name: str,
        *,
        type: str = "SCRIPT",  # noqa: A002 - the wire's name
        condition: Mapping[str, Any] | None = None,
        max_concurrent_runs: int | None = None,
    ) -> str:
        """Create a job and return its id; nothing is validated, so that ten thousand take no time.

        Args:
            name: Its name.
            type: ``SCRIPT`` or ``VISUAL``.
            condition: Stored settings, with the wire's names.
            max_concurrent_runs: Most runs in progress at the same time.
        """
        job = self.state.add_job(
            self.state.settle(),
            name=name,
            type=type,
            condition=dict(condition or {}),
            nodes=[],
            max_concurrent_runs=max_concurrent_runs,
        )
        return job.job_id

    def launch(self, job_id: str, *, parameters: Mapping[str, Any] | None = None) -> str:
        """Start a run of a job as another client would, and return its id.

        Raises:
            LookupError: There is no such job.
            RuntimeError: It has as many runs in progress as it may have.
        """
        job, now = self._job(job_id), self.state.settle()
        if job.next_free_at(now) > now:
            raise RuntimeError(
                f"{job_id} has {job.max_concurrent_runs} runs in progress, as many as it may have; none was started"
            )
        given = None if parameters is None else dict(parameters)
        return self.state.launch(job, now, parameters=given).execution_id

    def script(
        self, job_id: str, runs: Iterable[Scriptable] | ScriptedRun | str, *, repeat: bool = False
    ) -> None:
        """Set the script of the next runs of a job, whoever launches them; it replaces an earlier script.

        ```python
        server.script(job_id, ["FAILED", ("COMPLETED", 12.5), ScriptedRun(phases=[("RUNNING", 5), ("READY", 5)])])
        ```

        Args:
            job_id: The job.
            runs: One for each coming launch: a `ScriptedRun`, an outcome, or an outcome and seconds of work; or a single run.
            repeat: Begin again after the last one; otherwise the runs after it are not scripted.

        Raises:
            LookupError: There is no such job.
            ValueError: One of them is not a run.
        """
        self._job(job_id).script = Script.of(runs, repeat=repeat)

    def finish(self, execution_id: str) -> bool:
        """Complete a run now; return false if it has ended before."""
        return self.state.end(self._execution(execution_id), self.state.settle(), Status.COMPLETED)

    def fail(self, execution_id: str) -> bool:
        """Fail a run now; return false if it has ended before."""
        return self.state.end(self._execution(execution_id), self.state.settle(), Status.FAILED)

    def cancel(self, execution_id: str) -> bool:
        """Cancel a run now, whatever ``cancel_seconds`` is; return false if it has ended before."""
        return self.state.cancel(self._execution(execution_id), self.state.settle())

    def status(self, execution_id: str) -> str:
        """Return the status of a run now."""
        return self._execution(execution_id).lifecycle.status(self.state.settle())

    def _job(self, job_id: str) -> Job:
        if job := self.state.jobs.get(job_id):
            return job
        raise LookupError(f"no job has the id {job_id}")

    def _execution(self, execution_id: str) -> Execution:
        self.state.settle()  # a run that a workflow has begun by now is there to be found
        if execution := self.state.executions.get(execution_id):
            return execution
        raise LookupError(f"no execution has the id {execution_id}")
