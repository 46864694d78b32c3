"""The bank: every prediction that was ever paid for, by member and view.

A member's key is `<script address>::<member name>`. The bank holds digests; arrays come through the
given `load` when they are asked for, and the last ones used stay in memory as float32.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlestar import votes
from mlestar.ports import Array
from mlestar.records import Score

SEPARATOR = "::"


@dataclass(frozen=True)
class Banked:
    """One member. `cost` is the script's, in recipe units; `seconds` what it took; `blobs` view -> digest."""

    address: str
    name: str
    cost: float
    seconds: float
    blobs: Mapping[str, str] = field(default_factory=dict)
    score: Score | None = None

    @property
    def key(self) -> str:
        return f"{self.address}{SEPARATOR}{self.name}"


def script_of(key: str) -> str:
    """The address of the script that made the member `key`."""
    return key.rpartition(SEPARATOR)[0]


class Bank:
    """Thread-safe. Members come back sorted by key, never by time, so that a resumed run sees the same bank."""

    def __init__(self, load: Callable[[str], bytes], memory_mb: int = 1024) -> None:
        """`load(digest)` returns a blob that `votes.packed` made, of shape (rows, columns) or (rows,)."""
        self._load = load
        self._room = memory_mb * 2**20
        self._members: dict[str, Banked] = {}
        self._arrays: OrderedDict[str, Array] = OrderedDict()
        self._held = 0
        self._guard = threading.Lock()

    def add(
        self,
        address: str,
        script_cost: float,
        script_seconds: float,
        members: Mapping[str, Mapping[str, str]],
        scores: Mapping[str, Score | None] | None = None,
    ) -> None:
        """Bank what one script predicted: `members[name][view]` -> digest. Adding again adds views."""
        with self._guard:
            for name, blobs in members.items():
                new = Banked(address, name, script_cost, script_seconds, dict(blobs), (scores or {}).get(name))
                old = self._members.get(new.key)
                if old is not None:
                    new = replace(new, blobs={**old.blobs, **blobs}, score=new.score or old.score)
                self._members[new.key] = new

    def members(self, views: Iterable[str] = ()) -> list[Banked]:
        """All members that have every one of `views`, sorted by key."""
        wanted = set(views)
        with self._guard:
            return [self._members[key] for key in sorted(self._members) if wanted <= self._members[key].blobs.keys()]

    def array(self, key: str, view: str) -> Array:
        """A member's prediction on a view, (rows, columns) of float32 or texts. Raises KeyError when not banked."""
        with self._guard:
            digest = self._members[key].blobs[view]
            if digest in self._arrays:
                self._arrays.move_to_end(digest)
                return self._arrays[digest]
        array = _read(self._load(digest))
        with self._guard:
            self._keep(digest, array)
        return array

    def blob(self, key: str, view: str) -> str:
        """The digest of a member's prediction on a view. Raises KeyError when not banked."""
        with self._guard:
            return self._members[key].blobs[view]

    def arrays(self, keys: Iterable[str], views: Sequence[str]) -> dict[str, dict[str, Array]]:
        """`array` for many: `[key][view]`."""
        return {key: {view: self.array(key, view) for view in views} for key in keys}

    def costs(self) -> dict[str, float]:
        """Script address -> cost."""
        return {member.address: member.cost for member in self.members()}

    def _keep(self, digest: str, array: Array) -> None:
        if digest not in self._arrays:
            self._arrays[digest] = array
            self._held += array.nbytes
        while self._held > self._room and len(self._arrays) > 1:
            _, dropped = self._arrays.popitem(last=False)
            self._held -= dropped.nbytes


def _read(data: bytes) -> Array:
    array = votes.unpacked(data)
    array = array if array.dtype == object else array.astype(np.float32)
    array = array.reshape(len(array), -1)
    array.setflags(write=False)
    return array
