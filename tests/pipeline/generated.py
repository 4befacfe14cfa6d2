"""Random pipelines that hold all rules, with text of every kind in all places that take text."""

from hypothesis import strategies as st

from dataflow_async.models.nodes.columns import COLUMN_TYPES
from dataflow_async.pipeline import UNKNOWN, Pipeline, col
from dataflow_async.pipeline.columns import family

NASTY = st.sampled_from(
    [
        "'",
        '"',
        "\n",
        "\\",
        "\"'\\\n",
        "{x}",
        "</script>",
        "#quot;",
        '"] --> x',
        "end",
        "주문",
        "\x1b[2J",
        "%s",
        "a b",
        "`",
    ]
)
TEXT = st.one_of(
    st.text("abcxyz_ ", min_size=1, max_size=6),
    NASTY,
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
)
KINDS = st.sampled_from(COLUMN_TYPES)
VALUES = {
    "number": st.one_of(
        st.integers(),
        st.sampled_from(["1e3", "007", "1.50"]),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    "date": st.dates(),
    "time": st.datetimes(),
    "boolean": st.booleans(),
}
LABEL = st.none() | TEXT
ID = st.none() | st.integers(-(2**63), 2**63 - 1)


@st.composite
def pipelines(draw):
    """A pipeline in which every step is read or is a target."""
    made = Pipeline("generated")
    for _ in range(draw(st.integers(1, 3))):
        source(draw, made)
    for _ in range(draw(st.integers(0, 6))):
        step = draw(st.sampled_from(made.steps))
        draw(st.sampled_from(TRANSFORMS))(draw, made, step)
    read = {parent for step in made.steps for parent in step.entry.node.parent_node_ids}
    for number, step in enumerate(made.steps):
        if step.id not in read:
            target(draw, step, number)
    return made


def options(draw, made):
    number = draw(ID)
    taken = {step.id for step in made.steps}
    return {"label": draw(LABEL), "id": None if number in taken else number}


def columns(draw):
    return draw(st.dictionaries(TEXT, KINDS, min_size=1, max_size=4))


def source(draw, made):
    more = {"columns": columns(draw), **options(draw, made)}
    kind = draw(st.sampled_from(["object_storage", "mysql", "postgresql", "catalog"]))
    if kind == "object_storage":
        prefix, form = draw(TEXT), draw(st.sampled_from(["JSON", "CSV", "PARQUET", "NDJSON"]))
        made.object_storage(
            draw(TEXT), prefix=prefix, format=form, region=draw(st.sampled_from("12")), **more
        )
    elif kind == "catalog":
        made.catalog(draw(TEXT), draw(TEXT), schema_version=draw(TEXT), **more)
    else:
        getattr(made, kind)(draw(TEXT), draw(TEXT), **more)


def target(draw, step, number):
    """A target of its own place: the number is part of its name."""
    mode = draw(st.sampled_from([None, "overwrite", "append", "ignore"]))
    files = draw(st.none() | st.integers(1, 9))
    label = draw(st.none() | TEXT.map(lambda text: f"{text}{number}"))
    names = list(step.columns)
    unknown = [name for name in names if step.columns[name] is None]
    chosen = (
        {name: step.columns.get(name) or "string" for name in names or ["x"]}
        if unknown or not names
        else None
    )
    chosen = chosen or draw(st.sampled_from([None, names[:1]]))
    more = {"mode": mode, "columns": chosen, "label": label}
    kind = draw(st.sampled_from(["object_storage", "mysql", "postgresql", "catalog"]))
    if kind == "object_storage":
        step.to_object_storage(f"marts {draw(TEXT)}", prefix=f"{number}", format="CSV", files=files, **more)
    elif kind == "catalog":
        step.to_catalog(draw(TEXT), f"table {number}", schema_version="1", files=files, **more)
    else:
        getattr(step, f"to_{kind}")(draw(TEXT), f"table {number}", **more)


def some(draw, step):
    """Columns of the step, at least one."""
    return draw(st.lists(st.sampled_from(list(step.columns)), min_size=1, unique=True))


def comparable(step):
    return [name for name, kind in step.columns.items() if kind and family(kind) in VALUES]


def value(draw, step, name):
    return draw(VALUES[family(step.columns[name])])


def define(draw, made, step):
    changes = {name: draw(KINDS) for name in some(draw, step)}
    step.define(changes, **options(draw, made))


def select(draw, made, step):
    typed = [name for name, kind in step.columns.items() if kind]
    if typed:
        step.select(*draw(st.lists(st.sampled_from(typed), min_size=1, unique=True)), **options(draw, made))


def join(draw, made, step):
    other = draw(st.sampled_from([it for it in made.steps if it.columns]))
    on = [
        (one, draw(st.sampled_from(["==", "!=", "<", ">="])), two)
        for one, kind in step.columns.items()
        for two, other_kind in other.columns.items()
        if kind and other_kind and family(kind) == family(other_kind)
    ]
    prefix = "".join([*step.columns, "_"])  # longer than any name of the step: no two names become equal
    if on:
        more = {
            "how": draw(st.sampled_from(["inner", "left", "right", "full"])),
            "match": draw(st.sampled_from(["all", "any"])),
        }
        step.join(other, on=on, prefix=prefix, **more, **options(draw, made))


def keep(draw, made, step):
    names = comparable(step)
    if not names:
        return
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
    conditions = [
        draw(st.sampled_from([col(name) == it, col(name) != it, col(name) < it, col(name) >= it]))
        for name in chosen
        for it in [value(draw, step, name)]
    ]
    if draw(st.booleans()):
        whole = conditions[0] | conditions[-1]
        conditions = [whole]
    step.filter(*conditions, **options(draw, made))


def union(draw, made, step):
    same = step.drop_duplicates(label="again")
    step.union(same, distinct=draw(st.booleans()), **options(draw, made))


def aggregate(draw, made, step):
    numbers = [name for name, kind in step.columns.items() if kind and family(kind) == "number"]
    if numbers:
        by = draw(st.lists(st.sampled_from(list(step.columns)), unique=True))
        results = draw(
            st.dictionaries(
                TEXT.filter(lambda name: name not in by),
                st.tuples(st.sampled_from(numbers), st.sampled_from(["sum", "avg", "max", "min"])),
                min_size=1,
                max_size=3,
            )
        )
        step.aggregate(results, by=by, **options(draw, made))


def rename(draw, made, step):
    names = some(draw, step)
    step.rename({name: f"{name}{''.join(step.columns)}" for name in names}, **options(draw, made))


def drop_duplicates(draw, made, step):
    step.drop_duplicates(*some(draw, step), **options(draw, made))


def fill_missing(draw, made, step):
    if names := comparable(step):
        step.fill_missing({name: value(draw, step, name) for name in names}, **options(draw, made))


def sql(draw, made, step):
    stated = draw(st.sampled_from([UNKNOWN, {"a": "int"}, {"b c": "string", "'": "date"}]))
    made.sql("SELECT 1 AS a -- '\"\\", {draw(TEXT): step}, columns=stated, **options(draw, made))


ALL = (define, select, join, keep, union, aggregate, rename, drop_duplicates, fill_missing, sql)
TRANSFORMS = [
    lambda draw, made, step, make=make: make(draw, made, step) if step.columns else sql(draw, made, step)
    for make in ALL
]
