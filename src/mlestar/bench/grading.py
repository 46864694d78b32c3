"""What a submission is worth on the test: by the tasks' grader, asked once, and by mle-star's metric on the answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlestar.bench.competitors import SUBMISSION, given
from mlestar.bench.discovery import MEDALS
from mlestar.bench.discovery import SUBMISSION as PLACEHOLDER
from mlestar.bench.handing import asked, real
from mlestar.bench.records import OURS, BenchTask, Grade
from mlestar.errors import Interrupted, MleStarError, TaskError, UsageError
from mlestar.executors import command
from mlestar.plain import word
from mlestar.ports import Array, Serve
from mlestar.tasks import judge, sides, tables
from mlestar.tasks.matching import match
from mlestar.tasks.source import Source, Table

LONGEST = 3600.0  # seconds that a grader may take
MOST = 400  # characters of what it says
GIVEN = ("PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "LANG")  # for mlebench: its programs, and its cache
CLOSE = {"rel_tol": 1e-3, "abs_tol": 1e-4}  # within which two ways to compute one metric agree; graders round


@dataclass(frozen=True)
class Means:
    """What grading needs of the bench: `source` understands the task, `serve` runs a metric of the task's own, and
    `asking` is called immediately before a grader.
    """

    source: Callable[[], Source]
    serve: Serve
    asking: Callable[[], None]
    stopped: Callable[[], bool]


def grade(task: BenchTask, folder: Path, means: Means) -> Grade:
    """Grade `folder`/submission.csv."""
    mine = _measured(task, folder, means)
    if not task.grader:
        found = replace(mine, score=mine.own, error=mine.note if mine.own is None else "")
    else:
        found = _asked(task, folder, mine, means)
    if found.score is not None and not found.medal:
        found = replace(found, medal=_medal(task, found.score))
    return found


def _asked(task: BenchTask, folder: Path, mine: Grade, means: Means) -> Grade:
    """What the grader says, beside our own measurement where the two agree."""
    log = folder / "grade.log"
    argv = [part.replace(PLACEHOLDER, str((folder / SUBMISSION).resolve())) for part in task.grader]
    if means.stopped():
        raise Interrupted("stopped")
    means.asking()
    ended = command.call(argv, folder, log, given(*GIVEN), LONGEST, means.stopped)
    said = _answer(log.read_text(encoding="utf-8", errors="replace"))
    score = said.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        why = said.get("error") or command.last_line(log) or f"it ended with status {ended.code}"
        return Grade(task.by, error=f"no score: {word(why, MOST)}")
    found = Grade(task.by, float(score), _told_medal(said), own=mine.own, replicates=mine.replicates, note=mine.note)
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


def _medal(task: BenchTask, score: float) -> str:
    sign = 1 if task.direction == "max" else -1
    return next((name for name, limit in task.thresholds if sign * score >= sign * limit), "")


# --- mle-star's own metric on the private answers -----------------------------------------------------


def _measured(task: BenchTask, folder: Path, means: Means) -> Grade:
    """Our metric and its resamples, or in `note` why there are none."""
    try:
        source = means.source()
        side = real(source)
        truth = _truth(task.private, source, side)
        metric = sides.metric(sides.found_metric(source, means.serve), source, side)
        found = judge.judge_folder(folder, asked(source), truth, side.owners, metric, 0, lambda array: "")
    except (UsageError, ValueError) as error:  # answers of a form that we do not know are no mistake, nor is no wall
        return Grade(OURS, note=word(error, MOST))
    except MleStarError:
        raise
    except Exception as error:  # a grader can still be asked
        return Grade(OURS, note=inside(error))
    if found.reason is not None:
        return Grade(OURS, note=word(found.reason, MOST))
    name = f"{OURS} ({source.metric})"
    return Grade(name, own=found.value, replicates=tuple(round(number, 8) for number in found.replicates))


def inside(error: Exception) -> str:
    """A mistake of ours, as a reason: a bench of days goes on past it, and shows it."""
    return word(f"inside mle-star: {type(error).__name__}: {error}", MOST)


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
