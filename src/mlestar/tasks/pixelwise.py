"""Judging images pixel by pixel: the truth of a view, and a submission with a row per pixel, in whole arrays.

A submission is scored on every pixel. The bank, which must hold many predictions, keeps a fixed share of the pixels
of every image, the same for all members; blends are chosen and scored on those.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from mlestar.plain import word
from mlestar.ports import Array, Rows
from mlestar.records import Judged
from mlestar.tasks import judge, molten, tables
from mlestar.tasks.metrics import Metric
from mlestar.tasks.sides import Side
from mlestar.tasks.source import Source
from mlestar.tasks.submission import MOST_BYTES, SUBMISSIONS, Form, columns_wrong, finite
from mlestar.tasks.untrusted import exists, parquet, plain
from mlestar.tasks.views import Views

KEPT = 1_000_000  # pixels of all training images that the bank keeps of a member
CELL = 64  # bytes of an id or a number
DIGITS = 5  # behind the point, of intensities from 0 to 1


def side(source: Source, views: Views, name: str, seed: int) -> Side:
    """The pixels of a view's test images that the bank keeps; for the real view all of them, without ids."""
    names, sizes, order = views.images(name)
    assert source.pixels is not None
    owners = molten.owners(sizes)
    train = views.train(name) if name != "real" else np.arange(len(source.train.frame))
    if name == "real":
        empty = pd.DataFrame(index=range(len(owners)))
        return Side(None, owners, np.zeros_like(owners), empty, empty, train)
    kept = keep(source, len(owners), seed)
    columns = [column.take(pa.array(kept)) for column in molten.ids(source.pixels, names, sizes)]
    sample = molten.frame(source.pixels, source.sample, columns)
    keys = pd.DataFrame(dict(zip(source.pixels.id, (column.to_pandas() for column in columns), strict=True)))
    known = truth(source, views.held(name)[order])[kept]
    return Side(known, owners[kept], np.zeros(len(kept), np.intp), keys, sample, train)


def keep(source: Source, count: int, seed: int) -> Rows:
    """The same share of the pixels of every view, drawn evenly."""
    every = sum(rows * columns for rows, columns in molten.sizes(source.train.frame))
    step = max(1.0, every / KEPT)
    places = np.arange(0.0, count, step) + np.random.default_rng([seed, 5]).random(int(np.ceil(count / step))) * step
    return np.asarray(np.unique(np.minimum(places, count - 1).astype(np.intp)))


def truth(source: Source, rows: Rows) -> Array:
    """The true intensities of all pixels of some training images, as they stand in a submission."""
    assert source.pixels is not None
    pixels, channels = source.pixels, 3 if len(source.prediction_columns) == 3 else 1
    names = source.train.frame[molten.IMAGE].iloc[rows]
    images = (molten.intensities(source.folder / pixels.targets.replace("{image}", n), channels) for n in names)
    return np.concatenate([molten.flat(pixels, image) for image in images]) * np.float32(pixels.white)


def judged(source: Source, views: Views, name: str, folder: Path, metric: Metric, seed: int, save: Any) -> Judged:
    """Judge the submission and members that a job left in `folder`, on every pixel of the view's test images."""
    names, sizes, order = views.images(name)
    assert source.pixels is not None
    owners = molten.owners(sizes)
    known = None if name == "real" else truth(source, views.held(name)[order])
    read = partial(_read, wanted=molten.ids(source.pixels, names, sizes))
    kept = keep(source, len(owners), seed)
    found = judge.judge_folder(folder, _form(source, len(owners)), known, owners, metric, seed, save, read, kept)
    return _named(found, names)


def _named(found: Judged, names: list[str]) -> Judged:
    """Scores of single images by the images' names."""
    groups = tuple((names[int(number)], value) for number, value in found.groups)
    return replace(found, groups=groups)


