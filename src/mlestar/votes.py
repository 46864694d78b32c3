"""Predictions that are texts: how they are kept, and how they are blended, which is by vote.

Numbers are blended by a weighted mean; of texts the one with most of the weight is taken, row by row. So that a
selection which only knows means can choose among texts, they become ballots: a column per text that any member gives
for a cell, 1 at the member's own. The mean of ballots is the shares of the votes.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MOST = 8  # texts of a cell that can be voted for: those that most members give


def packed(prediction: Array) -> bytes:
    """A prediction as bytes: texts as JSON, numbers as `.npy` of float32."""
    if prediction.dtype == object:
        return json.dumps(prediction.tolist(), ensure_ascii=False).encode()
    buffer = io.BytesIO()
    np.save(buffer, prediction.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def unpacked(data: bytes) -> Array:
    """What `packed` has packed."""
    if data.startswith(b"["):
        rows = json.loads(data)
        texts = np.empty((len(rows), len(rows[0]) if rows else 0), dtype=object)
        texts[:] = rows
        return texts
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def elected(parts: Sequence[Array], weights: Sequence[float]) -> Array:
    """The text of each cell that most of the weight is for; of equals the one that is named first."""
    chosen = parts[0].copy()
    for spot in np.ndindex(chosen.shape):
        shares: dict[str, float] = {}
        for part, weight in zip(parts, weights, strict=True):
            shares[part[spot]] = shares.get(part[spot], 0.0) + weight
        chosen[spot] = max(shares, key=lambda text: shares[text])
    return chosen


class Ballots:
    """The members' texts of one view as arrays of 0 and 1 (rows, columns × texts), and the way back."""

    def __init__(self, members: Mapping[str, Array]) -> None:
        first = next(iter(members.values()))
        self._shape = first.shape
        named = [Counter(cells) for cells in zip(*(part.flat for part in members.values()), strict=True)]
        self._texts = [[text for text, _ in votes.most_common(MOST)] for votes in named]
        self._width = max(map(len, self._texts), default=1)
        place = [{text: i for i, text in enumerate(texts)} for texts in self._texts]
        self.arrays = {key: self._cast(part, place) for key, part in members.items()}

    def _cast(self, part: Array, place: Sequence[Mapping[str, int]]) -> Array:
        ballot = np.zeros((part.size, self._width), dtype=np.uint8)
        for row, (text, known) in enumerate(zip(part.flat, place, strict=True)):
            if text in known:
                ballot[row, known[text]] = 1
        return ballot.reshape(len(part), -1)

    def counted(self, shares: Array) -> Array:
        """The texts that shares of the votes elect."""
        best = shares.reshape(-1, self._width).argmax(axis=1)
        texts = np.empty(len(best), dtype=object)
        texts[:] = [known[i] if i < len(known) else known[0] for known, i in zip(self._texts, best, strict=True)]
        return texts.reshape(self._shape)
