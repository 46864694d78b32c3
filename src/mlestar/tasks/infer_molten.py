"""How the ids of a sample name pixels: which part is the image, which the row, which the column, from where counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlestar.errors import TaskError
from mlestar.ports import Array
from mlestar.records import Pixels
from mlestar.tasks import molten
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts

_ID = r"^(?P<head>.*\D)(?P<a>\d+)(?P<between>\D+)(?P<b>\d+)(?P<tail>\D*)$"


@dataclass(frozen=True)
class Layout:
    """What `records.Pixels` says of ids, and the columns to fill."""

    id: tuple[str, ...]
    patterns: tuple[str, ...]
    first: int
    down: bool
    outputs: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class _Parts:
    """Every row's image (a number), and its two other numbers; what the id columns are, with `{a}` and `{b}`."""

    image: Array
    a: Array
    b: Array
    id: tuple[str, ...]
    patterns: tuple[str, ...]


def layout(sample: Table, names: Sequence[str], sizes: molten.Sizes, told: tuple[str, ...] | None) -> Layout | None:
    """How the sample names the pixels of the images `names`; None where its ids are none of pixels.

    Raises TaskError where they are, and yet do not fit the images' sizes.
    """
    columns = [str(column) for column in sample.frame.columns]
    parts = _one_column(sample, columns[:1] if told is None else list(told), names)
    parts = parts or _three_columns(sample, columns[:3] if told is None else list(told), names)
    if parts is None:
        return None
    outputs = tuple(column for column in columns if column not in parts.id)
    if not outputs:
        raise TaskError(f"{sample.name} has no column to fill beside {', '.join(parts.id)}")
    high = np.array(sizes)
    seen = [_greatest(values, parts.image, len(names)) for values in (parts.a, parts.b)]
    first = int(min(parts.a.min(), parts.b.min()))
    missing = [name for name, most in zip(names, seen[0], strict=True) if most < 0]
    if missing:
        raise TaskError(f"{sample.name} has no row for {len(missing)} test images, first {missing[0]!r}")
    ways = [way for way in (("row", "column"), ("column", "row")) if _fits(way, seen, high, first)]
    if not ways:
        name, (rows, wide) = names[0], sizes[0]
        raise TaskError(
            f"{sample.name}: the ids of image {name!r} reach from {first} to {int(seen[0][0])} and {int(seen[1][0])}, "
            f"but it has {rows} rows and {wide} columns"
        )
    patterns = tuple(p.replace("{a}", f"{{{ways[0][0]}}}").replace("{b}", f"{{{ways[0][1]}}}") for p in parts.patterns)
    steps = {"a": np.diff(parts.a[:2]), "b": np.diff(parts.b[:2])}
    down = bool(len(parts.a) > 1 and steps["a" if ways[0][0] == "row" else "b"][0] == 1)
    found = Pixels("", "", "", 1, parts.id, patterns, first, down, 1.0)
    _check(sample, found, names, sizes)
    why = f"ids are {' and '.join(patterns)}, counted from {first}, {'column by column' if down else 'row by row'}"
    why += ", by the sample and the sizes of the images"
    why += "; all images are square: the first number is taken for the row" if len(ways) > 1 else ""
    return Layout(parts.id, patterns, first, down, outputs, why)


def _one_column(sample: Table, columns: list[str], names: Sequence[str]) -> _Parts | None:
    """Ids like `<image>_<row>_<column>`, whatever stands between and around them."""
    if len(columns) != 1 or columns[0] not in sample.frame:
        return None
    cells = pa.array(texts(sample.frame[columns[0]]), pa.string())
    if pc.all(pc.match_substring_regex(cells[:1000], _ID)).as_py() is not True:
        return None
    split = pc.extract_regex(cells, _ID)
    if split.null_count:
        return None
    head = split.field("head").dictionary_encode()
    ends = [pc.unique(split.field(part)).to_pylist() for part in ("between", "tail")]
    image = _images(head.dictionary.to_pylist(), names)
    if image is None or any(len(end) > 1 for end in ends):
        return None
    places, before, after = image
    a, b = (split.field(part).cast(pa.int64()).to_numpy() for part in ("a", "b"))
    pattern = f"{before}{{image}}{after}{{a}}{ends[0][0]}{{b}}{ends[1][0]}"
    return _Parts(places[head.indices.to_numpy()], a, b, (columns[0],), (pattern,))


def _three_columns(sample: Table, columns: list[str], names: Sequence[str]) -> _Parts | None:
    """The image, the row and the column in columns of their own, in any order."""
    if len(columns) != 3 or any(column not in sample.frame for column in columns):
        return None
    for order in itertools.permutations(columns):
        named, *numbers = order
        if numbers != sorted(numbers, key=columns.index):
            continue
        codes, heads = pd.factorize(texts(sample.frame[named]))
        image = _images(list(heads), names)
        values = [pd.to_numeric(texts(sample.frame[c]), errors="coerce") for c in numbers]
        if image is None or any(v.isna().any() or (v % 1 != 0).any() for v in values):
            continue
        patterns = {named: f"{image[1]}{{image}}{image[2]}", numbers[0]: "{a}", numbers[1]: "{b}"}
        a, b = (v.to_numpy().astype(np.int64) for v in values)
        return _Parts(image[0][codes], a, b, tuple(columns), tuple(patterns[c] for c in columns))
    return None


def _images(heads: list[str], names: Sequence[str]) -> tuple[Array, str, str] | None:
    """The number of the image that each head names, and what stands before and after the name; None if not all do."""
    known = {name: place for place, name in enumerate(names)}
    for name in sorted((n for n in names if n in heads[0]), key=len, reverse=True):
        before, _, after = heads[0].partition(name)
        inner = [head[len(before) : len(head) - len(after)] for head in heads]
        if all(n in known and f"{before}{n}{after}" == head for n, head in zip(inner, heads, strict=True)):
            return np.array([known[n] for n in inner]), before, after
    return None


def _greatest(values: Array, image: Array, count: int) -> Array:
    found = np.full(count, -1, np.int64)
    np.maximum.at(found, image, values)
    return found


def _fits(way: tuple[str, str], seen: list[Array], sizes: Array, first: int) -> bool:
    axes = [0 if place == "row" else 1 for place in way]
    return all((most - first + 1 == sizes[:, axis]).all() for most, axis in zip(seen, axes, strict=True))


def _check(sample: Table, found: Pixels, names: Sequence[str], sizes: molten.Sizes) -> None:
    """Every pixel stands in the sample once, and nothing else."""
    wanted, mine = (molten.joined(columns) for columns in (
        molten.ids(found, names, sizes),
        [pa.array(texts(sample.frame[column]), pa.string()) for column in found.id],
    ))  # fmt: skip
    for few, many, what in (
        (wanted, mine, "has no row for the pixel"),
        (mine, wanted, "has an id that is no pixel's:"),
    ):
        lost = pc.filter(few, pc.invert(pc.is_in(few, value_set=many)))
        if len(lost):
            raise TaskError(f"{sample.name} {what} {lost[0].as_py()!r} ({len(lost)} such)")
    if len(mine) != len(wanted):
        raise TaskError(f"{sample.name} names pixels twice: {len(mine)} rows for {len(wanted)} pixels")
