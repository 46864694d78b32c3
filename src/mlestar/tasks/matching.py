"""Comparing texts that mean the same: as text, then as numbers, then as booleans."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Reading = Callable[[str], str | None]
_BOOLEANS = {"true": "true", "1": "true", "1.0": "true", "false": "false", "0": "false", "0.0": "false"}
_DECIMAL = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?\s*", re.ASCII)
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


def _exact(text: str) -> str | None:
    """The decimal number to its last digit: a float would take neighbours among long ids for one."""
    if not _DECIMAL.fullmatch(text):
        return None
    sign, digits, exponent = Decimal(text.strip()).as_tuple()
    shown = "".join(map(str, digits)).lstrip("0")
    short = shown.rstrip("0")
    return f"{'-' * sign}{short}e{int(exponent) + len(shown) - len(short)}" if short else "0"


def _float(text: str) -> str | None:
    value = float(text) if _DECIMAL.fullmatch(text) else np.inf
    return repr(value + 0.0) if np.isfinite(value) else None


def _inexact(text: str) -> str | None:
    """What a whole number was when it was read as a float; a text that is whole itself means just that."""
    return None if _WHOLE.fullmatch(text) else _float(text)


def _boolean(text: str) -> str | None:
    return _BOOLEANS.get(text.strip().lower())


def match(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.intp]:
    """For each text its place in `known` (distinct texts), −1 where it has none.

    Equal texts match first; a text left over matches the known one that is the same number (`1` and
    `1.0`), then the same float, then the same boolean (`True`, `true`, `1`), where only one known text
    reads so.
    """
    exact = {text: place for place, text in enumerate(known)}
    found = np.array([exact.get(text, -1) for text in texts], dtype=np.intp)
    readings: tuple[tuple[Reading, Reading], ...] = ((_exact, _exact), (_inexact, _float), (_boolean, _boolean))
    for reading, reading_known in readings:
        left = np.flatnonzero(found < 0)
        if len(left) == 0:
            break
        places = _read(known, reading_known)
        meant = [reading(texts[row]) for row in left.tolist()]
        found[left] = [-1 if text is None else places.get(text, -1) for text in meant]
    return found


def _read(known: Sequence[str], reading: Reading) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, text in enumerate(known):
        meant = reading(text)
        if meant is not None:
            places[meant] = -1 if meant in places else place
    return places
