"""Understand a task folder: what it asks for, with the evidence for each conclusion (DESIGN.md §3)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from mlestar.errors import TaskError
from mlestar.ports import Serve
from mlestar.tasks import own
from mlestar.tasks.infer_assets import assets
from mlestar.tasks.infer_columns import Columns, cells, columns
from mlestar.tasks.infer_files import Files, Findings, find, heads
from mlestar.tasks.infer_metric import Form, form
from mlestar.tasks.infer_pixels import pixels
from mlestar.tasks.infer_series import Scale, Series, scale, series
from mlestar.tasks.infer_split import split
from mlestar.tasks.manifest import Manifest, TaskEntry, read_manifest
from mlestar.tasks.source import Source, Table
from mlestar.tasks.tables_text import decode

_FEWEST_ROWS = 10


def understand(folder: Path, made: Path | None = None) -> Source:
    """Read a task folder and infer all that its `task.toml` does not say.

    `made` is where the tables lie that its task.py made, if it has one (own.make).
    Where no table lists the rows to predict, `test` is the sample's file with its id columns only.
    Raises TaskError with one message that says what is wrong and how to mend it.
    """
    try:
        return _understand(folder, made)
    except OSError as error:
        raise TaskError(f"{folder}: {error.filename or 'a file'} cannot be read: {error.strerror or error}") from None


def understand_made(folder: Path, serve: Serve, data: Path | None = None) -> Source:
    """As `understand`, with the tables that its task.py makes, if it has one: made now (own.make), and not kept."""
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
        own.make(folder, Path(scratch) / "tables", serve, data)
        return understand(folder, Path(scratch) / "tables")


def _understand(folder: Path, made: Path | None) -> Source:
    manifest = read_manifest(folder)
    if not own.is_own(folder, manifest.task):
        return _read(folder, manifest, None)
    try:
        return _read(folder, manifest, lambda say: own.find(folder, made, manifest.task, say))
    except TaskError as error:
        raise TaskError(f"with the tables of {own.NAME}: {error}") from None


def _read(folder: Path, manifest: Manifest, made: Callable[[Findings], Files] | None) -> Source:
    entry, say = manifest.task, Findings()
    images = pixels(folder, manifest, say) if made is None and entry.kind in (None, "pixels") else None
    if images is not None:
        return images
    files = made(say) if made else find(folder, entry, say)
    if len(files.train.frame) < _FEWEST_ROWS:
        raise TaskError(
            f"{files.train.name} has {len(files.train.frame)} rows; at least {_FEWEST_ROWS} are needed for five folds"
        )
    description = _description(folder, files, say)
    parts = columns(files, entry, say)
    test = files.test or _listed(files.sample, parts)
    judged = form(files, parts, description, entry, say)
    found = assets(folder, manifest, files, test, parts, made is not None, say)
    _check_features(files, test, parts, bool(found.assets))
    going_on, told = _series(files.train, test, parts, judged, entry)
    cut = split(files.train, test, parts, judged.predicts, bool(judged.classes), description, entry, say, told)
    scaled = scale(going_on, files.train, judged.metric, description, entry, say) if going_on else Scale()
    only = tuple(c for c in heads(files.train) if c not in test.frame and c not in (*parts.target, *parts.id))
    _warn_columns(files, test, parts, only, say)
    return Source(
        folder=folder,
        kind="custom" if made else entry.kind or ("forecast" if cut == "horizon" else "table"),
        description=description,
        train=files.train,
        test=test,
        sample=files.sample,
        id=parts.id,
        target=parts.target,
        predicts=judged.predicts,
        prediction_columns=parts.prediction,
        echo_columns=parts.echo,
        classes=judged.classes,
        metric=judged.metric,
        direction=judged.direction,
        split=cut,
        assets=found.assets,
        train_only=(*only, *found.train_only),
        other_files=found.other,
        evidence=tuple(say.evidence),
        warnings=tuple(say.warnings),
        settings=manifest.settings(),
        series=going_on.keys if going_on and cut == "horizon" else (),
        time=going_on.time if going_on and cut == "horizon" else "",
        season=scaled.season,
        reference=scaled.reference,
    )


def _series(train: Table, test: Table, parts: Columns, judged: Form, entry: TaskEntry) -> tuple[Series | None, str]:
    """The series that the test continues, and that in words; labels along time are no forecast of one series."""
    if entry.kind not in (None, "forecast") or entry.split not in (None, "horizon"):
        return None, ""
    found = series(train, test, parts, entry)
    if found is None or not (found.keys or judged.predicts == "value"):
        return None, ""
    of = f"each series of {', '.join(map(repr, found.keys))}" if found.keys else "the one series"
    return found, f"the test continues {of} in {found.time!r}"


def _description(folder: Path, files: Files, say: Findings) -> str:
    if not files.description_file:
        say.warnings.append("there is no description.md: the metric and the meaning of columns are guessed")
        return ""
    text, _ = decode((folder / files.description_file).read_bytes(), files.description_file)
    return text


def _listed(sample: Table, parts: Columns) -> Table:
    frame = sample.frame[list(parts.id)]
    return Table(sample.name, frame, sample.format, sample.separator, sample.encoding)


def _check_features(files: Files, test: Table, parts: Columns, row_files: bool) -> None:
    shared = [c for c in heads(files.train) if c in test.frame and c not in (*parts.id, *parts.target)]
    if not shared and not row_files and files.test is None:
        raise TaskError(
            f"{files.train.name} has only ids and targets, and no files named by {', '.join(parts.id)} were found for "
            "its rows: add a test table, or say where the rows' files are with [[assets]] in task.toml"
        )
    if not shared and not row_files and not parts.id:
        raise TaskError(f"{files.train.name} and {test.name} share no column: nothing to learn from")


def _warn_columns(files: Files, test: Table, parts: Columns, only: tuple[str, ...], say: Findings) -> None:
    if only:
        say.warnings.append(f"columns that only training rows have, so no feature: {', '.join(map(repr, only))}")
    unknown = [c for c in heads(test) if c not in files.train.frame and c not in parts.id]
    if unknown:
        say.warnings.append(f"columns that only test rows have: {', '.join(map(repr, unknown))}")
    for column in parts.id:
        if column in files.train.frame:
            both = set(cells(files.train, column)) & set(cells(test, column))
            if both:
                say.warnings.append(
                    f"{len(both)} ids occur both in train and in test (first {min(both)!r}): they name different rows"
                )
        else:
            say.evidence.append(f"only test rows have the id {column!r}")
