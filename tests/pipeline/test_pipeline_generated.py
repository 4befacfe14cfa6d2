"""Random pipelines: contract and emulator accept them, they read back equal, and their code makes them again."""

import ast
import json
import re

from hypothesis import HealthCheck, given, settings

from dataflow_async.emulator.api.request_schemas import VERIFY_JOB
from dataflow_async.models.nodes.kinds import read_node
from dataflow_async.pipeline import Pipeline, Step, col
from dataflow_async.pipeline.mermaid import escaped
from tests.pipeline.generated import TEXT, pipelines
from tests.support import contract
from tests.support.examples import example_count

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def wire(pipeline):
    return [node.to_wire() for node in pipeline.to_nodes()]


def made_by(code):
    """The pipeline that code makes, and what else it defines."""
    names = {}
    exec(compile(code, "<generated>", "exec"), names)
    return names["p"]


METHODS = {name for kind in (Pipeline, Step) for name in vars(kind) if not name.startswith("_")}


def does_nothing_else(code):
    """Check that code imports from the package, and calls methods of pipelines with literals: no text has become code."""
    tree = ast.parse(code)
    imported, assigned = set(), set()
    for statement in tree.body:
        match statement:
            case ast.ImportFrom(module="dataflow_async" | "dataflow_async.pipeline", names=names):
                imported |= {it.name for it in names}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()):
                assert name.isidentifier()
                assert name not in imported
                assigned.add(name)
            case _:
                assert isinstance(statement, ast.Expr)
                assert isinstance(statement.value, ast.Call)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                assert name in imported
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                assert name in assigned
                assert method in METHODS
            case ast.Call():
                raise AssertionError(ast.unparse(node))
    return tree


def hold(pipeline):
    nodes = wire(pipeline)
    body = {"name": pipeline.name, "nodes": nodes}
    contract.validate_request("verifyJob", body)
    VERIFY_JOB(json.loads(json.dumps(body)))
    again = Pipeline.from_nodes([read_node(node) for node in nodes])
    assert again == pipeline
    assert wire(again) == nodes
    code = pipeline.to_python()
    assert sum(not isinstance(it, ast.ImportFrom) for it in does_nothing_else(code).body) == 1 + len(nodes)
    made = made_by(code)
    assert wire(made) == nodes
    assert made.to_python() == code
    assert wire(made_by(again.to_python())) == nodes
    assert all(line.isprintable() for line in pipeline.explain().split("\n"))
    shown(pipeline)


def shown(pipeline):
    """A diagram has a line for each step and each arrow, whatever labels hold."""
    lines = pipeline.to_mermaid().splitlines()
    labels = [found[1] for line in lines if (found := re.fullmatch(r'    n\d+\[\(?"([^"]*)"\)?\]', line))]
    assert [re.sub(r"#(\d+);", lambda it: chr(int(it[1])), label) for label in labels] == [
        step.label for step in pipeline.steps
    ]
    arrows = [line for line in lines if re.fullmatch(r"    n\d+ --> n\d+", line)]
    assert len(lines) == 1 + len(labels) + len(arrows)


@settings(max_examples=example_count(25, 600), deadline=None, suppress_health_check=SLOW)
@given(pipelines())
def test_a_pipeline_holds(pipeline):
    hold(pipeline)


@settings(max_examples=example_count(30, 1000), deadline=None)
@given(TEXT, TEXT, TEXT)
def test_no_text_becomes_code_or_markup(label, name, value):
    p = Pipeline("abc")
    source = p.object_storage(value, prefix=value, format="CSV", columns={name: "string"}, label=label)
    source.filter(col(name) == value).to_mysql(value, label, label=f"{label}2")
    hold(p)
    assert not set(escaped(label)) & set("\"'<>[](){}|`\n\r\\&")
