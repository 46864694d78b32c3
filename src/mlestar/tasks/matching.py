"""Comparing texts that mean the same: as text, then as numbers, then as booleans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_BOOLEANS = {"true": "true", "1": "true", "1.0": "true", "false": "false", "0": "false", "0.0": "false"}


def _number(text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return repr(value + 0.0) if np.isfinite(value) and "_" not in text else None


def _boolean(text: str) -> str | None:
    return _BOOLEANS.get(text.strip().lower())


def match(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.intp]:
    """For each text its place in `known` (distinct texts), −1 where it has none.

    Equal texts match first; a text left over matches the known one that is the same number (`1` and
    `1.0`), then the same boolean (`True`, `true`, `1`), where only one known text reads so.
    """
    exact = {text: place for place, text in enumerate(known)}
    found = np.array([exact.get(text, -1) for text in texts], dtype=np.intp)
    for reading in (_number, _boolean):
        left = np.flatnonzero(found < 0)
        if len(left) == 0:
            break
        places = _read(known, reading)
        meant = [reading(texts[row]) for row in left.tolist()]
        found[left] = [-1 if text is None else places.get(text, -1) for text in meant]
    return found


def _read(known: Sequence[str], reading: Callable[[str], str | None]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, text in enumerate(known):
        meant = reading(text)
        if meant is not None:
            places[meant] = -1 if meant in places else place
    return places
