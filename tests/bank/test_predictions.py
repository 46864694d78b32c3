import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mlestar.bank.predictions import Bank, script_of


class Blobs:
    """Digest -> .npy bytes, counting loads."""

    def __init__(self):
        self.data, self.loads = {}, 0

    def save(self, array):
        file = io.BytesIO()
        np.save(file, array)
        digest = f"sha256:{len(self.data)}"
        self.data[digest] = file.getvalue()
        return digest

    def load(self, digest):
        self.loads += 1
        return self.data[digest]


@pytest.fixture
def blobs():
    return Blobs()


def test_members_come_sorted_whatever_the_order_of_arrival(blobs):
    addresses = [f"branch-{b}/{i}" for b in (1, 2) for i in range(5)]
    banks = [Bank(blobs.load), Bank(blobs.load)]
    for bank, order in zip(banks, (addresses, addresses[::-1]), strict=True):
        for address in order:
            bank.add(address, 2.0, 9.0, {"submission": {"fold-0": "x"}, "gbm": {"fold-0": "y"}})
    keys = [member.key for member in banks[0].members()]
    assert keys == sorted(keys) == [member.key for member in banks[1].members()]
    assert len(keys) == 20
    assert script_of("branch-1/0::gbm") == "branch-1/0"
    assert banks[0].costs()["branch-2/4"] == 2.0


def test_views_are_added_and_asked_for(blobs):
    bank = Bank(blobs.load)
    bank.add("a", 1.0, 1.0, {"m": {"fold-0": "x"}, "n": {"fold-0": "x"}})
    bank.add("a", 1.0, 1.0, {"m": {"fold-1": "y"}})
    assert [member.key for member in bank.members(["fold-0", "fold-1"])] == ["a::m"]
    assert bank.members(["real"]) == []
    assert bank.members(["fold-1"])[0].blobs == {"fold-0": "x", "fold-1": "y"}


def test_arrays_are_two_dimensional_float32_and_loaded_once(blobs):
    bank = Bank(blobs.load)
    bank.add("a", 1.0, 1.0, {"m": {"fold-0": blobs.save(np.arange(3.0)), "fold-1": blobs.save(np.eye(2))}})
    for _ in range(3):
        array = bank.array("a::m", "fold-0")
    assert (array.shape, array.dtype, blobs.loads) == ((3, 1), np.float32, 1)
    both = bank.arrays(["a::m"], ["fold-0", "fold-1"])["a::m"]
    assert both["fold-1"].tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(KeyError):
        bank.array("a::m", "real")


def test_memory_is_bounded(blobs):
    bank = Bank(blobs.load, memory_mb=1)
    bank.add("a", 1.0, 1.0, {str(i): {"v": blobs.save(np.full((100_000, 1), i, np.float32))} for i in range(10)})
    for i in range(10):
        assert bank.array(f"a::{i}", "v")[0, 0] == i
    assert bank._held <= 2**20
    assert bank.array("a::9", "v")[0, 0] == 9
    assert blobs.loads == 10
    bank.array("a::0", "v")
    assert blobs.loads == 11


def test_many_threads(blobs):
    bank = Bank(blobs.load, memory_mb=1)
    digests = [blobs.save(np.full((50_000, 1), i)) for i in range(12)]

    def one(i):
        bank.add(f"s{i}", 1.0, 1.0, {"m": {"v": digests[i]}})
        return [float(bank.array(f"s{i}::m", "v").mean()) for _ in range(5)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(12))) == [[float(i)] * 5 for i in range(12)]
    assert bank._held == sum(array.nbytes for array in bank._arrays.values())
