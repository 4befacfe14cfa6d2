"""Sets of digests: sets, however they collide and grow, in little memory and in short steps."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.bulk.digest_set import DigestSet, DigestTable

ALIKE = st.builds(lambda middle: bytes(8) + middle + b"p", st.binary(min_size=7, max_size=7))
"""Digests that all have the same place in the same table."""


@given(st.lists(ALIKE | st.binary(min_size=16, max_size=16).filter(any), max_size=60))
def test_digests_are_a_set_however_they_collide(added):
    digests, model = DigestSet(), set()
    for digest in added:
        assert (digest in digests) == (digest in model)
        assert digests.add(digest) == (digest not in model)
        model.add(digest)
        assert len(digests) == len(model)
    assert all(digest in digests for digest in model)


def test_digests_stay_a_set_as_they_grow():
    digests, chance = DigestSet(), Random(3)
    added = [chance.randbytes(16) for _ in range(5_000)]
    assert all(digests.add(digest) for digest in added)
    assert not any(digests.add(digest) for digest in added)
    assert len(digests) == 5_000
    assert digests.slots <= 3 * 5_000


def test_no_table_takes_long_to_grow(monkeypatch):
    moved, grow = [], DigestTable.grow
    monkeypatch.setattr(DigestTable, "grow", lambda table: (moved.append(table.slots), grow(table)))
    digests, chance = DigestSet(), Random(3)
    for _ in range(100_000):
        digests.add(chance.randbytes(16))
    assert max(moved) <= 1_024  # a million names: 8,192, some 10 ms
