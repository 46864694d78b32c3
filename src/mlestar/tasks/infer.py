"""Understand a task folder: what it asks for, with the evidence for each conclusion (DESIGN.md §3)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlestar.errors import TaskError
from mlestar.ports import Serve
from mlestar.records import Asset
from mlestar.tasks import own
from mlestar.tasks.days import day_first
from mlestar.tasks.infer_assets import assets
from mlestar.tasks.infer_columns import Columns, cells, columns
from mlestar.tasks.infer_copies import copies
from mlestar.tasks.infer_files import FEWEST_ROWS, Files, Findings, heads
from mlestar.tasks.infer_folders import from_names
from mlestar.tasks.infer_metric import Form, form
from mlestar.tasks.infer_parts import find
from mlestar.tasks.infer_pixels import pixels
from mlestar.tasks.infer_series import Scale, Series, scale, series
from mlestar.tasks.infer_split import is_dates, split
from mlestar.tasks.manifest import Manifest, TaskEntry, read_manifest
from mlestar.tasks.names import placeholders
from mlestar.tasks.numerals import decimal_commas
from mlestar.tasks.source import Source, Table
from mlestar.tasks.tables_text import decode


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
        return _without_shared(images, entry)
    files = made(say) if made else find(folder, entry, say, partial(from_names, folder, manifest, say))
    if len(files.train.frame) < FEWEST_ROWS:
        raise TaskError(
            f"{files.train.name} has {len(files.train.frame)} rows; at least {FEWEST_ROWS} are needed for five folds"
        )
    source = _source(folder, manifest, files, say, custom=made is not None)
    return source if source.made else _without_shared(source, entry)


def _source(folder: Path, manifest: Manifest, files: Files, say: Findings, custom: bool) -> Source:
    """What follows from the tables."""
    entry, description = manifest.task, _description(folder, files, say)
    parts = columns(files, entry, say)
    test = files.test or _listed(files.sample, parts)
    commas, doubtful = decimal_commas([files.train, test], parts.id, parts.target)
    days, open_dates = day_first([files.train, test], parts.target)
    files, test = replace(files, train=replace(files.train, day_first=days)), replace(test, day_first=days)
    judged = form(files, parts, description, entry, say, commas)
    if not files.made:
        files = replace(files, parts=(*files.parts, *copies(folder, files, parts, test, say)))
    found = assets(folder, manifest, files, test, parts, say)
    going_on, told = _series(files.train, test, parts, judged, entry)
    if not (going_on or found.assets):
        _check_features(files, test, parts, say)
    cut = split(files.train, test, parts, judged.predicts, bool(judged.classes), description, entry, say, told)
    scaled = scale(going_on, files.train, judged.metric, description, entry, say) if going_on else Scale()
    only = _train_only(files.train, test, parts, found.assets)
    labels = parts.target if judged.classes or judged.predicts == "text" else ()
    apart = {*labels, *(c for asset in found.assets for c in placeholders(asset.train))}
    commas = tuple(c for c in commas if c not in apart)
    marked = {"numbers with decimal commas": commas, "dates with the day first": days}
    say.evidence += [f"{what}: {', '.join(map(repr, names))}" for what, names in marked.items() if names]
    say.warnings += (*doubtful, *open_dates)
    _warn_columns(files, test, parts, only, say)
    return Source(
        folder=folder,
        kind="custom" if custom else entry.kind or ("forecast" if cut == "horizon" else "table"),
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
        made=files.made,
        parts=files.parts,
        settings=manifest.settings(),
        series=going_on.keys if going_on and cut == "horizon" else (),
        time=going_on.time if going_on and cut == "horizon" else "",
        season=scaled.season,
        reference=scaled.reference,
        commas=commas,
    )


def _without_shared(source: Source, entry: TaskEntry) -> Source:
    if entry.shared:
        raise TaskError(f"task.toml says `shared`, which is for folders with a {own.NAME}, or with labels in the names "
                        "of files; elsewhere all files are shared")  # fmt: skip
    return source


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


def _check_features(files: Files, test: Table, parts: Columns, say: Findings) -> None:
    """Of rows without files: that something is known of them."""
    if any(c in test.frame and c not in (*parts.id, *parts.target) for c in heads(files.train)):
        return
    ids = ", ".join(parts.id)
    if files.test is None:
        raise TaskError(
            f"of the rows to predict only {ids} is known: there is no table of them, and no files named by it were "
            "found: add a test table, or say where the rows' files are with [[assets]] in task.toml"
        )
    if not ids:
        raise TaskError(f"{files.train.name} and {test.name} share no column: nothing to learn from")
    if len(parts.id) == 1 and not is_dates(files.train, ids):
        say.warnings.append(f"{files.train.name} and {test.name} share no column but the id {ids!r}: what is known of "
                            "the rows must be in other files")  # fmt: skip


def _train_only(train: Table, test: Table, parts: Columns, assets: tuple[Asset, ...]) -> tuple[str, ...]:
    """Columns that only training rows have; not those that say where their files are."""
    naming = {column for asset in assets for column in placeholders(asset.train)}
    return tuple(c for c in heads(train) if c not in {*test.frame, *parts.target, *parts.id, *naming})


def _warn_columns(files: Files, test: Table, parts: Columns, only: tuple[str, ...], say: Findings) -> None:
    if only:
        say.warnings.append(f"columns that only training rows have, so no feature: {', '.join(map(repr, only))}")
    unknown = [c for c in heads(test) if c not in files.train.frame and c not in parts.id]
    if unknown:
        say.warnings.append(f"columns that only test rows have: {', '.join(map(repr, unknown))}")
    say.evidence += [f"only test rows have the id {c!r}" for c in parts.id if c not in files.train.frame]
    if parts.id and {*parts.id} <= {*files.train.frame}:
        mine, theirs = (set(zip(*(cells(t, c) for c in parts.id), strict=True)) for t in (files.train, test))
        if both := mine & theirs:
            first = ", ".join(min(both))
            say.warnings.append(
                f"{len(both)} ids occur both in train and in test (first {first!r}): they name different rows"
            )
