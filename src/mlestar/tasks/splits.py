"""Cutting: which training rows are sealed, which fold holds each of the others (DESIGN.md §4).

Everything is seeded and computed before any brain speaks. Sealed rows are chosen without a look at
any label, so that sealed labels cannot influence the cut; folds may be stratified by search labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.ports import Rows
from mlestar.tasks.horizons import windows
from mlestar.tasks.infer_columns import cells
from mlestar.tasks.numerals import pointed
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts
from mlestar.tasks.times import moments

FOLDS = 5
SEALED_SHARE, SEALED_MOST, SEALED_ROWS, SEALED_OWNERS = 0.15, 10_000, 300, 10
TIME_BLOCKS = 100  # time is cut into at most so many owners


@dataclass(frozen=True, eq=False)
class Cut:
    """Row positions of the training table. `owners[i]` is the owner of row i (in time order for `time`).

    For `horizon` fold 0 is the latest window, and a fold is learned from what lies before it.
    """

    kind: str
    sealed: Rows
    folds: tuple[Rows, ...]
    owners: Rows
    evidence: str

    @property
    def search(self) -> Rows:
        """Every row that is not sealed, ascending."""
        return self._without(self.sealed)

    def train(self, fold: int) -> Rows:
        """The search rows that fold `fold` is learned from; for `time` only those before it."""
        rows = self._without(self.sealed, self.folds[fold])
        if self.kind == "horizon":  # fold 0 is the latest window
            rows = self._without(self.sealed, *self.folds[: fold + 1])
        if self.kind == "time":
            rows = rows[self.owners[rows] < self.owners[self.folds[fold]].min()]
        return rows

    def _without(self, *parts: Rows) -> Rows:
        stay = np.ones(len(self.owners), bool)
        for part in parts:
            stay[part] = False
        return np.flatnonzero(stay)


def cut(source: Source, seed: int, *, seal: bool = True) -> Cut:
    """Cut the training rows as `source.split` says.

    Raises TaskError when there are fewer rows, groups, times or runs than folds, or the kind is unknown.
    """
    kind, _, column = source.split.partition(":")
    rows = len(source.train.frame)
    if rows < FOLDS + 1:
        raise TaskError(f"{source.train.name} has {rows} rows, fewer than the {FOLDS} folds need: add training rows.")
    if kind == "time":
        return _time_cut(source, column, seal)
    if kind == "blocks":
        return _blocks_cut(source, column, seed, seal)
    if kind == "horizon":
        return _horizon_cut(source, seal)
    if kind == "group":
        owners, why = _codes(_column(source, column)), f"groups of column {column!r} stay together"
    elif kind in ("random", "stratified"):
        owners, why = twins(source)
    else:
        raise TaskError(
            f"split {source.split!r} cannot be cut: use random, stratified, group:, time:, blocks:<column> or horizon."
        )
    groups = int(owners.max()) + 1
    if groups < (2 if kind == "group" else FOLDS + 1):
        what = f"column {column!r}" if column else source.train.name
        need = 2 if kind == "group" else FOLDS + 1
        raise TaskError(f"{what} has only {groups} distinct groups of rows, {need} are needed for the folds.")
    count = min(FOLDS, groups)  # few groups: a fold is one of them, or two
    rng = np.random.default_rng([seed, 1])
    fewest = 0 if source.pixels else SEALED_ROWS  # a row is an image then, of very many pixels
    sealed = _sealed(owners, rng, fewest) if seal else np.empty(0, np.intp)
    search = np.setdiff1d(np.arange(rows), sealed)
    stratify = kind == "stratified" or (kind == "group" and bool(source.classes))
    fold = deal(owners[search], strata(source, search) if stratify else np.zeros(len(search), np.intp), rng, count)
    folds = tuple(search[fold == k] for k in range(count))
    return Cut(kind, sealed, folds, owners, _told(source.split, why, sealed, owners))


def deal(owners: Rows, strata: Rows, rng: np.random.Generator, count: int = FOLDS) -> Rows:
    """Give each row one of `count` folds: owners stay whole, each stratum and all rows are spread evenly.

    Larger owners first, each to the fold with the fewest rows of its stratum, then the fewest rows.
    """
    names, inverse, sizes = np.unique(owners, return_inverse=True, return_counts=True)
    stratum = _owner_strata(inverse, strata)
    order = np.lexsort((rng.random(len(names)), -sizes, stratum))
    if len(names) == len(owners):  # as below, where every owner is one row: turn by turn in each stratum
        return _deal_singly(stratum, order, count)[inverse]
    total = [0] * count
    load: dict[int, list[int]] = {}
    fold = np.empty(len(names), np.intp)
    for owner in order.tolist():
        mine = load.setdefault(int(stratum[owner]), [0] * count)
        best = min(range(count), key=lambda k: (mine[k], total[k], k))
        mine[best] += int(sizes[owner])
        total[best] += int(sizes[owner])
        fold[owner] = best
    return np.asarray(fold[inverse], np.intp)


def _deal_singly(strata: Rows, order: Rows, count: int) -> Rows:
    total, fold = np.zeros(count, np.intp), np.empty(len(order), np.intp)
    for rows in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
        turns = np.argsort(total, kind="stable")
        fold[rows] = turns[np.arange(len(rows)) % count]
        total += np.bincount(fold[rows], minlength=count)
    return fold


def spread(strata: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Positions of `count` rows drawn evenly from all strata, ascending (systematic sampling)."""
    order = np.lexsort((rng.random(len(strata)), strata))
    picks = ((np.arange(count) + rng.random()) * len(strata) / count).astype(np.intp)
    return np.asarray(np.sort(order[picks]), np.intp)


