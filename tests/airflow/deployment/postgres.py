"""A PostgreSQL of Debian's package, in a temporary folder, on a Unix socket, under a user that is not root."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from attrs import define, field

from tests.airflow.deployment.processes import Process, run, until

BINARIES = "/usr/lib/postgresql/*/bin"
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""Its data are thrown away at the end: nothing need survive a crash of the machine."""


def missing() -> str | None:
    """Return why no PostgreSQL can be started here, or None."""
    if _binary("postgres") is None:
        return f"PostgreSQL is not installed: no {BINARIES}/postgres"
    if _user() is None and os.getuid() == 0:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@define(eq=False)
class Postgres:
    """One server with one empty database named airflow."""

    folder: Path = field(factory=lambda: Path(tempfile.mkdtemp(prefix="dataflow_async_pg_")), init=False)
    _process: Process | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where Airflow finds it."""
        return f"postgresql+psycopg2://airflow@/airflow?host={self.folder}"

    def start(self) -> None:
        """Make the database, start the server, and wait until it answers."""
        user, environ = _user(), {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        if user is not None:
            shutil.chown(self.folder, user, user)
        data = str(self.folder / "data")
        run([_binary("initdb"), "-D", data, "-A", "trust", "-U", "airflow", "--no-sync"], environ, user=user)
        options = [f"-c{it}" for it in (*QUICK, "listen_addresses=", "max_connections=300")]
        command = [_binary("postgres"), "-D", data, "-k", str(self.folder), *options]
        self._process = Process("postgres", command, environ, self.folder / "log", user)
        self._process.start()
        create = [_binary("createdb"), "-h", str(self.folder), "-U", "airflow", "airflow"]
        until(lambda: self._answers(environ), "PostgreSQL answers", 30)
        run(create, environ)

    def _answers(self, environ: dict[str, str]) -> bool:
        try:
            run([_binary("pg_isready"), "-h", str(self.folder)], environ)
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Stop the server and remove its data."""
        if self._process is not None:
            self._process.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)


def _binary(name: str) -> str | None:
    folders = sorted(Path("/").glob(BINARIES.lstrip("/")), reverse=True)
    return next((str(it / name) for it in folders if (it / name).exists()), None)


def _user() -> str | None:
    """The user that the server runs as, where this process is root."""
    if os.getuid() != 0:
        return None
    return next((it.pw_name for it in pwd.getpwall() if it.pw_name == "postgres"), None)
