"""Jobs written in Python: `Pipeline`, its steps, and `col` for conditions. Loaded by those alone that import it."""

from dataflow_async.pipeline.columns import UNKNOWN
from dataflow_async.pipeline.expressions import col
from dataflow_async.pipeline.pipeline import Pipeline
from dataflow_async.pipeline.refusals import PipelineError
from dataflow_async.pipeline.steps import Step, Target

__all__ = ["UNKNOWN", "Pipeline", "PipelineError", "Step", "Target", "col"]
