"""Files that belong to rows: one run-owned copy, linked into the views under the row's name there.

The copy is made in random order, with one time for all files and names that say nothing, because in
real data inode, time, name and order of files each gave labels away. Links are made in random order
too: a link changes the file's ctime. The user's own files are never linked.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mlestar.tasks.names import placeholders
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

MOMENT = 1_577_836_800  # the one time that every file of a view has: 2020-01-01


def paths(pattern: str, frame: pd.DataFrame) -> list[str]:
    """The path below the folder for each row of `frame`."""
    columns = placeholders(pattern)
    literal = re.sub(r"{[^{}]+}", "{}", pattern)
    if not all(column in frame.columns for column in columns):
        return []
    cells = [texts(frame[column]).tolist() for column in columns]
    return [literal.format(*row) for row in zip(*cells, strict=True)]


class Store:
    """The run-owned copies, in `root`. `build` once, then `link` into any number of views."""

    def __init__(self, source: Source, root: Path, seed: int) -> None:
        self.source, self.root, self.seed = source, root, seed
        rows = len(source.train.frame)
        count = rows * len(source.assets)
        self._number = np.random.default_rng([seed, 2]).permutation(count).reshape(len(source.assets), rows)

    def build(self) -> None:
        """Copy every row file of the training table; missing ones are left out."""
        if self.root.exists():
            return
        jobs = []
        for number, asset in zip(self._number, self.source.assets, strict=True):
            jobs += list(zip(number.tolist(), paths(asset.train, self.source.train.frame), strict=False))
        temporary = emptied(self.root)
        for number, path in sorted(jobs):
            if (self.source.folder / path).is_file():
                copy(self.source.folder / path, temporary / str(number))
        temporary.rename(self.root)

    def link(
        self, view: Path, train: np.ndarray, held: np.ndarray, test: pd.DataFrame, rng: np.random.Generator
    ) -> None:
        """Link the files of training rows `train` and held rows `held`, the latter named as in `test`."""
        frame = self.source.train.frame
        for number, asset in zip(self._number, self.source.assets, strict=True):
            for rows, names in ((train, paths(asset.train, frame.iloc[train])), (held, paths(asset.test, test))):
                for i in rng.permutation(len(names)):
                    self._place(self.root / str(number[rows[i]]), view / names[i])

    @staticmethod
    def _place(copied: Path, place: Path) -> None:
        if copied.exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(copied, place)


def copy(origin: Path, place: Path) -> None:
    """Copy a file's bytes: read-only, with the one time."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, place)
    settle([place])


def settle(files: Iterable[Path]) -> None:
    """Make files read-only and give them the one time."""
    for path in files:
        path.chmod(0o444)
        os.utime(path, (MOMENT, MOMENT))


def emptied(target: Path) -> Path:
    """A fresh folder beside `target`, to be built and then renamed to it."""
    temporary = target.with_name(f".{target.name}.building")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary
