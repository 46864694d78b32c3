"""Predictions that are texts: how they are kept, and how they are blended, which is by vote.

Numbers are blended by a weighted mean; of texts the one with most of the weight is taken, row by row. So that a
selection which only knows means can choose among texts, they become ballots: a column per text that any member gives
for a cell, 1 at the member's own. The mean of ballots is the shares of the votes. Ballots of earlier members are a hair
heavier, for in a script that blends (`composing.WEIGHTED_VOTE`) the first of equals is taken.
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
HAIR = 1e-3  # what the first member's ballot is heavier; the second's is half of that, and so on
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
            text = str(part[spot])
            shares[text] = shares.get(text, 0.0) + weight
        chosen[spot] = max(shares, key=lambda text: shares[text])
    return chosen


class Ballots:
    """The members' texts of one view as arrays of 0 and 1 (rows, columns × texts), and the way back."""

    def __init__(self, members: Mapping[str, Array]) -> None:
        self._shape = next(iter(members.values())).shape
        named = [list(cells) for cells in zip(*(part.flat for part in members.values()), strict=True)]
        self._texts = [_candidates(texts) for texts in named]
        self._width = max(map(len, self._texts), default=1)
        places = [{text: i for i, text in enumerate(texts)} for texts in self._texts]
        self.arrays = {key: self._cast(part, places, HAIR / 2**i) for i, (key, part) in enumerate(members.items())}

    def _cast(self, part: Array, places: Sequence[Mapping[str, int]], hair: float) -> Array:
        ballot = np.zeros((part.size, self._width), dtype=np.float32)
        for row, (text, known) in enumerate(zip(part.flat, places, strict=True)):
            if text in known:
                ballot[row, known[text]] = 1.0 + hair
        return ballot.reshape(len(part), -1)

    def counted(self, shares: Array) -> Array:
        """The texts that shares of the votes elect."""
        best = shares.reshape(-1, self._width).argmax(axis=1)
        texts = np.empty(len(best), dtype=object)
        texts[:] = [known[i] if i < len(known) else known[0] for known, i in zip(self._texts, best, strict=True)]
        return texts.reshape(self._shape)


def _candidates(texts: Sequence[str]) -> list[str]:
    """The texts that most members give, in the order of the members that name them first."""
    often = {text for text, _ in Counter(texts).most_common(MOST)}
    return [text for text in dict.fromkeys(texts) if text in often]
