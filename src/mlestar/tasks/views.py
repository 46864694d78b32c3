"""Views: folders laid out exactly like the task's, with other rows as test (DESIGN.md §4).

`fold-0` … `fold-4`: train = search rows without the fold, test = the fold. `fold-0-of-8`, `fold-0-of-4` …: the same
test side, with an eighth or a quarter of the training rows. `rehearsal`: train = all search rows, test = the sealed
rows. `real`: the whole folder. The test side of a view holds exactly
what real test rows have, and depends on no label of a held row.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.ports import Rows
from mlestar.tasks import horizons, molten, tables
from mlestar.tasks.infer_columns import cells
from mlestar.tasks.names import derived, fresh, renamed
from mlestar.tasks.numerals import pointed
from mlestar.tasks.others import Others, others
from mlestar.tasks.rowfiles import MOMENT, Filler, Store, emptied, paths, settle
from mlestar.tasks.source import Source, Table
from mlestar.tasks.splits import FOLDS, Cut, spread, strata
from mlestar.tasks.times import moments

SHARES = (8, 4)
PARTS = {f"fold-{k}-of-{share}": (f"fold-{k}", share) for share in SHARES for k in range(FOLDS)}
NAMES = (*(f"fold-{k}" for k in range(FOLDS)), "rehearsal", "real", *PARTS)


class Views:
    """The views of one run below `root`, each built at its first use; deterministic from cut and seed."""

    def __init__(self, source: Source, cut: Cut, root: Path, seed: int, search_rows: int | None = None) -> None:
        self.source, self.cut, self.root, self.seed, self.search_rows = source, cut, root, seed, search_rows
        self._lock = threading.RLock()
        self._store = Store(source, root / ".rows", seed)
        self.renamed = renamed(source)
        self._tests: dict[str, pd.DataFrame] = {}
        self._order = _time_order(source)

    def folder(self, name: str) -> Path:
        """The folder of a view, built if it is not there yet."""
        target = self.root / name
        with self._lock:
            if not target.exists():
                temporary = emptied(target)
                if name == "real":
                    self._copy(temporary)
                else:
                    self._build(name, temporary)
                stamp(temporary)
                temporary.rename(target)
        return target

    def lend(self, folder: Path, rows: Rows) -> None:
        """Link the files of training rows into a folder under the names of the task folder."""
        if self.source.assets:
            self._store.build()
            none, rng = np.array([], np.intp), np.random.default_rng([self.seed, 4])
            self._store.link(folder, rows, none, self.source.train.frame.iloc[none], rng)

    def lay(self, folder: Path, test: pd.DataFrame, sample: pd.DataFrame) -> None:
        """Fill a folder with all training rows and their files, and with test rows from elsewhere, without theirs."""
        every, none = np.arange(len(self.source.train.frame)), np.array([], np.intp)
        self._write(folder, self.source.train.frame, test, sample)
        if not self._is_made(self.source.train):  # its very bytes, as in the real view
            (folder / self.source.train.name).unlink()
            Filler(folder).copy(self.source.folder / self.source.train.name, self.source.train.name)
        self._others.lay(folder, every, none, test)
        self.lend(folder, every)

    @property
    def sides(self) -> Mapping[str, Table]:
        """Tables with more about the rows, by their ids."""
        return self._others.sides

    def held(self, name: str) -> Rows:
        """Positions in the training table of a view's test rows, in the order of its test table."""
        rows = self.cut.sealed if name == "rehearsal" else self.cut.folds[self._fold(name)]
        if not len(rows):
            raise ValueError("nothing is sealed in this run, so there is no rehearsal view")
        rows = self._rng(_whole(name), 0).permutation(rows)
        return rows if self._order is None else rows[np.argsort(self._order[rows], kind="stable")]

    def train(self, name: str) -> Rows:
        """Positions in the training table of a view's training rows, ascending."""
        if name == "rehearsal":
            return self.cut.search
        rows = self.cut.train(self._fold(name))
        most = len(rows) if self.search_rows is None else min(self.search_rows, len(rows))
        if name in PARTS:
            most //= PARTS[name][1]
        if most == len(rows) or self.cut.kind == "horizon":  # a forecast needs its series whole
            return rows
        return rows[spread(strata(self.source, rows), most, self._rng(name, 1))]

    def test(self, name: str) -> pd.DataFrame:
        """A view's test table: the real test's columns in its order, one row per held row."""
        if name == "real":
            return self.source.test.frame
        with self._lock:
            if name not in self._tests:
                self._tests[name] = self._test(name)
            return self._tests[name]

    def sample(self, name: str) -> pd.DataFrame:
        """A view's sample submission: the ids of its test rows, echo columns, one constant per predicted column."""
        real, test = self.source.sample.frame, self.test(name)
        if name == "real":
            return real
        if self.source.pixels:
            pixels = molten.ids(self.source.pixels, *self.images(name)[:2])
            return molten.frame(self.source.pixels, self.source.sample, pixels)
        columns: dict[str, Any] = {}
        for column in real.columns:
            if column in self.source.prediction_columns:
                columns[column] = [self._constant(column, name)] * len(test)
            elif column in test.columns:
                columns[column] = test[column]
            else:
                columns[column] = derived(column, real[column], len(test), self.source.sample.name)
        return pd.DataFrame(columns, columns=real.columns)

    def _fold(self, name: str) -> int:
        """The number of a fold, or of the fold that a view is a part of."""
        known = NAMES[: len(self.cut.folds)]
        if _whole(name) not in known:
            raise KeyError(f"no view is called {name!r}; there are {', '.join(known)} and their parts")
        return int(_whole(name).removeprefix("fold-"))

    def images(self, name: str) -> tuple[list[str], list[tuple[int, int]], Rows]:
        """Of images in, images out: the names of a view's test images in order, their sizes, their rows in `test`."""
        test = self.test(name)
        names = tables.texts(test[molten.IMAGE]).to_numpy(object)
        order = np.argsort(names)
        return names[order].tolist(), molten.sizes(test.iloc[order]), order

    @functools.cached_property
    def _others(self) -> Others:
        return Others(self.source, self.root / ".shared")

    def _rng(self, name: str, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 3, NAMES.index(name), purpose])

    def _test(self, name: str) -> pd.DataFrame:
        source, held = self.source, self.held(name)
        train, real = source.train.frame, source.test.frame
        columns: dict[str, Any] = {}
        for place, column in enumerate(real.columns):
            if column in self.renamed:
                columns[column] = self._fresh(column, name, place)
            elif column in source.target:
                columns[column] = [real[column].iloc[0]] * len(held)
            elif column in train.columns:
                columns[column] = train[column].iloc[held].reset_index(drop=True)
            elif (start := horizons.counted(source, column)) is not None:
                columns[column] = _like(horizons.counts(source, held, start), real[column])
            else:
                columns[column] = _like(derived(column, real[column], len(held), source.test.name), real[column])
        return pd.DataFrame(columns, columns=real.columns)

    def _fresh(self, column: str, name: str, place: int) -> NDArray[Any] | list[Any]:
        real, train = self.source.test.frame[column], self.source.train.frame
        taken = set(tables.texts(real))
        if column in train.columns:
            taken |= set(tables.texts(train[column]))
        names = fresh(tables.texts(real).tolist(), len(self.held(name)), taken, self._rng(name, 10 + place))
        return _like(names, real)

    def _constant(self, column: str, name: str) -> Any:
        """The real sample's first value; where that is empty, what the view's training rows suggest."""
        source = self.source
        value = source.sample.frame[column].iloc[0]
        if not (value is None or value == "" or value != value):
            return value
        target = column if column in source.target else source.target[0]
        known = pointed(tables.texts(source.train.frame[target].iloc[self.train(name)]), source.commas)
        if source.predicts in ("label", "ranking", "text"):
            return known.mode().iloc[0]
        middle = pd.to_numeric(known, errors="coerce").median() if column in source.target else np.nan
        return "0" if np.isnan(middle) else str(middle)

    def _build(self, name: str, folder: Path) -> None:
        source, train, held, test = self.source, self.train(name), self.held(name), self.test(name)
        self._write(folder, source.train.frame.iloc[train], test, self.sample(name))
        self._others.lay(folder, train, held, test)
        if source.assets:
            self._store.build()
            self._store.link(folder, train, held, test, self._rng(name, 2))

    def _write(self, folder: Path, *frames: pd.DataFrame) -> None:
        """Train, test and sample; where no test table is, the sample stands in its place."""
        told = [self.source.train, self.source.test, self.source.sample]
        if self.source.pixels:  # images have no tables
            told, frames = told[2:], frames[2:]
        for table, frame in zip(told, frames, strict=True):
            tables.write(table, frame, folder / table.name)
        settle({folder / table.name for table in told})

    def _is_made(self, table: Table) -> bool:
        """Whether a table is no file of the folder, or need not be the one that is there; images have no tables."""
        source = self.source
        return source.made or not (source.pixels or (source.folder / table.name).is_file())

    def _copy(self, folder: Path) -> None:
        """Everything; what fold views have too is linked. In random order: see `rowfiles`."""
        source, filler = self.source, Filler(folder)
        made = [table for table in (source.train, source.test, source.sample) if self._is_made(table)]
        for table in made:
            tables.write(table, table.frame, folder / table.name)
        settle({folder / table.name for table in made})
        if source.assets:
            self._store.build()
        owned, shared = self._store.copies(), set(self._others.shared)
        theirs = (path for asset in source.assets for path in paths(asset.test, source.test.frame))
        found = {*others(source), *owned, *(path for path in theirs if (source.folder / path).is_file())}
        names = sorted(found)  # a linked folder's files are found by the rows alone
        for name in (names[place] for place in self._rng("real", 2).permutation(len(names)).tolist()):
            if name in owned or name in shared:
                filler.link(owned.get(name) or self._others.own(name), name)
            else:
                filler.copy(source.folder / name, name)


def _whole(name: str) -> str:
    """The fold that a view is a part of, else the view itself."""
    return PARTS[name][0] if name in PARTS else name


def _like(names: list[str], real: pd.Series[Any]) -> list[Any]:
    """Names in the native type of the real column: whole numbers where json or parquet has whole numbers."""
    whole = all(isinstance(value, int | np.integer) for value in real)
    try:
        return [int(name) for name in names] if whole else list(names)
    except ValueError as error:
        raise TaskError(f"column {real.name!r}: {error}") from None


def _time_order(source: Source) -> NDArray[np.float64] | None:
    """The training rows' order if the real test is ordered by time, else None (held rows are shuffled)."""
    kind, _, column = source.split.partition(":")
    if kind == "horizon":
        return horizons.in_order(source)
    if kind not in ("time", "blocks") or column not in source.test.frame.columns:
        return None
    when = moments(cells(source.test, column))
    return moments(cells(source.train, column)) if bool(np.all(np.diff(when) >= 0)) else None


def stamp(folder: Path) -> None:
    """Give every folder of a finished view the one time; a job behind a wall may be another user, and must enter."""
    for path, _, _ in os.walk(folder, topdown=False):
        os.chmod(path, 0o755)
        os.utime(path, (MOMENT, MOMENT))