def twins(source: Source) -> tuple[Rows, str]:
    """Owners for random cuts: twins (rows with the same features) are one owner if test hardly has any in train."""
    train, test = source.train.frame, source.test.frame
    alone = np.arange(len(train), dtype=np.intp), "each row stands alone"
    shared = [c for c in test.columns if c in train.columns and c not in source.id and c not in source.target]
    if not shared or source.assets:
        return alone
    codes = _codes(pd.concat([_key(train[shared]), _key(test[shared])], ignore_index=True))
    mine, other = codes[: len(train)], codes[len(train) :]
    counts = np.bincount(mine, minlength=int(codes.max()) + 1)
    in_train, in_test = float(np.mean(counts[mine] > 1)), float(np.mean(counts[other] > 0)) if len(other) else 0.0
    if in_train == 0 or in_test >= in_train / 4:
        return alone
    why = f"{in_train:.1%} of train rows have a twin in train, {in_test:.1%} of test rows: twins stay together"
    return _codes(pd.Series(mine)), why


def _time_cut(source: Source, column: str, seal: bool) -> Cut:
    when = moments(_column(source, column))
    _, moment, counts = np.unique(when, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts
    blocks = before * min(TIME_BLOCKS, len(counts)) // len(when)
    owners = _codes(pd.Series(blocks))[moment]
    last = int(owners.max()) + 1
    count = int(last * SEALED_SHARE)
    sealed = np.flatnonzero(owners >= last - count)
    if not seal or len(sealed) < SEALED_ROWS or count < SEALED_OWNERS:
        sealed, count = np.empty(0, np.intp), 0
    if last - count < FOLDS + 1:
        raise TaskError(f"column {column!r} has {last} distinct times; {FOLDS + 1} are needed for folds in time order.")
    windows = np.array_split(np.arange(last - count), FOLDS + 1)[1:]
    folds = tuple(np.flatnonzero(np.isin(owners, window)) for window in windows)
    why = f"by {column!r}: fold k is the k-th later window and is learned from the rows before it"
    return Cut("time", sealed, folds, owners, _told(source.split, why, sealed, owners))


def _horizon_cut(source: Source, seal: bool) -> Cut:
    found = windows(source, FOLDS + seal)
    last = np.flatnonzero(found.window == 0)
    if seal and (len(last) < SEALED_ROWS or len(np.unique(found.owners[last])) < SEALED_OWNERS):
        return _horizon_cut(source, seal=False)
    sealed = last if seal else np.empty(0, np.intp)
    folds = tuple(np.flatnonzero(found.window == k + seal) for k in range(FOLDS))
    why = f"{found.why}: fold 0 is the latest, each is learned from the rows before it"
    return Cut("horizon", sealed, folds, found.owners, _told(source.split, why, sealed, found.owners))


def _blocks_cut(source: Source, column: str, seed: int, seal: bool) -> Cut:
    both = pd.concat([_column(source, column), cells(source.test, column)], ignore_index=True)
    when = moments(both)
    train, test = when[: len(source.train.frame)], when[len(source.train.frame) :]
    owners = _codes(pd.Series(np.searchsorted(np.unique(test), train)))
    test_values = np.unique(test)
    lengths = np.unique(np.searchsorted(np.unique(train), test_values), return_counts=True)[1]
    tail = np.zeros(len(train), bool)
    for run in range(int(owners.max()) + 1):
        values = np.unique(train[owners == run])
        held = min(int(np.median(lengths)), len(values) // 2)
        if held:
            tail |= (owners == run) & (train >= values[-held])
    rows = np.flatnonzero(tail)
    runs = len(np.unique(owners[rows]))
    if runs < FOLDS:
        raise TaskError(f"column {column!r} gives {runs} runs of training rows; {FOLDS} are needed for the folds.")
    rng = np.random.default_rng([seed, 1])
    sealed = rows[_sealed(_codes(pd.Series(owners[rows])), rng)] if seal else np.empty(0, np.intp)
    rows = np.setdiff1d(rows, sealed)
    fold = deal(owners[rows], np.zeros(len(rows), np.intp), rng)
    why = f"the test is runs of {column!r} between training runs: held are ends of training runs, as long as test runs"
    folds = tuple(rows[fold == k] for k in range(FOLDS))
    return Cut("blocks", sealed, folds, owners, _told(source.split, why, sealed, owners))


def _sealed(owners: Rows, rng: np.random.Generator, fewest: int = SEALED_ROWS) -> Rows:
    """Rows of 15 % of the owners, drawn evenly over owner sizes; none when they would be too few."""
    sizes = np.bincount(owners)
    count = min(int(len(sizes) * SEALED_SHARE), SEALED_MOST)
    candidates = np.flatnonzero(sizes <= max(1, len(owners) // 20))  # one giant group would empty the search
    if not SEALED_OWNERS <= count <= len(candidates):
        return np.empty(0, np.intp)
    chosen = candidates[spread(sizes[candidates], count, rng)]
    rows = np.flatnonzero(np.isin(owners, chosen))
    return rows if len(rows) >= fewest else np.empty(0, np.intp)


def strata(source: Source, rows: Rows) -> Rows:
    """A stratum for each of `rows` from its first target: the class, or the decile of a numeric target."""
    values = source.train.frame[source.target[0]].iloc[rows] if source.target else pd.Series(["0"] * len(rows))
    if not source.classes:
        numbers = pd.to_numeric(pointed(values, source.commas), errors="coerce")
        values = (numbers.rank(method="first", pct=True).fillna(0) * 9.999).astype(int)
    return _codes(values)


def _owner_strata(inverse: Rows, strata: Rows) -> Rows:
    """The most common stratum of each owner's rows."""
    width = int(strata.max()) + 1 if len(strata) else 1
    pairs, counts = np.unique(inverse * width + strata, return_counts=True)
    pairs = pairs[np.argsort(counts, kind="stable")]
    result = np.zeros(int(inverse.max()) + 1, np.intp)
    result[pairs // width] = pairs % width
    return result


def _codes(values: pd.Series[str] | pd.Series[int]) -> Rows:
    """Dense numbers 0.. for values, in sorted order."""
    whole = pd.api.types.is_integer_dtype(values.dtype)
    return np.asarray(pd.factorize(values if whole else texts(values), sort=True)[0], np.intp)


def _key(frame: pd.DataFrame) -> pd.Series[int]:
    return pd.util.hash_pandas_object(pd.DataFrame({c: texts(frame[c]) for c in frame.columns}), index=False)


def _column(source: Source, column: str) -> pd.Series[str]:
    if column not in source.train.frame.columns:
        raise TaskError(f"split {source.split!r}: {source.train.name} has no column {column!r}.")
    return cells(source.train, column)


def _told(split: str, why: str, sealed: Rows, owners: Rows) -> str:
    if split.startswith("group:") and owners.max() < FOLDS:
        why += f", each of the {owners.max() + 1} is a fold"
    if not len(sealed):
        return f"{why}; nothing sealed (too few rows or owners)"
    return f"{why}; {len(sealed)} rows of {len(np.unique(owners[sealed]))} owners sealed"
