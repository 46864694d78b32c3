import inspect
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlestar import records, roles
from mlestar.journal.codec import canonical, decode, digest, encode
from mlestar.records import Idea, Plan, Score

RECORDS = [
    kind
    for module in (records, roles)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if is_dataclass(kind) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_reads_back_equal(kind):
    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(st.from_type(kind))
    def check(record):
        back = decode(encode(record, kind), kind)
        assert type(back) is kind
        assert canonical(back) == canonical(record)  # text, since NaN is not equal to itself

    check()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 3),
        (bool, True),
        (str, "a\x00b\nü"),
        (type(None), None),
        (tuple[Score, ...], (Score(float("inf"), None, "min", (), ()),)),
        (dict[str, float], {"a": 0.1}),
        (list[tuple[str, int]], [("a", 1)]),
    ],
)
def test_plain_types_read_back_equal(kind, value):
    assert decode(encode(value, kind), kind) == value


def test_canonical_json_does_not_move():
    value = {"b": (1, 2.5, None), "a": Idea("n", "w", "s"), 3: Path("/run/x/y")}
    assert canonical(value, Path("/run")) == (
        '[["a",{"Idea":{"code":"","cost":1.0,"name":"n","recipe":"","source":"s","why":"w"}}],'
        '["b",[1,2.5,null]],[3,"x/y"]]'
    )
    assert digest("x").startswith("sha256:")


def test_what_differs_has_another_digest():
    values = [1, 1.0, "1", True, None, (), "", {}, {"a": 1}, {"a": 2}, Plan("t", "c"), Plan("t", "d"), {1, 2}, b"1"]
    assert len({digest(value) for value in values}) == len(values)
    assert digest({2, 1}) == digest({1, 2})
    assert digest(np.float64(0.5)) == digest(0.5)


def test_arrays_and_strange_things_are_refused():
    @dataclass
    class Odd:
        value: object

    for value in (np.zeros(3), Odd(object()), lambda: 1):
        with pytest.raises(TypeError, match="cannot hold"):
            digest(value)