def deliver(source: Source, views: Views, folder: Path) -> bytes:
    """The user's submission file from a job's: the sample's columns, and its rows in its order."""
    assert source.pixels is not None
    names, sizes, _ = views.images("real")
    wanted = molten.ids(source.pixels, names, sizes)
    values = _read(folder, _form(source, int(molten.owners(sizes).size)), wanted)
    if isinstance(values, str):
        raise ValueError(f"not a valid submission: {values}")
    own = [pa.array(source.sample.frame[c].astype("str"), pa.string()) for c in source.pixels.id]
    order = pc.index_in(molten.joined(own), value_set=molten.joined(wanted)).to_numpy()
    rounded = np.round(values[order], max(0, DIGITS - int(np.log10(source.pixels.white))))
    told = [pa.array(column).cast(pa.string()) for column in rounded.T]
    columns = dict(zip((*source.pixels.id, *source.prediction_columns), (*own, *told), strict=True))
    frame = pa.table({str(c): columns[c] for c in source.sample.frame.columns}).to_pandas()
    return b"".join(tables.delimited(source.sample, frame))


def _form(source: Source, rows: int) -> Form:
    columns = tuple(str(c) for c in source.sample.frame.columns)
    assert source.pixels is not None
    return Form(columns, rows, source.prediction_columns, "value", id_columns=source.pixels.id)


# --- submissions -------------------------------------------------------------------------------------


def _read(folder: Path, form: Form, wanted: list[pa.Array]) -> Array | str:
    """The submitted intensities, a row per pixel in the order of the ids `wanted`, or what is wrong with them."""
    table = _table(folder, form)
    if isinstance(table, str):
        return table
    complaint = columns_wrong(pd.DataFrame(columns=table.column_names), form)
    if complaint:
        return complaint
    got = [_texts(table.column(name)) for name in form.id_columns]
    order = _order(molten.joined(got), molten.joined(wanted))
    if isinstance(order, str):
        return order
    values = []
    for name in form.output_columns:
        column = table.column(name)
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            return f"column {name!r} of the submission holds no numbers but {word(column.type, 80)}"
        values.append(column.cast(pa.float64(), safe=False).to_numpy())
        bad = np.flatnonzero(~finite(values[-1]))
        if len(bad):
            return f"column {name!r} of the submission has {len(bad)} values that are no finite number"
    return np.column_stack(values)[order]


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.cast(pa.string()).chunks or [pa.array([], pa.string())])


def _order(got: pa.Array, wanted: pa.Array) -> Array | slice | str:
    """Where each pixel stands in the submission, or why that cannot be said."""
    if got.equals(wanted):
        return slice(None)
    place = pc.index_in(got, value_set=wanted)
    if place.null_count:
        some = pc.filter(got, pc.is_null(place))[:5].to_pylist()
        return f"the submission has {place.null_count} unknown ids: {', '.join(word(text, 80) for text in some)}"
    at = place.to_numpy()
    times = np.bincount(at, minlength=len(wanted))
    for what, rows in (("ids more than once", times > 1), ("no row for ids", times == 0)):
        if rows.any():
            some = wanted.take(pa.array(np.flatnonzero(rows)[:5])).to_pylist()
            return f"the submission has {what}: {', '.join(word(text, 80) for text in some)} ({rows.sum()} in all)"
    order = np.empty(len(wanted), np.intp)
    order[at] = np.arange(len(at))
    return order


def _table(folder: Path, form: Form) -> pa.Table | str:
    name = next((name for name in SUBMISSIONS if exists(folder / name)), None)
    if name is None:
        return "the script wrote no submission.parquet"
    most = min(MOST_BYTES, 2**20 + (form.rows + 1) * len(form.columns) * CELL)
    if name.endswith(".parquet"):
        return parquet(folder / name, form.rows, len(form.columns) + 1, most)
    data = plain(folder / name, most)
    if isinstance(data, str):
        return data
    kinds = dict.fromkeys(form.id_columns, pa.string()) | dict.fromkeys(form.output_columns, pa.float64())
    try:
        return pacsv.read_csv(io.BytesIO(data), convert_options=pacsv.ConvertOptions(column_types=kinds))
    except (pa.ArrowException, ValueError) as error:
        return f"{name} cannot be read as csv: {word(str(error), 300)}"
