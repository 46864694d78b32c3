"""Files that belong to rows, and what else lies in the folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from mlestar.errors import TaskError
from mlestar.records import Asset
from mlestar.tasks.infer_columns import Columns
from mlestar.tasks.infer_files import Files, Findings, heads
from mlestar.tasks.manifest import Manifest
from mlestar.tasks.others import OURS, everything
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts

_PROBES = 12  # rows whose names are looked for before all rows are checked
_ENOUGH = 0.95
_SOME = 0.7  # of the probes: any row may lack its file, and a few weigh much among so few
Kind = Literal["text", "image", "audio", "table", "other"]
_KINDS: dict[str, Kind] = {
    **dict.fromkeys((".txt", ".xyz", ".md", ".xml", ".html", ".cif", ".pdb", ".log", ".json"), "text"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm"), "image"),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg", ".aif", ".aiff", ".m4a"), "audio"),
    **dict.fromkeys((".csv", ".tsv", ".parquet", ".npy", ".npz", ".feather"), "table"),
}


@dataclass(frozen=True)
class Found:
    """Row files, and names below the folder that only training rows have, and all others."""

    assets: tuple[Asset, ...]
    train_only: tuple[str, ...]
    other: tuple[str, ...]


def assets(folder: Path, manifest: Manifest, files: Files, test: Table, columns: Columns, say: Findings) -> Found:
    """Find the files of rows: `train/<id>.png`, `train/<id>/geometry.xyz`, a column of file names.

    Where the tables were made, only what their maker or task.toml names counts: any other file may tell labels.
    """
    told = files.assets or tuple(asset_of(entry.train, entry.test) for entry in manifest.assets)
    found = told if told or files.made else _paired(folder, files.train, test, columns)
    for asset in found:
        said = " as task.toml says" if manifest.assets else ""
        say.evidence.append(f"row files: {asset.train} for training rows, {asset.test} for test rows{said}")
    if files.made:
        return Found(found, (), _shared(folder, manifest, say))
    tables = {t.name for t in (files.train, files.test, files.sample) if t}
    known = {*tables, *files.parts, files.description_file, *OURS}
    used = {PurePosixPath(pattern).parts[0] for asset in found for pattern in (asset.train, asset.test)}
    names = [p.name for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
    rest = [name for name in names if name not in known | used]
    rest = [name for name in rest if not any(table.startswith(f"{name}/") for table in tables)]
    alone = [name for name in rest if _train_only(name, names)]
    return Found(found, tuple(alone), tuple(name for name in rest if name not in alone))


def _shared(folder: Path, manifest: Manifest, say: Findings) -> tuple[str, ...]:
    """The files that every view of a task whose tables were made has, as they are."""
    names = [name for name in everything(folder) if name not in OURS]
    found: dict[str, None] = {}
    for said in manifest.task.shared:
        inside = [name for name in names if name == said or name.startswith(f"{said.rstrip('/')}/")]
        if not inside:
            raise TaskError(f"task.toml says shared = {said!r}, which is no file or folder with files in {folder}")
        found |= dict.fromkeys(inside)
        say.evidence.append(
            f"{said}: in every view as it is, as task.toml says; it must not tell a training row's answer"
        )
    return tuple(found)


def kind_of(suffix: str) -> Kind:
    """What files with this ending are."""
    return _KINDS.get(suffix.lower(), "other")


def asset_of(train: str, test: str) -> Asset:
    """The files of rows by these patterns."""
    suffix = PurePosixPath(train).suffix
    suffix = "" if "}" in suffix else suffix
    return Asset(train, test, suffix, kind_of(suffix))


def _train_only(name: str, names: list[str]) -> bool:
    """A name that begins with train and has no twin that begins with test: `train_cleaned`."""
    rest = re.sub(r"^train(ing)?", "", name.lower())
    return name.lower().startswith("train") and not {f"test{rest}", f"testing{rest}"} & {n.lower() for n in names}


def _paired(folder: Path, train: Table, test: Table, columns: Columns) -> tuple[Asset, ...]:
    """Patterns that hold for both sides, in a folder each or in one that they share."""
    found: dict[tuple[str, str], Asset] = {}
    shared = [c for c in heads(train) if c in test.frame and c not in columns.target]
    listed = _listing(folder)
    for column in sorted(shared, key=lambda c: c not in columns.id):
        left, right = texts(train.frame[column]).tolist(), texts(test.frame[column]).tolist()
        if len(set(right)) < len(right) * _ENOUGH or max(map(len, left[:50])) > 200:
            continue
        mine, theirs = _patterns(folder, listed, column, left), _patterns(folder, listed, column, right)
        for tail in dict.fromkeys(t for _, t in mine):
            a = _best([place for place, t in mine if t == tail], "train")
            b = _best([place for place, t in theirs if t == tail], "test")
            if a is not None and b is not None:
                key = (a + tail, b + tail)
                suffix = PurePosixPath(right[0] if tail == f"{{{column}}}" else tail).suffix
                found[key] = Asset(*key, suffix, kind_of(suffix))
        if found:
            break
    return tuple(found.values())


def _best(places: list[str], side: str) -> str | None:
    """The folder whose name speaks of the side; else one that speaks of neither."""
    other = "test" if side == "train" else "train"
    ranked = sorted(places, key=lambda place: (side not in place.lower(), other in place.lower(), place))
    return ranked[0] if ranked and (side in ranked[0].lower() or other not in ranked[0].lower()) else None


def _listing(folder: Path) -> dict[str, list[str]]:
    """Entry names of the folders below `folder`, two levels deep, keyed by path with a closing slash."""
    listed: dict[str, list[str]] = {"": os.listdir(folder)}
    for first in sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith(".")):
        with os.scandir(folder / first) as entries:
            below = [(entry.name, entry.is_dir()) for entry in entries]
        listed[f"{first}/"] = [name for name, _ in below]
        folders = [name for name, is_folder in below if is_folder]
        if len(folders) <= 8:  # more are one per row, or one per class
            listed |= {f"{first}/{name}/": os.listdir(folder / first / name) for name in folders}
    return listed


def _patterns(folder: Path, listed: dict[str, list[str]], column: str, values: list[str]) -> list[tuple[str, str]]:
    """(folder, pattern below it) for all patterns that nearly all rows have."""
    found = []
    mark = f"{{{column}}}"
    for place, names in listed.items():
        if len(names) < len(values) * _ENOUGH:
            continue
        seen: Counter[str] = Counter()
        for value in dict.fromkeys(values[:_PROBES]):
            if value:
                seen.update({name.replace(value, mark, 1) for name in names if value in name})
        present = set(names)
        for pattern, count in seen.items():
            if count < _SOME * min(_PROBES, len(values)):
                continue
            hits = sum(pattern.replace(mark, value) in present for value in values)
            if hits >= _ENOUGH * len(values):
                found += [(place, tail) for tail in _inside(folder / place, pattern, mark, values)]
    return found


def _inside(place: Path, pattern: str, mark: str, values: list[str]) -> list[str]:
    """The pattern itself, or for a folder per row the files that each of them holds."""
    rows = [place / pattern.replace(mark, value) for value in values[:_PROBES]]
    if not all(row.is_dir() for row in rows if row.exists()):
        return [pattern]
    held = Counter(name for row in rows if row.exists() for name in os.listdir(row))
    return [f"{pattern}/{name}" for name, count in sorted(held.items()) if count >= _ENOUGH * len(rows)]
