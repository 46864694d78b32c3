"""The judge: what a job's folder is worth. A bad submission is a reason; a mistake of ours is an exception."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar import votes
from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.records import Judged, Member
from mlestar.tasks.metrics import Metric, replicates, score
from mlestar.tasks.metrics.formulas import chosen
from mlestar.tasks.metrics.ways import FEWEST_OWNERS
from mlestar.tasks.source import Table
from mlestar.tasks.submission import SUBMISSION, Form, Members, read_members, read_rows, read_submission

__all__ = ["Form", "Members", "deliver", "judge_folder", "read_members", "read_submission"]

Array = NDArray[Any]
MOST_REASON, MOST_NOTES = 500, 50  # characters; what a script wrote is told in them
AGREEMENT = 0.99  # of the labels, before the soft form of a submission is believed


def judge_folder(
    folder: Path,
    form: Form,
    truth: Array | None,
    owners: Array,
    metric: Metric,
    seed: int,
    save: Callable[[bytes], str],
    read: Callable[[Path, Form], Array | str] = read_submission,
    kept: Array | None = None,
) -> Judged:
    """Judge the submission and the members that a job left in `folder`.

    `truth` and `owners` (rows,) are in the row order of the view's test table; without truth only
    validity is judged. Arrays go through `save` as bytes (`votes.packed`), `members[0]` being the submission itself;
    where rows are `kept`, only those.
    """
    prediction = read(folder, form)
    if isinstance(prediction, str):
        return Judged(reason=word(prediction, MOST_REASON), rows=form.rows)
    complaint = metric.complaint(prediction) if form.predicts in ("value", "probability") else None
    if complaint:
        return Judged(reason=word(complaint, MOST_REASON), rows=form.rows)
    if truth is None:
        return Judged(reason=None, rows=form.rows)
    members, notes = _members(
        folder,
        form,
        prediction,
        truth,
        metric,
        lambda array: save(votes.packed(array if kept is None else array[kept])),
    )
    return Judged(
        reason=None,
        value=score(metric, truth, prediction),
        rows=form.rows,
        replicates=tuple(replicates(metric, truth, prediction, owners, seed=seed).tolist()),
        groups=_groups(metric, truth, prediction, owners),
        members=members,
        notes=tuple(word(note, MOST_REASON) for note in notes[:MOST_NOTES]),
    )


def _groups(metric: Metric, truth: Array, prediction: Array, owners: Array) -> tuple[tuple[str, float], ...]:
    """The metric per owner where owners are too few to bootstrap; one on which it is undefined is left out."""
    names, owner = np.unique(np.asarray(owners), return_inverse=True)
    if len(names) >= FEWEST_OWNERS:
        return ()
    found = []
    for number, name in enumerate(names):
        rows = owner.reshape(-1) == number
        try:
            found.append((str(name), score(metric, truth[rows], prediction[rows])))
        except TaskError:
            continue
    return tuple(found)


def _members(
    folder: Path, form: Form, prediction: Array, truth: Array, metric: Metric, save: Callable[[Array], str]
) -> tuple[tuple[Member, ...], tuple[str, ...]]:
    """The submission and the script's other members, scored and saved; and which were skipped and why."""
    read = read_members(folder, form)
    sound: dict[str, Array] = {}
    notes = list(read.skipped)
    for name, array in read.arrays.items():
        complaint = None if form.predicts == "text" else metric.complaint(array)
        if complaint:
            notes.append(f"member {name!r}: {complaint}")
        elif name == SUBMISSION and not agrees(array, prediction, form):
            notes.append(f"member {name!r} is not what was submitted; the submitted values stand in")
        else:
            sound[name] = array
    sound = {SUBMISSION: sound.pop(SUBMISSION, prediction), **sound}
    return tuple(Member(name, score(metric, truth, array), save(array)) for name, array in sound.items()), tuple(notes)


def agrees(soft: Array, prediction: Array, form: Form) -> bool:
    """Whether the soft form says what was submitted: the same values, or 99 % of the labels or texts."""
    if form.predicts in ("label", "ranking"):
        return bool((chosen(soft) == chosen(prediction)).mean() >= AGREEMENT)
    if form.predicts == "text":
        return bool((soft == prediction).mean() >= AGREEMENT)
    return bool(np.allclose(soft, prediction, rtol=1e-4, atol=1e-6))


def deliver(folder: Path, form: Form, sample: Table) -> bytes:
    """The user's submission file from a job's: the sample's columns and rows in its order.

    Ids and echo columns are the sample's cells, predicted columns are as the script wrote them.
    Raises ValueError when the job's submission is not a valid one.
    """
    rows = read_rows(folder, form)
    if isinstance(rows, str):
        raise ValueError(f"not a valid submission: {rows}")
    frame = sample.frame[list(form.columns)].astype(str)
    if form.id_columns:
        rows = rows.iloc[_sample_order(frame, form)]
    cells = {column: rows[column] if column in form.output_columns else frame[column] for column in form.columns}
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sample.separator, lineterminator="\n")
    writer.writerow(form.columns)
    writer.writerows(zip(*(list(cells[c]) for c in form.columns), strict=True))
    return text.getvalue().encode()


def _sample_order(frame: pd.DataFrame, form: Form) -> list[int]:
    """Where each row of the sample stands in the view's test table."""
    wanted = list(zip(*(frame[column] for column in form.id_columns), strict=True))
    keys = list(zip(*form.ids, strict=True))
    places = {key: place for place, key in enumerate(keys)}
    if wanted == keys or len(places) < len(keys):
        return list(range(form.rows))
    return [places[key] for key in wanted]
