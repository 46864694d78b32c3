"""Which column is what: the id, the target, the columns to fill, and those that merely echo the test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks.days import dated
from mlestar.tasks.infer_files import Files, Findings, heads
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.numerals import MISSING
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts

_MOST_CLASSES = 2000
_ID = re.compile(r"(^|_|(?<=[a-z]))(id|ID|Id)$|(^|_)(no|index|key)$")


@dataclass(frozen=True)
class Columns:
    """The columns' parts. `classes` is set here only when the sample has one column per class."""

    id: tuple[str, ...]
    target: tuple[str, ...]
    prediction: tuple[str, ...]
    echo: tuple[str, ...]
    classes: tuple[str, ...] = ()


def cells(table: Table, column: str) -> pd.Series[Any]:
    """The texts of a column, dates with the year first."""
    return dated(texts(table.frame[column]), table.day_first)


def id_named(column: str) -> bool:
    """Whether a column's name says that it names rows."""
    return _ID.search(column) is not None


def numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Texts as floats, NaN where they are none."""
    return pd.to_numeric(values.str.strip(), errors="coerce").astype(float)


def plain(values: Sequence[str]) -> list[str]:
    """Texts to compare ids by: `7.0`, ` 7` and `7` are one, `007` stays what it is."""
    whole = re.compile(r"^(-?\d+)\.0+$")
    return [whole.sub(r"\1", value) if "." in value else value for value in map(str.strip, values)]


def columns(files: Files, entry: TaskEntry, say: Findings) -> Columns:
    """Divide the sample's columns; raises TaskError for those that nobody knows, and for wrong ids."""
    train, sample = files.train, files.sample
    if files.test is None:
        return _without_test(files, entry, say)
    shared = [c for c in heads(sample) if c in files.test.frame and not _is_answer(c, files, entry)]
    rest = [c for c in heads(sample) if c not in shared]
    own = _own_index(rest, sample, files.test, entry)
    id = tuple(entry.id) if entry.id is not None else _id(shared, files.test, say)
    _check_ids(id, files.test, sample)
    rest = [c for c in rest if c not in own and c not in id]
    echo = tuple(c for c in heads(sample) if (c in shared or c in own) and c not in id)
    if not id:
        _check_order(files.test, sample)
        say.evidence.append("id: none, rows are aligned by their order")
    if echo:
        say.evidence.append(f"columns of {sample.name} that are copied as they stand: {', '.join(echo)}")
    target, classes = _target(rest, train, files.test, entry, say)
    return Columns(id, target, tuple(rest), echo, classes)


def _without_test(files: Files, entry: TaskEntry, say: Findings) -> Columns:
    """The sample alone lists the rows to predict: its columns are ids, then answers."""
    train, sample = files.train, files.sample
    both = [c for c in heads(sample) if c in train.frame]
    target = tuple(entry.target) or tuple(both[1:])
    id = tuple(entry.id) if entry.id is not None else tuple(c for c in both if c not in target)
    if not id or not target:
        raise TaskError(
            "there is no test table, and the sample's columns cannot be divided into ids and targets: "
            "add test.csv, or name them with `id =` and `target =` in task.toml"
        )
    say.evidence.append(f"test: no table; the rows to predict are those of {sample.name}, by {', '.join(id)}")
    rest = tuple(c for c in heads(sample) if c not in id)
    return Columns(id, target, rest, ())


def _is_answer(column: str, files: Files, entry: TaskEntry) -> bool:
    """A column of test that is empty there and filled in train is to be predicted."""
    if column in entry.target:
        return True
    if files.test is None or column not in files.train.frame or column in (entry.id or ()):
        return False
    return set(cells(files.test, column)) <= MISSING


def _own_index(rest: list[str], sample: Table, test: Table, entry: TaskEntry) -> list[str]:
    """A counter 0, 1, 2… or 1, 2, 3…, or an id, that the test lacks: aligned by order, copied as it stands."""
    if (
        not rest
        or len(rest) < 2
        or len(sample.frame) != len(test.frame)
        or rest[0] in (*entry.target, *(entry.id or ()))
    ):
        return []
    values = cells(sample, rest[0])
    counts = numbers(values).to_numpy() - np.arange(len(values))
    counter = len(values) > 1 and counts[0] in (0, 1) and bool((counts == counts[0]).all())
    return rest[:1] if counter or (_ID.search(rest[0]) and values.is_unique) else []


