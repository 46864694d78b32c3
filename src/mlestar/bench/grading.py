"""What a submission is worth on the test: by the tasks' grader, asked once, and by mle-star's metric on the answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlestar import config
from mlestar.bench import processes
from mlestar.bench.competitors import SUBMISSION
from mlestar.bench.discovery import MEDALS
from mlestar.bench.discovery import SUBMISSION as PLACEHOLDER
from mlestar.bench.handing import asked, real
from mlestar.bench.records import OURS, BenchTask, Grade
from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.ports import Array
from mlestar.records import Direction
from mlestar.tasks import metrics, sides, tables
from mlestar.tasks.matching import match
from mlestar.tasks.source import Source, Table
from mlestar.tasks.submission import read_submission

LONGEST = 3600.0  # seconds that a grader may take
MOST = 400  # characters of what it says
CLOSE = {"rel_tol": 1e-3, "abs_tol": 1e-4}  # within which two ways to compute one metric agree; graders round


def by(task: BenchTask) -> str:
    """Who grades the task."""
    script = next((part for part in task.grader if part.endswith(".py")), None)
    return Path(script or task.grader[0]).name if task.grader else OURS


def grade(
    task: BenchTask, source: Source | str, folder: Path, direction: Direction, stopped: Callable[[], bool]
) -> Grade:
    """Grade `folder`/submission.csv. `source` is the understood task, or why there is none."""
    mine = _measured(task, source, folder)
    if not task.grader:
        found = replace(mine, score=mine.own, error=mine.note if mine.own is None else "")
    else:
        found = _asked(task, folder, mine, stopped)
    if found.score is not None and not found.medal and task.thresholds:
        found = replace(found, medal=_medal(task, found.score, task.direction or direction))
    return found


def _asked(task: BenchTask, folder: Path, mine: Grade, stopped: Callable[[], bool]) -> Grade:
    """What the grader says, beside our own measurement where the two agree."""
    log, who = folder / "grade.log", by(task)
    argv = [part.replace(PLACEHOLDER, str((folder / SUBMISSION).resolve())) for part in task.grader]
    ended = processes.call(argv, folder, log, config.installing(), LONGEST, stopped)
    said = _answer(log.read_text(encoding="utf-8", errors="replace"))
    score = said.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        why = said.get("error") or processes.last_line(log) or f"it ended with status {ended.code}"
        return Grade(who, error=f"no score: {word(why, MOST)}")
    found = Grade(who, float(score), _told_medal(said), own=mine.own, replicates=mine.replicates, note=mine.note)
    if mine.own is not None and not math.isclose(mine.own, float(score), **CLOSE):
        return replace(found, replicates=(), note=f"mle-star's metric gives {mine.own:.5f}: no paired differences")
    return found


def _answer(text: str) -> dict[str, Any]:
    """The first JSON object with a score in what a grader printed, log lines around it left out."""
    decoder, place = json.JSONDecoder(), text.find("{")
    while place >= 0:
        try:
            found, _ = decoder.raw_decode(text, place)
        except ValueError:
            found = None
        if isinstance(found, dict) and "score" in found:
            return found
        place = text.find("{", place + 1)
    return {}


def _told_medal(said: dict[str, Any]) -> str:
    """`"medal": "gold"`, or MLE-bench's `"gold_medal": true`."""
    told = said.get("medal")
    return told if told in MEDALS else next((name for name in MEDALS if said.get(f"{name}_medal") is True), "")


def _medal(task: BenchTask, score: float, direction: Direction) -> str:
    sign = 1 if direction == "max" else -1
    return next((name for name, limit in task.thresholds if sign * score >= sign * limit), "")


# --- mle-star's own metric on the private answers -----------------------------------------------------


def _measured(task: BenchTask, source: Source | str, folder: Path) -> Grade:
    """Our metric and its resamples, or in `note` why there are none."""
    if isinstance(source, str):
        return Grade(OURS, note=word(source, MOST))
    try:
        side = real(source)
        truth = _truth(task.private, source, side)
        prediction = read_submission(folder, asked(source))
        if isinstance(prediction, str):
            return Grade(OURS, note=word(prediction, MOST))
        metric = sides.metric(sides.found_metric(source, None), source, side)
        value = metrics.score(metric, truth, prediction)
        spread = metrics.replicates(metric, truth, prediction, side.owners)
    except (TaskError, ValueError) as error:  # answers of a form that we do not know are no mistake
        return Grade(OURS, note=word(error, MOST))
    name = f"{OURS} ({source.metric})"
    return Grade(name, own=value, replicates=tuple(round(float(number), 8) for number in spread))


def _truth(private: Path, source: Source, side: sides.Side) -> Array:
    """The answers in the order of the test table; raises TaskError where no table has them for just these rows."""
    for path in sorted(private.iterdir()):
        if not path.is_file() or tables.format_of(path) is None:
            continue
        table = tables.read(path, private)
        columns = _answers(table, source)
        order = _order(table, source, side) if columns else None
        if columns and order is not None:
            return _values(table, columns, order, source)
    raise TaskError("no table of the private answers has the ids and the targets of all test rows")


def _answers(table: Table, source: Source) -> tuple[str, ...]:
    """The columns of answers: the targets, else the columns of the sample."""
    choices = (source.target, source.prediction_columns)
    return next((found for found in choices if set(found) <= set(table.frame.columns)), ())


def _order(table: Table, source: Source, side: sides.Side) -> Array | None:
    """Where each test row stands among the answers; None where they are not the same rows."""
    wanted = len(side.keys)
    if not source.id:
        return np.arange(wanted) if len(table.frame) == wanted else None
    if not set(source.id) <= set(table.frame.columns):
        return None
    found, known = (
        ["\x1f".join(cells) for cells in zip(*(tables.texts(frame[name]) for name in source.id), strict=True)]
        for frame in (table.frame, side.keys)
    )
    if len(set(found)) < len(found):
        return np.arange(wanted) if found == known else None
    places = match(known, found)
    return None if (places < 0).any() else places


def _values(table: Table, columns: tuple[str, ...], order: Array, source: Source) -> Array:
    """True answers as `sides.truth` has them: class numbers, floats, or texts."""
    frame = table.frame.iloc[order].reset_index(drop=True)
    if columns != source.target and source.classes and len(columns) == len(source.classes):
        shares = frame[list(columns)].apply(lambda cells: tables.texts(cells).astype(float)).to_numpy()
        if not ((shares == shares.max(axis=1, keepdims=True)).sum(axis=1) == 1).all():
            raise TaskError("the private answers are shares of classes, not one class a row")
        return np.asarray(shares.argmax(axis=1))
    named = frame[list(columns)].set_axis(list(source.target), axis=1)
    if source.classes:
        known = match(tables.texts(named[source.target[0]]).tolist(), source.classes)
        if (known < 0).any():
            raise TaskError("the private answers have labels that no training row has")
        return known
    answers = Table(table.name, named, table.format)
    return sides.truth(replace(source, train=answers), np.arange(len(named)))
