"""What held rows are called: their own ids where those look like real test ids, else fresh ones.

An id that only training rows could have would tell a held row from a real test row, and often its
label too. Fresh ids depend on a seed and on the test's ids, never on anything of the row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks.infer_split import is_dates
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

_ENDINGS = 8  # more different ones are no endings of files
_ALPHABETS = ("0123456789", "abcdef", "ABCDEF", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def placeholders(pattern: str) -> list[str]:
    """The columns named in a row-file pattern: `train/{id}/a.xyz` -> [`id`]."""
    return re.findall(r"{([^{}]+)}", pattern)


def renamed(source: Source) -> dict[str, str]:
    """The naming columns of the test table whose held values must be fresh, each with the reason."""
    naming = dict.fromkeys([*source.id, *(c for asset in source.assets for c in placeholders(asset.test))])
    reasons: dict[str, str] = {}
    for column in naming:
        if column not in source.test.frame.columns:
            continue
        real = texts(source.test.frame[column]).tolist()
        if column not in source.train.frame.columns:
            reasons[column] = "train has no such column"
            continue
        known = texts(source.train.frame[column])
        if not known.is_unique or len(set(real)) != len(real):
            continue  # an entity that owns several rows is data, not a name
        if column in (source.time, source.split.partition(":")[2]) or is_dates(source.train, column):
            continue  # so is a time
        if shape(known.tolist()) != shape(real):
            reasons[column] = f"train's ({known.iloc[0]!r}) look unlike the test's ({real[0]!r})"
        elif first_of(real) is not None and not set(real).isdisjoint(known):
            reasons[column] = "the test numbers its own rows"
    return reasons


def shape(names: Sequence[str]) -> tuple[str, str, frozenset[str]]:
    """What names have in common: their literal start and end, and the kinds of characters between."""
    start, end = _common(names), _common([name[::-1] for name in names])[::-1]
    start, end = re.sub(r"[0-9]+$", "", start), re.sub(r"^[0-9]+", "", end)
    if len(start) + len(end) > min(map(len, names)):
        start, end = "", ""
    middles = [name[len(start) : len(name) - len(end)] for name in names]
    characters = "".join(set("".join(middles)))
    kinds = set(re.sub(r"[0-9]", "9", re.sub(r"[^\W\d_]", "a", characters)))
    if any(middle[0] == "0" and re.match(r"0\d", middle) for middle in middles if middle):
        kinds.add("0")
    return start, end, frozenset(kinds)


def first_of(names: Sequence[str]) -> int | None:
    """0 or 1 when the names number their own rows from there, in any order; else None."""
    for first in (0, 1):
        if set(names) == {str(number) for number in range(first, first + len(names))}:
            return first
    return None


def fresh(like: Sequence[str], count: int, taken: set[str], rng: np.random.Generator) -> list[str]:
    """`count` distinct new names that look like `like`: an enumeration where it is one, else random ones."""
    first = first_of(like)
    if first is not None:
        return [str(number) for number in range(first, first + count)]
    start, end, kinds = shape(like)
    middles = [name[len(start) : len(name) - len(end)] for name in like]
    if kinds <= {"9", "0"}:
        return _numbers(start, end, middles, count, taken, rng)
    hexadecimal = set("".join(middles)) <= set("abcdefABCDEF0123456789-_")
    endings = {os.path.splitext(middle)[1] for middle in middles}
    result: dict[str, None] = {}
    for attempt in range(1000 * count + 1000):
        if len(result) == count:
            return list(result)
        model = middles[int(rng.integers(len(middles)))]
        ending = os.path.splitext(model)[1] if len(endings) <= _ENDINGS else ""
        name = "".join(_other(char, hexadecimal, rng) for char in model.removesuffix(ending))
        name = f"{start}{name}{ending}{end}"
        name = name if attempt < 20 * count else f"{start}{name[len(start) : len(name) - len(end)]}{attempt}{end}"
        if name not in taken:
            result[name] = None
    raise TaskError(f"no {count} new ids like {like[0]!r} can be made for held rows: name an id column in task.toml.")


def derived(column: str, real: pd.Series[str], count: int, table: str) -> list[str]:
    """Values for a test column that train lacks: its one value, or its own enumeration; else TaskError."""
    values = texts(real).tolist()
    if len(set(values)) == 1:
        return [values[0]] * count
    first = first_of(values)
    if first is not None:
        return [str(number) for number in range(first, first + count)]
    raise TaskError(
        f"{table}: column {column!r} is missing from the training table and follows no rule (neither one value nor "
        "an enumeration), so held rows cannot have it: add it to the training table, or name it as id in task.toml."
    )


def _numbers(
    start: str, end: str, middles: Sequence[str], count: int, taken: set[str], rng: np.random.Generator
) -> list[str]:
    padded = any(re.match(r"0\d", middle) for middle in middles)
    width = max(map(len, middles)) if padded else 0
    values = [int(middle) for middle in middles if middle]
    low = min(values, default=0)
    span = max(max(values, default=0) - low + 1, 2 * (count + len(taken)))
    result: list[str] = []
    for number in rng.permutation(span) if span < 10**7 else rng.choice(span, 3 * (count + len(taken)), replace=False):
        name = f"{start}{low + int(number):0{width}d}{end}"
        if name not in taken:
            result.append(name)
        if len(result) == count:
            break
    return result


def _other(char: str, hexadecimal: bool, rng: np.random.Generator) -> str:
    for alphabet in _ALPHABETS:
        if char in alphabet and (len(alphabet) > 6 or hexadecimal):
            return alphabet[int(rng.integers(len(alphabet)))]
    return char


def _common(names: Sequence[str]) -> str:
    low, high = min(names), max(names)
    size = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:size]
