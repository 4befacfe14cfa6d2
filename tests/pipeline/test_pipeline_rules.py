"""Random pipelines with one rule broken: each rule is refused at its line, and the message says what, and what exists."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dataflow_async import InvalidRequest
from dataflow_async.models.nodes.columns import COLUMN_TYPES
from dataflow_async.pipeline import UNKNOWN, Pipeline, PipelineError, Target, col
from dataflow_async.pipeline.columns import family
from dataflow_async.pipeline.refusals import printable
from tests.pipeline.generated import pipelines
from tests.support.examples import example_count

NUMBERS = [kind for kind in COLUMN_TYPES if family(kind) == "number"]
NESTED = ["array", "map", "struct"]
STORES = [
    lambda step, **more: step.to_object_storage("new", prefix="new/", format="CSV", **more),
    lambda step, **more: step.to_mysql("new", "new", **more),
    lambda step, **more: step.to_postgresql("new", "new", **more),
    lambda step, **more: step.to_catalog("new", "new", schema_version="1", **more),
]


class Broken:
    """What a rule needs: a random step of the pipeline, one of its columns, and more of both as they are drawn."""

    def __init__(self, draw, p):
        short = [
            it
            for it in p.steps
            if not isinstance(it, Target)
            and 0 < len("".join(it.columns)) < 60
            and None not in it.columns.values()
        ]
        self.draw, self.p = draw, p
        self.step = draw(st.sampled_from(short))
        self.name = draw(st.sampled_from(list(self.step.columns)))

    def one(self, *values):
        return self.draw(st.sampled_from(values))

    def misspelt(self, name=None):
        """A name that differs from one that exists by one more letter."""
        name = name or self.name
        at = self.draw(st.integers(0, len(name)))
        found = f"{name[:at]}{self.one(*'qwx')}{name[at:]}"
        assume(found not in self.step.columns)
        return found

    def typed(self, *kinds):
        """The step with the column as one of these types."""
        return self.step.define({self.name: self.one(*kinds)})

    def new_source(self, columns):
        return self.p.mysql("new", "source", columns=columns)

    def target(self, **more):
        return self.one(*STORES)(self.step, **more)


def exist(columns):
    return f"must be one of {', '.join(map(printable, columns))}, got "


COLUMN_PLACES = {
    "column to filter by": lambda s, n: s.filter(col(n) == 1),
    "column to select": lambda s, n: s.select(n),
    "column to define": lambda s, n: s.define({n: "int"}),
    "column to rename": lambda s, n: s.rename({n: "new"}),
    "column to compare": lambda s, n: s.drop_duplicates(n),
    "column to fill": lambda s, n: s.fill_missing({n: 1}),
    "column of `by`": lambda s, n: s.aggregate(by=[n], new=(n, "max")),
    "column to aggregate": lambda s, n: s.aggregate(by=[], new=(n, "max")),
    "column of the first step in `on`": lambda s, n: s.join(s, on=[(n, n)], prefix="new_"),
    "column of the joined step in `on`": lambda s, n: s.join(
        s, on=[(next(iter(s.columns)), n)], prefix="new_"
    ),
    "column to write": lambda s, n: s.to_mysql("new", "new", columns=[n]),
}
WORD_PLACES = {
    "mode": (["overwrite", "append", "ignore"], lambda it, w: it.target(mode=w)),
    "how": (["inner", "left", "right", "full"], lambda it, w: it.step.join(it.step, on=it.name, prefix="new_", how=w)),
    "match": (["all", "any"], lambda it, w: it.step.join(it.step, on=it.name, prefix="new_", match=w)),
    "operator of `on`": (["==", "!=", ">", "<", ">=", "<="], lambda it, w: it.step.join(it.step, on=[(it.name, w, it.name)], prefix="new_")),
    "function of 'new'": (["sum", "avg", "max", "min"], lambda it, w: it.step.aggregate(by=[], new=(it.name, w))),
    "format": (["json", "csv", "parquet"], lambda it, w: it.step.to_object_storage("new", prefix="", format=w)),
}  # fmt: skip
VALUE_PLACES = [
    lambda s, n, value: s.filter(col(n) == value),
    lambda s, n, value: s.filter((col(n) > value) | (col(n) < value)),
    lambda s, n, value: s.fill_missing({n: value}),
]


def misspelt_column(it):
    place = it.one(*COLUMN_PLACES)
    name = it.misspelt()
    near = " (did you mean " if len(it.name) > 2 else ""
    return lambda: COLUMN_PLACES[place](it.step, name), [f"{place} {exist(it.step.columns)}", near]


def unknown_word(it):
    place = it.one(*WORD_PLACES)
    known, make = WORD_PLACES[place]
    return lambda: make(it, it.misspelt(known[0])), [f"{place} must be one of {', '.join(known)}", ", got "]


def unknown_type(it):
    kind, more = it.one("decimal(10,2)", "varchar(20)", "strin", "array<int>", "BIGINT "), {it.name: "int"}
    make = it.one(
        lambda: it.step.define({it.name: kind}),
        lambda: it.new_source(more | {"new": kind}),
        lambda: it.target(columns=more | {"new": kind}),
    )
    return make, [
        "type of ",
        f"must be one of {', '.join(COLUMN_TYPES)}, got '{kind}' (did you mean '",
    ]


def value_of_another_type(it):
    kinds, value, words = it.one(
        (NUMBERS, "much", "must be a finite number, got 'much'"),
        (NUMBERS, True, "must be a finite number, got True"),
        (["string", "char", "varchar"], 5, "must be text, got 5"),
        (["date"], "2026-02-30", "must be a date, such as datetime.date(2026, 1, 31) or '2026-01-31', got '2026-02-30'"),
        (["timestamp", "datetime"], "noon", "must be a time, such as"),
        (["boolean"], 1, "must be True or False, got 1"),
        ([*NESTED, "binary", "void"], "x", "must be of a type with single values, got "),
    )  # fmt: skip
    step = it.typed(*kinds)
    return lambda: it.one(*VALUE_PLACES)(step, it.name, value), [f"value for column {it.name!r}", words]


def arithmetic_over_no_number(it):
    step = it.typed(*(set(COLUMN_TYPES) - set(NUMBERS)))
    function = it.one("sum", "avg")
    return lambda: step.aggregate(by=[], new=(it.name, function)), [
        f"column to aggregate by {function.upper()} must be a number, got {it.name!r} ({step.columns[it.name]})"
    ]


def order_of_no_order(it):
    step = it.typed(*NESTED, "binary", "void", "uniontype")
    return lambda: step.aggregate(by=[], new=(it.name, it.one("max", "min"))), [
        f"must be of a type with an order, got {it.name!r} ({step.columns[it.name]})"
    ]


def join_of_types(it):
    one, two = it.typed(*NUMBERS), it.typed("string", "date", "boolean", "map")
    return lambda: one.join(two, on=[(it.name, it.name)], prefix="new_"), [
        "columns of `on` must have types that compare",
        f"got {it.name!r} ({one.columns[it.name]}) and {it.name!r} ({two.columns[it.name]})",
    ]


def join_of_names(it):
    return lambda: it.step.join(it.step, on=it.name, prefix=it.one(None, "")), [
        "prefix must be given where names are the same, got None: both have "
    ]


def join_with_a_prefix_of_no_use(it):
    one, two = it.new_source({"old": "int"}), it.p.mysql("c", "s", columns={"d": "int"})
    return lambda: one.join(two, on=[("old", "d")], prefix="ol"), [
        "prefix must make names that the first step does not have, got 'ol': both have old"
    ]


def union_of_columns(it):
    other = it.one(it.new_source({"new col": "int"}), it.step.rename({it.name: "new col"}))
    return lambda: it.step.union(other), [
        "steps of a union must have the same columns, got (",
        "only one has ",
    ]


def union_of_orders(it):
    names = list(it.step.columns)
    assume(len(names) > 1)
    return lambda: it.step.union(it.step.select(*reversed(names))), ["; their order differs"]


def union_of_types(it):
    one, two = it.typed("int"), it.typed("date")
    return lambda: one.union(two), [
        f"columns of a union must have the same types, got {it.name!r} as int and as date"
    ]


def two_of_one_name(it):
    two = it.new_source({"new": "int", "other": "int"})
    make = it.one(
        lambda: two.define({"new": ("other", "int")}),
        lambda: two.rename({"new": "other"}),
        lambda: two.select("other", "other"),
        lambda: two.aggregate(by=["other"], other=("new", "max")),
        lambda: two.to_mysql("new", "new", columns=["other", "other"]),
        lambda: two.select("new").join(two.select("other"), on=[("new", "other")]).rename({"new": "other"}),
    )
    return make, ["must have unique names, got 'other' twice"]


def given_twice(it):
    return lambda: it.step.drop_duplicates(it.name, it.name), [
        f"columns to compare must be given once each, got {it.name!r} twice"
    ]


def nothing_given(it):
    make, what = it.one(
        (it.step.filter, "conditions"),
        (lambda: it.step.define({}), "columns to define"),
        (it.step.select, "columns to select"),
        (lambda: it.step.rename({}), "columns to rename"),
        (lambda: it.step.fill_missing({}), "values"),
        (lambda: it.step.aggregate(by=[it.name]), "aggregations"),
        (lambda: it.step.join(it.step, on=[], prefix="new_"), "on"),
        (lambda: it.new_source({}), "columns"),
        (lambda: it.target(columns=[]), "columns"),
    )
    return make, [f"{what} must be at least one, got none"]


def other_form(it):
    make, words = it.one(
        (lambda: it.step.filter(it.one(True, "x > 1", None)), "condition must be a comparison, such as"),
        (lambda: it.step.select([it.name]), "columns must be given one by one, such as select('id', 'day')"),
        (lambda: it.step.drop_duplicates((it.name,)), "columns must be given one by one, such as drop_duplicates("),
        (lambda: it.step.define([it.name]), "changes must be a mapping with text keys"),
        (lambda: it.step.rename([it.name]), "names must be a mapping with text keys"),
        (lambda: it.step.fill_missing(0), "values must be a mapping with text keys"),
        (lambda: it.step.aggregate(by=[], new=it.name), "aggregation 'new' must be a column and a function"),
        (lambda: it.step.aggregate(by=[], new=(it.name, "count")), "(use sql to count), got 'count'"),
        (lambda: it.step.aggregate(by=5, new=(it.name, "max")), "by must be a list"),
        (lambda: it.step.join(it.step, on={it.name: it.name}, prefix="n"), "on must be a column or a list"),
        (lambda: it.step.join(it.step, on=(it.name, it.name), prefix="n"), "on must be a list: [('id', 'order_id')]"),
        (lambda: it.step.join(it.step, on=[5], prefix="n"), "on must be a column, two columns, or two with an operator"),
        (lambda: it.step.join("customers", on="id"), "other must be a step, got 'customers'"),
        (it.step.union, "others must be other steps of the pipeline, at least one"),
        (lambda: it.step.union(it.step), "others must be other steps of the pipeline, at least one"),
        (lambda: it.new_source([it.name]), "columns must be a mapping of names to types"),
        (lambda: it.new_source("id"), "columns must be a mapping of names to types, got 'id'"),
        (lambda: it.p.sql("SELECT 1", it.step), "tables must be steps by their names in the query"),
        (lambda: it.p.sql("SELECT 1", t="orders"), "table 't' must be a step, got 'orders'"),
        (lambda: it.p.sql("SELECT 1", columns=UNKNOWN), "parents of TRANSFORM_SQL must be 1 or more, got 0"),
        (lambda: it.step.to_mysql("", "t"), "TargetCdbMysqlNode.connection_id must be text that is not empty, got ''"),
        (lambda: it.step.to_mysql("c", "t", label=""), ".name must be text that is not empty, got ''"),
        (lambda: it.step.to_object_storage("b", prefix="", format="CSV", files="2"), "coalesce must be a whole number"),
        (lambda: it.step.drop_duplicates(id=it.one(2**63, "1", 1.5, True)), ".id must be a whole number"),
        (lambda: it.p.add({"type": "SOURCE_OBS"}), "node must be a node, such as SourceObsNode or RawNode"),
    )  # fmt: skip
    return make, [words]


def taken_id(it):
    other = it.one(*it.p.steps)
    return lambda: it.step.drop_duplicates(id=other.id), [
        f"id must be unique, got {other.id} of step {other.label!r} at tests/pipeline/generated.py:"
    ]


def step_of_another_pipeline(it):
    other = Pipeline("abc").mysql("c", "t", columns={it.name: "int"})
    make = it.one(
        lambda: it.step.union(other),
        lambda: it.step.join(other, on=it.name, prefix="new_"),
        lambda: it.p.sql("SELECT 1 AS a", t=other, columns={"a": "int"}),
    )
    return make, [f"steps must belong to one pipeline, got {other.label!r} of another one"]


def reading_a_target(it):
    target = it.target()
    return lambda: it.p.add(
        it.step.union(it.step.drop_duplicates()).entry.node.__class__(10**9, "n", [target.id], "ALL")
    ), [f"parents must not be targets, got {target.label!r}"]


def outputs_of_one_name(it):
    target = it.target(label="new")
    return lambda: it.step.to_mysql("another", "table", label="new"), [
        f"label of a target must be unique, got 'new' of {str(target.entry.place).partition(':')[0]}"
    ]


def outputs_of_one_place(it):
    store = it.one(*STORES)
    modes = it.one((None, None), ("overwrite", "append"), ("append", "overwrite"), ("ignore", "append"))
    store(it.step, mode=modes[0])
    return lambda: store(it.step, mode=modes[1]), [
        "target must be written once unless both append, got new/new of "
    ]


def output_over_input(it):
    it.p.mysql("new", "new", columns={"a": "int"})
    return lambda: it.step.to_mysql("new", "new", mode=it.one(None, "overwrite")), [
        "mode must be append or ignore where the pipeline reads what is there, got new/new, read at "
    ]


def open_columns(it):
    step = it.p.sql("SELECT * FROM t", t=it.step, columns=UNKNOWN)
    make, words = it.one(
        (lambda: it.one(*STORES)(step), "columns must be stated where those of the step are not known"),
        (lambda: step.select(it.name), "column to select must have a known type"),
        (lambda: step.to_mysql("c", "t", columns=[it.name]), "column to write must have a known type"),
    )
    return make, [words]


def orphan(it):
    it.step.drop_duplicates(label="new")
    return it.p.to_nodes, [
        "step 'new': step must be read by another step or a target, got one that nothing reads"
    ]


def no_target(it):
    p = Pipeline("abc")
    step = p.mysql("c", "t", columns=it.step.columns)
    step.drop_duplicates(label="last")
    return p.to_nodes, ["step 'last': pipeline 'abc' must have a target, got none: end a step with"]


def missing_step(it):
    labels = [step.label for step in it.p.steps if not isinstance(step, Target)]
    assume("no such step" not in labels)
    return lambda: it.p.step("no such step"), [f"step {exist(labels)}"[:40], "got 'no such step'"]


RULES = [
    misspelt_column,
    unknown_word,
    unknown_type,
    value_of_another_type,
    arithmetic_over_no_number,
    order_of_no_order,
    join_of_types,
    join_of_names,
    join_with_a_prefix_of_no_use,
    union_of_columns,
    union_of_orders,
    union_of_types,
    two_of_one_name,
    given_twice,
    nothing_given,
    other_form,
    taken_id,
    step_of_another_pipeline,
    reading_a_target,
    outputs_of_one_name,
    outputs_of_one_place,
    output_over_input,
    open_columns,
    orphan,
    no_target,
    missing_step,
]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@settings(max_examples=example_count(3, 60), deadline=None, suppress_health_check=SLOW)
@given(pipelines(), st.data())
def test_what_breaks_a_rule_is_refused_at_its_line(rule, pipeline, data):
    make, words = rule(Broken(data.draw, pipeline))
    with pytest.raises(PipelineError) as caught:
        make()
    message = str(caught.value)
    assert message.startswith("tests/pipeline/test_pipeline_rules.py:")
    for each in words:
        assert each in message
    assert message.isprintable()


def cycle(draw, nodes):
    parents = {node["id"]: node["parentNodeIds"] for node in nodes}
    child = draw(st.sampled_from([node for node in nodes if node["parentNodeIds"]]))
    above = child["parentNodeIds"][0]
    while parents[above] and draw(st.booleans()):
        above = parents[above][0]
    next(node for node in nodes if node["id"] == above)["parentNodeIds"] = [child["id"]]
    return "nodes must be without a cycle of parents, got "


def missing_parent(draw, nodes):
    node = draw(st.sampled_from([node for node in nodes if node["parentNodeIds"]]))
    node["parentNodeIds"] = [*node["parentNodeIds"], 123456789]
    assume(123456789 not in [it["id"] for it in nodes])
    return f"nodes[{nodes.index(node)}].parentNodeIds must be ids of nodes ("


def one_id_twice(draw, nodes):
    nodes.append(dict(draw(st.sampled_from(nodes)), name="again"))
    return f"id must be unique, got {nodes[-1]['id']} of step "


def no_id(draw, nodes):
    node = draw(st.sampled_from([it for it in nodes if it["type"].startswith("TARGET_")]))
    del node["id"]
    return "node must have an id and a label, got none"


@pytest.mark.parametrize("rule", [cycle, missing_parent, one_id_twice, no_id], ids=lambda rule: rule.__name__)
@settings(max_examples=example_count(3, 60), deadline=None, suppress_health_check=SLOW)
@given(pipelines(), st.data())
def test_nodes_that_are_no_graph_are_refused(rule, pipeline, data):
    nodes = [node.to_wire() for node in pipeline.to_nodes()]
    words = rule(data.draw, nodes)
    with pytest.raises(InvalidRequest) as caught:
        Pipeline.from_nodes(data.draw(st.permutations(nodes)) if rule is one_id_twice else nodes)
    assert words in str(caught.value)