def _id(shared: list[str], test: Table, say: Findings) -> tuple[str, ...]:
    if not shared:
        return ()
    unique = [c for c in shared if test.frame[c].map(str).is_unique]
    named = [c for c in unique if _ID.search(c)]
    if unique:
        id = (named or unique)[0]
        say.evidence.append(f"id: {id!r}, in the sample and once per row in {test.name}")
        return (id,)
    if not test.frame[shared].astype(str).duplicated().any():
        say.evidence.append(f"id: {', '.join(shared)} together name each row of {test.name}")
        return tuple(shared)
    column = max(shared, key=lambda c: test.frame[c].map(str).nunique())
    twice = cells(test, column)[test.frame[shared].astype(str).duplicated().to_numpy()].iloc[0]
    raise TaskError(f"{test.name}: the id {twice!r} in column {column!r} stands twice; ids of test rows must be unique")


def _check_ids(id: tuple[str, ...], test: Table, sample: Table) -> None:
    for column in id:
        for table in (test, sample):
            if column not in table.frame:
                raise TaskError(f"the id column {column!r} is not in {table.name}; it has {_some(heads(table))}")
    if not id:
        return
    keys = {t.name: list(zip(*(plain(cells(t, c).tolist()) for c in id), strict=True)) for t in (test, sample)}
    for name, rows in keys.items():
        if len(set(rows)) < len(rows):
            twice = pd.Series(rows)[pd.Series(rows).duplicated()].iloc[0]
            raise TaskError(f"{name}: the id {', '.join(twice)!r} stands twice; ids must be unique")
    missing, unknown = set(keys[test.name]) - set(keys[sample.name]), set(keys[sample.name]) - set(keys[test.name])
    if missing or unknown:
        example = ", ".join(sorted(unknown or missing)[0])
        what = f"{len(unknown)} ids that {test.name} lacks" if unknown else f"no row for {len(missing)} test ids"
        raise TaskError(
            f"{sample.name} has {what}, for example {example!r} in {', '.join(id)}; its ids must be the test's"
        )


def _check_order(test: Table, sample: Table) -> None:
    if len(test.frame) != len(sample.frame):
        raise TaskError(
            f"{sample.name} has {len(sample.frame)} rows and {test.name} {len(test.frame)}, and they share no id "
            "column: rows cannot be aligned; give both the same id column, or the same number of rows"
        )


def _target(
    rest: list[str], train: Table, test: Table, entry: TaskEntry, say: Findings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The target columns of train, and the classes when the sample has one column for each."""
    for column in entry.target:
        if column not in train.frame:
            raise TaskError(f"target {column!r} is not a column of {train.name}; it has {_some(heads(train))}")
    if not rest:
        raise TaskError("the sample has no column to fill: all of its columns are in the test table as well")
    if all(c in train.frame for c in rest) and not entry.target:
        say.evidence.append(f"target: {', '.join(rest)}, in {train.name} and in the sample, not in {test.name}")
        return tuple(rest), ()
    only = [c for c in heads(train) if c not in test.frame]
    candidates = list(entry.target) or only
    for column in candidates if len(rest) > 1 else ():
        classes = per_class(rest, cells(train, column))
        if classes:
            say.evidence.append(f"target: {column!r}, whose labels are the columns {_some(rest)} of the sample")
            return (column,), classes
    if len(candidates) == len(rest):
        said = "as task.toml says" if entry.target else f"the only columns of {train.name} that {test.name} lacks"
        say.evidence.append(f"target: {', '.join(candidates)}, {said}; the sample calls it {', '.join(rest)}")
        return tuple(candidates), ()
    unknown = [c for c in rest if c not in train.frame] or rest
    raise TaskError(
        f"the sample's columns {_some(unknown)} are neither in {train.name} nor labels of a column of it; only "
        f"{train.name} has {_some(only)}. Mend the sample's header, or set `target =` below [task] in task.toml"
    )


def per_class(names: Sequence[str], values: Iterable[str]) -> tuple[str, ...]:
    """The label that each of the sample's columns stands for; () unless they are just the target's labels.

    Columns may carry a common prefix or suffix (`Class_1`, `winner_model_a`).
    """
    labels = set(values)
    if not 2 <= len(labels) <= _MOST_CLASSES or len(labels) > len(names):
        return ()
    prefix, suffix = _common(names), _common([name[::-1] for name in names])[::-1]
    for start in range(len(prefix) + 1):
        for end in range(len(suffix) + 1):
            cut = [name[start : len(name) - end] for name in names]
            if labels <= set(cut) and len(set(cut)) == len(cut):
                return tuple(cut)
    by_text = {_loose(label): label for label in labels}
    loose = [by_text.get(_loose(name)) for name in names]
    return tuple(x for x in loose if x) if all(loose) and len(set(loose)) == len(labels) == len(names) else ()


def _loose(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def _common(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    size = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:size]


def _some(names: Sequence[str]) -> str:
    found = [repr(name) for name in names]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
