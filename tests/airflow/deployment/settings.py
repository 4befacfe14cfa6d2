"""The settings of Airflow in a deployment: what production has, on loopback, with time-outs of a test."""

import os
import secrets
import socket
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

from attrs import frozen


@frozen
class Settings:
    """Where things are, and the environment that all parts of the deployment share."""

    home: Path
    dags: Path
    database: str
    port: int
    tasks: int
    """Most tasks that are deferred at the same time, about."""
    parallelism: int = 4

    @property
    def url(self) -> str:
        """Where the api-server answers."""
        return f"http://127.0.0.1:{self.port}"

    def environ(self) -> dict[str, str]:
        """Return the environment without anything of the machine's own Airflow, account or proxy."""
        kept = ("PATH", "LANG", "TMPDIR", "PYTHONPATH")
        inherited = {name: os.environ[name] for name in kept if name in os.environ}
        sections = {
            "core": {
                "executor": "LocalExecutor",
                "dags_folder": self.dags,
                "load_examples": False,
                "parallelism": self.parallelism,
                "max_active_tasks_per_dag": 1000,
                "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "execution_api_server_url": f"{self.url}/execution/",
                "simple_auth_manager_all_admins": True,
                "mp_start_method": "fork",
            },
            "database": {"sql_alchemy_conn": self.database},
            "api": {"port": self.port, "host": "127.0.0.1", "base_url": self.url, "workers": 1},
            "api_auth": {"jwt_secret": secrets.token_hex(32)},
            "dag_processor": {  # the files never change
                "refresh_interval": 3600,
                "min_file_process_interval": 3600,
                "parsing_processes": 1,
            },
            "scheduler": {
                # Shorter, and a busy machine has Airflow take the living for dead, all tasks of a scheduler at once.
                "task_instance_heartbeat_timeout": 30,
                "task_instance_heartbeat_timeout_detection_interval": 5,
                "scheduler_health_check_threshold": 30,
                "orphaned_tasks_check_interval": 10,
                "job_heartbeat_sec": 2,
                "task_queued_timeout": 60,
                "task_queued_timeout_check_interval": 10,
            },
            "triggerer": {
                "capacity": self.tasks + 100,
                "job_heartbeat_sec": 2,
                "triggerer_health_check_threshold": 20,
            },
            "logging": {"base_log_folder": self.home / "logs", "worker_log_server_port": free_port()},
            "usage_data_collection": {"enabled": False},
        }
        named = {
            f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
            for section, values in sections.items()
            for name, value in values.items()
        }
        own = {
            "HOME": str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}"
        return inherited | named | own | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
