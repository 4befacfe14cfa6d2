"""Operators, a sensor and a trigger for Apache Airflow, which the extra ``airflow`` installs.

Each public name is loaded on its first use: Airflow imports this package in every one of its processes to list its
providers, also where no task of Data Flow runs.
"""

# What type checkers take for true. To import it from typing would cost more than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataflow_async.airflow.hook import DataFlowHook
    from dataflow_async.airflow.operators.bulk import DataFlowBulkOperator
    from dataflow_async.airflow.operators.run_job import DataFlowRunJobOperator
    from dataflow_async.airflow.operators.run_workflow import DataFlowRunWorkflowOperator
    from dataflow_async.airflow.sensor import DataFlowJobSensor
    from dataflow_async.airflow.trigger import DataFlowRunTrigger
else:  # a type checker must not see __getattr__: it would accept any name
    _MODULES = {
        "DataFlowBulkOperator": "operators.bulk",
        "DataFlowHook": "hook",
        "DataFlowJobSensor": "sensor",
        "DataFlowRunJobOperator": "operators.run_job",
        "DataFlowRunTrigger": "trigger",
        "DataFlowRunWorkflowOperator": "operators.run_workflow",
    }

    def __getattr__(name: str) -> object:
        """Load the module of a public name, and store the name, so that its next use costs nothing."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        loaded = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = loaded
        return loaded

    def __dir__() -> list[str]:
        """Return what is loaded and what can be."""
        return sorted({*globals(), *__all__})


__all__ = [
    "DataFlowBulkOperator",
    "DataFlowHook",
    "DataFlowJobSensor",
    "DataFlowRunJobOperator",
    "DataFlowRunTrigger",
    "DataFlowRunWorkflowOperator",
]
