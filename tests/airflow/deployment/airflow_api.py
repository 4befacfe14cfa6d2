"""What a person does in Airflow's page: start DAGs, look at tasks, mark and clear them; by its public API."""

from typing import Any

import httpx
from attrs import define, field


@define(eq=False)
class AirflowApi:
    """A client of the api-server, as one of its administrators."""

    url: str
    _http: httpx.Client = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def healthy(self) -> dict[str, str | None] | None:
        """Return the status of each part, or None where the api-server does not answer."""
        try:
            found = self._http.get("/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return None
        return {name: part["status"] for name, part in found.items()}

    def log_in(self) -> None:
        """Fetch the token that the other calls need."""
        token = self._http.get("/auth/token").raise_for_status().json()["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send one request to the API; an error shows what it answered."""
        return self._answer(method, f"/api/v2{path}", json=body, params=query)

    def get(self, path: str) -> Any:
        """Read what the page reads beside the API."""
        return self._answer("GET", path)

    def _answer(self, method: str, path: str, **more: Any) -> Any:
        answer = self._http.request(method, path, **more)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def add_connection(self, **fields: Any) -> None:
        """Add a connection, as its form does."""
        self.call("POST", "/connections", fields)

    def add_closed_pool(self, name: str) -> None:
        """Add a pool of which nothing is run."""
        self.call("POST", "/pools", {"name": name, "slots": 0})

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG processor has read the DAG; fail with its error if it can't be imported."""
        errors = self.call("GET", "/importErrors")["import_errors"]
        if errors:
            raise RuntimeError(errors[0]["stack_trace"])
        found = self.call("GET", "/dags", dag_id_pattern=dag_id)["dags"]
        return any(it["dag_id"] == dag_id for it in found)

    def start(self, dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> None:
        """Start a DAG."""
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        body = {"dag_run_id": run_id, "conf": conf or {}, "logical_date": None}
        self.call("POST", f"/dags/{dag_id}/dagRuns", body)

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run of a DAG as failed or as success, and all of its tasks that have not ended."""
        self.call("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", {"state": state})

    def state_of(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run of a DAG."""
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run of a DAG."""
        path, found = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", []
        while True:
            page = self.call("GET", path, limit=100, offset=len(found))
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def states(self, dag_id: str, run_id: str) -> dict[str, int]:
        """Return how many task instances are in each state."""
        counted: dict[str, int] = {}
        for task in self.tasks(dag_id, run_id):
            counted[str(task["state"])] = counted.get(str(task["state"]), 0) + 1
        return counted

    def count(self, dag_id: str, run_id: str, state: str) -> int:
        """Return how many task instances are in a state; for thousands this costs less than `states`."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return self.call("GET", path, state=state, limit=1)["total_entries"]

    def outcomes(self, dag_id: str, run_id: str, task_id: str, tasks: int) -> list[Any]:
        """Return what the mapped instances of a task have pushed as their outcomes."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return [self.call("GET", path, map_index=index, deserialize=True)["value"] for index in range(tasks)]

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance as failed or as success."""
        index = f"/{map_index}" if map_index >= 0 else ""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}{index}"
        self.call("PATCH", path, {"new_state": state})

    def write_state(
        self, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: Any
    ) -> None:
        """Write a value into the state of a task."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/state-store/{key}"
        self.call("PUT", path, {"value": value, "expires_at": None}, map_index=map_index)

    def clear(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Clear a task instance, so that it runs anew."""
        chosen = [task_id, map_index] if map_index >= 0 else task_id
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [chosen], "only_failed": False}
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()
