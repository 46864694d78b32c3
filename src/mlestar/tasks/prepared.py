"""A task as a run knows it (`ports.Task`): understood, cut, with its views, and judged from outside."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlestar.errors import RunError
from mlestar.ports import Array, Rows, Serve
from mlestar.records import Judged
from mlestar.tasks import cutfile, judge, metrics, own, pixelwise, scaling, tables
from mlestar.tasks.infer import understand
from mlestar.tasks.infer_columns import cells
from mlestar.tasks.infer_files import heads
from mlestar.tasks.leakage import suspicions
from mlestar.tasks.numerals import pointed
from mlestar.tasks.profile import profile
from mlestar.tasks.rowfiles import emptied, settle
from mlestar.tasks.selfcheck import is_programmed, self_check
from mlestar.tasks.sides import Side, form, found_metric, joined, metric, truth
from mlestar.tasks.source import Source
from mlestar.tasks.splits import FOLDS, cut, deal, strata
from mlestar.tasks.views import NAMES, Views

LEVEL_TWO, LOOK = "level-two", "look"


def prepare(
    folder: Path,
    run: Path,
    seed: int,
    *,
    seal: bool = True,
    search_rows: int | None = None,
    serve: Serve | None = None,
    data: Path | None = None,
) -> Prepared:
    """Understand a task folder, cut it, and record the cut in `<run>/task/cut.json`.

    `serve` runs the user's own metric.py and task.py, behind a wall; task.py is shown `data`, where that is another
    folder. Raises TaskError when the folder is broken, RunError when the run folder holds a cut already.
    """
    folder, run = folder.resolve(), run.resolve()
    if (run / cutfile.PLACE).exists():
        raise RunError(f"{run} holds a run already: resume it, or choose another folder.")
    if run.is_relative_to(folder):
        raise RunError(f"the run folder {run} lies inside the task folder: choose a place outside of it with --out.")
    digest = own.make(folder, run / own.PLACE, serve, data)
    source = understand(folder, run / own.PLACE)
    made = cut(source, seed, seal=seal)
    recorded = cutfile.Recorded(folder, seed, search_rows, made, cutfile.checksums(folder), digest)
    prepared = Prepared(source, recorded, run, serve)
    if is_programmed(source):
        measure = partial(prepared.score, "fold-0")
        told = self_check(source, prepared.side("fold-0"), prepared.side("real"), measure, seed)
        prepared.evidence = (*prepared.evidence, told)
    cutfile.write(run, recorded)
    return prepared


def reopen(run: Path, serve: Serve | None = None) -> Prepared:
    """The prepared task of a run, with the recorded cut.

    Raises RunError when the run has none, or naming the file of the task folder that changed meanwhile.
    """
    run = run.resolve()
    recorded = cutfile.read(run)
    cutfile.verify(recorded)
    place = run / own.PLACE
    if recorded.made != own.digest(place) and recorded.made != own.make(recorded.folder, place, serve):
        raise RunError(f"{recorded.folder / own.NAME} does not make the tables that this run began with: what it makes "
                       "must not change from call to call. Start a new run.")  # fmt: skip
    return Prepared(understand(recorded.folder, place), recorded, run, serve)


class Prepared:
    """The task of one run. Safe to use from several threads."""

    def __init__(self, source: Source, recorded: cutfile.Recorded, run: Path, serve: Serve | None = None) -> None:
        made = recorded.cut
        self.source, self.cut, self.run, self.seed = source, made, run, recorded.seed
        self.views = Views(source, made, run / "views", recorded.seed, recorded.search_rows)
        seen = profile(source, made.search)
        self.profile = replace(seen, warnings=(*seen.warnings, *suspicions(source, seen, made.search)))
        self.split, self.split_evidence = source.split, made.evidence
        self.folds = tuple(len(fold) for fold in made.folds)
        self.has_sealed = len(made.sealed) > 0
        self.growth = len(source.train.frame) / len(self.views.train("fold-0"))
        self.warnings = self.profile.warnings
        fresh = (f"fresh {column!r} for held rows: {why}" for column, why in self.views.renamed.items())
        self.evidence = (*source.evidence, f"cut: {made.evidence}", *fresh)
        self._metric = found_metric(source, serve)
        self._lock = threading.RLock()
        self._sides: dict[str, Side] = {}

    def view(self, name: str) -> Path:
        """The folder of a view, or of a level-two view that was built."""
        return self.views.folder(name) if name in NAMES else self._level(name)

    def rows(self, view: str) -> int:
        """How many test rows a view has."""
        return len(self.side(view).owners)

    def judge(self, view: str, folder: Path, save: Callable[[bytes], str]) -> Judged:
        """Judge what a job left in `folder`; arrays go through `save`. `real` is only checked."""
        side = self.side(view)
        if self.source.pixels and view in NAMES:
            return pixelwise.judged(self.source, self.views, view, folder, self._metric, self.seed, save)
        wanted, measure, names = form(self.source, side), self._measure(side), self._names(view, side)
        return judge.judge_folder(folder, wanted, side.truth, side.owners, measure, self.seed, save, names=names)

    def score(self, view: str, prediction: Array, rows: Rows | None = None) -> float:
        """The metric of `prediction`; with `rows` of those test rows of both truth and prediction.

        Raises TaskError where the metric is undefined on them.
        """
        side = self.side(view)
        if rows is not None:
            side, prediction = side.take(rows), prediction[rows]
        return float(metrics.score(self._measure(side), self._known(view, side), prediction))

    def judged(self, view: str, prediction: Array) -> Judged:
        """The judge's word on `prediction` for a view's test rows, without members."""
        side = self.side(view)
        known, names = self._known(view, side), self._names(view, side)
        return judge.weighed(self._measure(side), known, prediction, side.owners, names, self.seed)

    def blocks(self, view: str, count: int) -> Sequence[Rows]:
        """Cut a view's test rows into at most `count` seeded blocks; owners stay whole, classes are spread."""
        side = self.side(view)
        count = min(count, len(np.unique(side.owners)))
        spread = side.strata if self.source.classes else np.zeros(len(side.owners), np.intp)
        block = deal(side.owners, spread, np.random.default_rng([self.seed, 4]), count)
        return [np.flatnonzero(block == number) for number in range(count)]

    def level_two(
        self,
        name: str,
        train: Sequence[tuple[str, Rows]],
        test: Sequence[tuple[str, Rows]],
        columns: dict[str, dict[str, Array]],
    ) -> Path:
        """Build the view of a blend: train.parquet, test.parquet and the sample of the test rows.

        `columns[member][view]` has a row per test row of that view. `judge(name, …)` judges what a
        script leaves for the test rows. Built anew only if called with other rows or predictions.
        """
        if any(view not in NAMES[:FOLDS] for view, _ in train):
            raise ValueError(f"a blend learns from folds only, not from {[view for view, _ in train]}")
        target = self.run / "views" / LEVEL_TWO / name
        frames = [self._columns(part, columns) for part in (train, test)]
        frames[0] = pd.concat([frames[0], self._truth_columns(train)], axis=1)
        parts = [[view, rows.tolist()] for view, rows in test]
        record = {"digest": _digest(frames), "test": parts}
        with self._lock:
            if target.exists() and self._is_built(name, record):
                return target
            self._sides.pop(name, None)
            cutfile.save(self._record_place(name), record)
            sample = joined([self.side(view).take(rows) for view, rows in test]).sample
            temporary = emptied(target)
            for part, frame in zip(("train", "test"), frames, strict=True):
                frame.to_parquet(temporary / f"{part}.parquet", index=False)
            tables.write(self.source.sample.plain(), sample, temporary / self.source.sample.name)
            settle(temporary.rglob("*.*"))
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        return target

    def look(self, name: str, predictions: dict[str, Array]) -> Path:
        """Build a view for analysis: rows.parquet, the search rows as text, and their files below `files/`.

        Numbers have a point, dates the year first; files have the names of the task folder.
        `predictions[view]` fill the columns `oof:<column>` for that view's test rows; others are missing.
        """
        train, commas = self.source.train, self.source.commas
        rows = pd.DataFrame({column: pointed(cells(train, column), commas) for column in heads(train)})
        for view, array in predictions.items() if not self.source.pixels else ():
            table = array.reshape(len(array), -1)
            for place, column in enumerate(self._outputs()):
                rows.loc[rows.index[self.views.held(view)], f"oof:{column}"] = table[:, place]
        target = self.run / "views" / LOOK / name
        with self._lock:
            temporary = emptied(target)
            rows.iloc[self.cut.search].to_parquet(temporary / "rows.parquet", index=False)
            settle(temporary.rglob("*.*"))
            self.views.lend(temporary / "files", self.cut.search)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        return target

    def deliver(self, folder: Path) -> bytes:
        """The user's submission file from a job's on the real view."""
        if self.source.pixels:
            return pixelwise.deliver(self.source, self.views, folder)
        return judge.deliver(folder, form(self.source, self.side("real")), self.source.sample)

    def side(self, name: str) -> Side:
        """The test rows of a view, or of a level-two view, as the judge knows them."""
        with self._lock:
            if name not in self._sides:
                if name in NAMES:
                    self._sides[name] = self._base(name)
                else:
                    parts = [(view, np.array(rows, np.intp)) for view, rows in self._record(name)["test"]]
                    self._sides[name] = joined([self.side(view).take(rows) for view, rows in parts])
            return self._sides[name]

    def _base(self, name: str) -> Side:
        test, source = self.views.test(name), self.source
        if source.pixels:
            return pixelwise.side(source, self.views, name, self.seed)
        keys = pd.DataFrame({column: tables.texts(test[column]) for column in source.id}, index=test.index)
        sample = self.views.sample(name)
        if name == "real":
            order = np.arange(len(test))
            return Side(None, order, np.zeros_like(order), keys, sample, np.arange(len(source.train.frame)))
        held = self.views.held(name)
        train = self.views.train(name)
        scaled = scaling.context(source, train, held)
        return Side(truth(source, held), self.cut.owners[held], strata(source, held), keys, sample, train, *scaled)

    def _names(self, view: str, side: Side) -> dict[int, str]:
        """What the owners are called, where they are groups of a column, or images."""
        if self.source.pixels is not None:
            return dict(enumerate(self.views.images(view)[0]))
        kind, _, column = self.source.split.partition(":")
        if kind != "group" or side.truth is None:
            return {}
        called = tables.texts(self.source.train.frame[column])
        first = np.unique(self.cut.owners, return_index=True)[1]
        return {number: called.iloc[first[number]] for number in np.unique(side.owners).tolist()}

    def _measure(self, side: Side) -> metrics.Metric:
        """The metric, bound to a side."""
        return metric(self._metric, self.source, side)

    def _known(self, view: str, side: Side) -> Array:
        if side.truth is None:
            raise ValueError(f"view {view!r} has no labels")
        return side.truth

    def _outputs(self) -> tuple[str, ...]:
        """What the columns of a prediction stand for."""
        source = self.source
        return source.classes if source.predicts in ("label", "ranking") else source.prediction_columns

    def _columns(self, parts: Sequence[tuple[str, Rows]], columns: dict[str, dict[str, Array]]) -> pd.DataFrame:
        names, found = self._outputs(), {}
        for member, by_view in columns.items():
            values = np.concatenate([by_view[view].reshape(len(by_view[view]), -1)[rows] for view, rows in parts])
            found.update({f"{member}::{column}": values[:, place] for place, column in enumerate(names)})
        return pd.DataFrame(found)

    def _truth_columns(self, parts: Sequence[tuple[str, Rows]]) -> pd.DataFrame:
        known = np.concatenate([self._known(view, self.side(view))[rows] for view, rows in parts])
        if known.ndim == 1:
            return pd.DataFrame({"truth": known})
        names = [f"truth::{column}" for column in self.source.prediction_columns]
        return pd.DataFrame(dict(zip(names, known.T, strict=True)))

    def _level(self, name: str) -> Path:
        self._record(name)
        return self.run / "views" / LEVEL_TWO / name

    def _is_built(self, name: str, record: dict[str, Any]) -> bool:
        try:
            return self._record(name) == record
        except (KeyError, ValueError):  # gone or damaged: built anew
            return False

    def _record_place(self, name: str) -> Path:
        return self.run / "task" / LEVEL_TWO / f"{name}.json"

    def _record(self, name: str) -> dict[str, list[tuple[str, list[int]]]]:
        place = self._record_place(name)
        if not place.exists():
            raise KeyError(f"no view is called {name!r}; there are {', '.join(NAMES)}")
        found: dict[str, list[tuple[str, list[int]]]] = json.loads(place.read_text(encoding="utf-8"))
        return found


def _digest(frames: Sequence[pd.DataFrame]) -> str:
    digest = hashlib.sha256()
    for frame in frames:
        digest.update("\x1f".join(frame.columns).encode())
        digest.update(np.ascontiguousarray(frame.to_numpy()).tobytes())
    return digest.hexdigest()
