"""Files that belong to rows: one run-owned copy, linked into the views under the row's name there.

The copy is made in random order, with one time for all files and names that say nothing, because in
real data inode, time, name and order of files each gave labels away. Links are made in random order
too: a link changes the file's ctime. The user's own files are never linked.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks.names import placeholders
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

MOMENT = 1_577_836_800  # the one time that every file of a view has: 2020-01-01


def paths(pattern: str, frame: pd.DataFrame) -> list[str]:
    """The path below the folder for each row of `frame`."""
    columns = placeholders(pattern)
    literal = re.sub(r"{[^{}]+}|([{}])", lambda part: 2 * part[1] if part[1] else "{}", pattern)  # folders may have one
    if not all(column in frame.columns for column in columns):
        return []
    cells = [texts(frame[column]).tolist() for column in columns]
    found = [literal.format(*row) for row in zip(*cells, strict=True)]
    astray = next((path for path in found if path.startswith("/") or ".." in path.split("/")), None)
    if astray is not None:
        raise TaskError(f"the row file {astray!r} ({pattern}) would lie outside of the task folder: mend that row.")
    return found


class Filler:
    """Puts files into one folder; asks the file system no more than it must: there may be one for each row."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}/"
        self._made: set[str] = set()

    def link(self, owned: str | Path, name: str) -> None:
        """Link a run-owned file as `name` below the folder, unless something is there: rows may share a file."""
        with contextlib.suppress(FileExistsError):
            os.link(owned, self._place(name))

    def copy(self, origin: str | Path, name: str) -> None:
        """Copy a file as `name` below the folder."""
        copy(origin, self._place(name))

    def _place(self, name: str) -> str:
        parent = name.rpartition("/")[0]
        if parent not in self._made:
            os.makedirs(self._folder + parent, exist_ok=True)
            self._made.add(parent)
        return self._folder + name


class Store:
    """The run-owned copies, in `root`. `build` once, then `link` into any number of views."""

    def __init__(self, source: Source, root: Path, seed: int) -> None:
        self.source, self.root, self.seed = source, root, seed
        rows = len(source.train.frame)
        count = rows * len(source.assets)
        self._number = np.random.default_rng([seed, 2]).permutation(count).reshape(len(source.assets), rows)
        self._there: frozenset[str] = frozenset()

    def build(self) -> None:
        """Copy every row file of the training table; missing ones are left out."""
        if not self.root.exists():
            temporary = emptied(self.root)
            for number, path in sorted((number, path) for path, number in self._jobs()):
                origin = f"{self.source.folder}/{path}"
                if os.path.isfile(origin):
                    copy(origin, f"{temporary}/{number}")
            temporary.rename(self.root)
        self._there = self._there or frozenset(os.listdir(self.root))

    def link(
        self, view: Path, train: np.ndarray, held: np.ndarray, test: pd.DataFrame, rng: np.random.Generator
    ) -> None:
        """Link the files of training rows `train` and held rows `held`, the latter named as in `test`."""
        frame, filler = self.source.train.frame, Filler(view)
        for number, asset in zip(self._number, self.source.assets, strict=True):
            for rows, names in ((train, paths(asset.train, frame.iloc[train])), (held, paths(asset.test, test))):
                copied = number[rows].tolist()
                for i in rng.permutation(len(names)).tolist():
                    if str(copied[i]) in self._there:
                        filler.link(f"{self.root}/{copied[i]}", names[i])

    def copies(self) -> dict[str, str]:
        """The run-owned copy of each training file of the task folder, by the file's path there."""
        return {path: f"{self.root}/{number}" for path, number in self._jobs() if str(number) in self._there}

    def _jobs(self) -> Iterable[tuple[str, int]]:
        for number, asset in zip(self._number, self.source.assets, strict=True):
            yield from zip(paths(asset.train, self.source.train.frame), number.tolist(), strict=False)


def copy(origin: str | Path, place: str | Path) -> None:
    """Copy a file's bytes into a folder that is there: inside the kernel, read-only, with the one time."""
    with open(origin, "rb", buffering=0) as old, open(place, "xb", buffering=0) as new:
        with contextlib.suppress(OSError):  # between two file systems, or one that has no such call
            while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):  # shares blocks where the disk can
                pass
        shutil.copyfileobj(old, new, 1 << 16)  # what is left, if anything
        os.fchmod(new.fileno(), 0o444)
        os.utime(new.fileno(), (MOMENT, MOMENT))


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
    temporary.chmod(0o755)
    return temporary
