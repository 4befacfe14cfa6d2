"""Errors are caught by the built-in classes that name them, and keep their facts in pickles and copies."""

import copy
import pickle

import pytest

import dataflow_async
from dataflow_async import DataFlow, DataFlowError, ExecutionRef, InvalidRequest, WaitTimeout
from dataflow_async.bulk.journal import store

REF = ExecutionRef("job", "run")


def late():
    return WaitTimeout("run of job has not ended after 3 s", execution=None, ref=REF)


def refused():
    return InvalidRequest("name: text is needed, got 3", field="name")


@pytest.mark.parametrize(("make", "builtin"), [(late, TimeoutError), (refused, ValueError)])
def test_an_error_is_caught_by_its_built_in_class_and_by_ours(make, builtin):
    for kind in (builtin, DataFlowError):
        with pytest.raises(kind):
            raise make()


@pytest.mark.parametrize("make", [late, refused])
@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_keeps_message_and_facts(make, through):
    error = make()
    error.add_note("seen by a test")
    other = through(error)
    assert type(other) is type(error)
    assert (str(other), repr(other), other.args) == (str(error), repr(error), error.args)
    assert vars(other) == vars(error)
    assert str(error)


def test_a_time_out_names_no_file_and_no_number():
    assert (late().errno, late().strerror, late().filename) == (None, None, None)


async def test_a_wrong_argument_is_a_value_error():
    with pytest.raises(ValueError, match="max_concurrency") as caught:
        DataFlow(max_concurrency=0)
    assert caught.value.field == "max_concurrency"


def test_the_refusal_of_a_journal_keeps_its_words(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ValueError, match="it is not a journal"):
        store.open_to_read(path)
    with pytest.raises(InvalidRequest, match="there is no such file"):
        store.open_to_read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("meaning", "names"),
    [
        ("never_sent", {"InvalidRequest", "CredentialsError", "NotSent"}),
        ("ends_bulk_run", {"CredentialsError", "AuthenticationFailed", "PermissionDenied", "QuotaExceeded"}),
        (
            "ends_wait",
            {
                *("InvalidRequest", "CredentialsError", "BadRequest", "BadState"),
                *("AuthenticationFailed", "PermissionDenied", "QuotaExceeded"),
            },
        ),
    ],
)
def test_what_an_error_means_stands_on_its_class(meaning, names):
    public = (getattr(dataflow_async, name) for name in dataflow_async.__all__)
    errors = {kind for kind in public if isinstance(kind, type) and issubclass(kind, DataFlowError)}
    assert {kind.__name__ for kind in errors if getattr(kind, meaning)} == names
