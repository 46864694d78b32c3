"""Labels in the names of files or folders, and no table of training rows: the tables are made here (DESIGN.md §3).

The sample (or a test table) names the files to predict; other files of their kind are training rows, and a part of
their paths is the label (infer_labels). A training row is its file and its label: ids belong to test rows only, so
held rows always get fresh ones. As with a task.py, views hold no file that task.toml does not name: labels may be told
by any of them.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.records import Asset
from mlestar.tasks.filenames import by_bytes, listing
from mlestar.tasks.infer_assets import Kind, asset_of, kind_of
from mlestar.tasks.infer_files import FEWEST_ROWS, Files, Findings, description_file, heads, words
from mlestar.tasks.infer_labels import PLAIN, Asked, is_number, label_pattern, numbered
from mlestar.tasks.manifest import Manifest
from mlestar.tasks.names import placeholders
from mlestar.tasks.patterns import REST, home, read, reader
from mlestar.tasks.rowfiles import paths
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts
from mlestar.tasks.tables_text import decode

_READ = ("image", "audio", "text")
_ENOUGH = 0.95  # of the rows to predict: any may lack its file


@dataclass(frozen=True)
class _Tests:
    """The rows to predict: the pattern of their files, the table that lists them, and these files."""

    pattern: str
    table: Table
    files: frozenset[str]


def from_names(folder: Path, manifest: Manifest, say: Findings, sample: Table, test: Table | None) -> Files | None:
    """The tables of a folder that has none of training rows; None where nothing in it could be files of rows.

    Raises TaskError where it is not clear which files are rows, or which part of their names is the label.
    """
    told = manifest.assets
    names = [name for name in listing(folder) if told or _kind(name) in _READ]
    names = [name for name in names if "/" in name or _suffix(name).lower() != ".txt"]
    if not names:
        return None
    tests = _told_tests(told[0].test, names, sample, test) if told else _tests(manifest, names, sample, test)
    ids = [column for column in heads(tests.table) if column in sample.frame]
    asked = _asked(folder, manifest, sample, ids)
    if told:
        pattern = told[0].train
        mine = _told_training(pattern, set(names) - tests.files, ids, asked)
        say.evidence.append(f"label: in the paths {pattern}, as task.toml says")
    else:
        mine = _training(names, tests)
        pattern = label_pattern(mine, _common(mine), asked, tests.pattern, say)
    mine = [mine[place] for place in by_bytes(folder, mine)]
    column = next(c for c in (REST, "path", "train_file") if c not in (*ids, *heads(sample)))
    train = _train(pattern, mine, ids, column, bool(told))
    _number(train, asked, say)
    suffix = Counter(map(_suffix, mine)).most_common(1)[0][0]
    first = Asset(f"{home(pattern)}{{{column}}}", tests.pattern, suffix, kind_of(suffix))
    say.evidence.append(f"train: {len(mine)} files of {home(pattern) or 'this folder'}, in views as {train.name}")
    if test is None:
        say.evidence.append(f"test: the ids of {sample.name}, in views as {tests.table.name}")
    _tell_rest([name for name in names if _kind(name) == first.kind], {*mine, *tests.files}, say)
    more = tuple(asset_of(entry.train, entry.test) for entry in told[1:])
    for entry in more:
        if not {*names}.intersection(paths(entry.train, train.frame)):
            raise TaskError(
                f"task.toml: the pattern of training files {entry.train!r} is the path of no file of a training row; "
                f"it may name {', '.join(f'{{{name}}}' for name in train.frame.columns)}"
            )
    return Files(train, tests.table, sample, description_file(folder), made=True, assets=(first, *more))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1]


def _kind(name: str) -> Kind:
    suffix = _suffix(name).lower()
    return "other" if kind_of(suffix) == "text" and suffix != ".txt" else kind_of(suffix)


# --- the rows to predict ---------------------------------------------------------------------------------


def _tests(manifest: Manifest, names: list[str], sample: Table, test: Table | None) -> _Tests:
    """By the first column of the sample, or of the test table, whose cells name files of one folder."""
    table = test or sample
    for column in manifest.task.id or heads(table):
        found = _named(texts(table.frame[column]).tolist(), names) if column in table.frame else None
        if found is not None:
            place, suffix, files = found
            return _Tests(f"{place}{{{column}}}{suffix}", test or _listed(sample, [column]), files)
    first = ", ".join(f"{column} = {word(texts(table.frame[column]).iloc[0], 40)!r}" for column in heads(table)[:3])
    raise TaskError(
        f"there is nothing to train on but files ({len(names)} images, recordings, texts), and no column of "
        f"{table.name} (first row: {first}) names the files to predict, in one folder and all with the same ending. "
        'Add a table such as train.csv, or say in task.toml, below [[assets]], `train = "train/{label}/{file}"` and '
        '`test = "test/{id}.png"`'
    )


def _named(ids: list[str], names: list[str]) -> tuple[str, str, frozenset[str]] | None:
    """Folder, ending and files of these ids, which may be paths or have the ending; None where they name none."""
    known, depth = set(ids), ids[0].count("/")
    if len(known) < len(ids):
        return None
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        parts = name.split("/")
        tail = "/".join(parts[-1 - depth :])
        suffix = _suffix(tail)
        for ending in ("", suffix) if suffix else ("",):
            if len(parts) > depth and tail.removesuffix(ending) in known:
                found.setdefault((name.removesuffix(tail), ending), []).append(name)
                break
    good = [key for key, files in found.items() if len(files) >= _ENOUGH * len(ids) and not _speaks(key[0], "train")]
    good = [key for key in good if _speaks(key[0], "test")] or good
    return (*good[0], frozenset(found[good[0]])) if len(good) == 1 else None


def _speaks(path: str, side: str) -> bool:
    return any(each.startswith(side) for part in PurePosixPath(path).parts for each in words(part))


def _told_tests(pattern: str, names: list[str], sample: Table, test: Table | None) -> _Tests:
    """By the pattern that task.toml gives; its columns that no table has are read from the names of files."""
    table, columns = test or sample, placeholders(pattern)
    files = _matching(pattern, set(names))
    ids = [column for column in dict.fromkeys(columns) if column in table.frame]
    if not ids or not files:
        what = "is the path of no file" if ids else f"names no column of {table.name} ({', '.join(heads(table)[:6])})"
        raise TaskError(f"task.toml: the pattern of test files {pattern!r} {what}")
    if len(ids) == len(set(columns)):
        return _Tests(pattern, test or _listed(sample, ids), frozenset(files))
    seen = pd.DataFrame(read(pattern, files), columns=list(reader(pattern)[1]), dtype="str")
    asked = test.frame if test else _listed(sample, ids).frame
    if seen[ids].duplicated().any() or len(asked.merge(seen[ids], on=ids)) < len(asked):
        raise TaskError(f"task.toml: not every row of {table.name} has one file {pattern!r}, by {', '.join(ids)}")
    return _Tests(pattern, Table("test.csv", asked.merge(seen, on=ids, how="left"), "csv"), frozenset(files))


def _listed(sample: Table, ids: list[str]) -> Table:
    return Table("test.csv", pd.DataFrame({column: texts(sample.frame[column]) for column in ids}), "csv")


# --- the training rows -----------------------------------------------------------------------------------


def _asked(folder: Path, manifest: Manifest, sample: Table, ids: list[str]) -> Asked:
    answers = tuple(column for column in heads(sample) if column not in ids and column not in (manifest.task.id or ()))
    label = (*manifest.task.target, *(answers if len(answers) == 1 else ("label",)))[0]
    label = "label" if set("{}") & set(label) else label
    values = frozenset(texts(sample.frame[answers[0]])) if len(answers) == 1 else frozenset()
    file = description_file(folder)
    return Asked(label, answers, values, decode((folder / file).read_bytes(), file)[0] if file else "")


def _matching(pattern: str, names: set[str]) -> list[str]:
    told = sorted(names)
    return [name for name, cells in zip(told, read(pattern, told), strict=True) if cells is not None]


def _told_training(pattern: str, names: set[str], ids: list[str], asked: Asked) -> list[str]:
    """The files of the pattern that task.toml gives, which must tell their label."""
    named = set(placeholders(pattern)) - {REST, *ids}
    if not (asked.label in named if len(asked.answers) == 1 else named):
        raise TaskError(
            f"there is no table of training rows, and in task.toml the pattern of their files {pattern!r} does not "
            f"tell their label: write {{{asked.label}}} in its place, such as train/{{{asked.label}}}/{{{REST}}}"
        )
    mine = _matching(pattern, names)
    if not mine:
        raise TaskError(f"task.toml: the pattern of training files {pattern!r} is the path of no file")
    return mine


def _training(names: list[str], tests: _Tests) -> list[str]:
    """Files of the test files' kind that lie elsewhere: below a folder called train, if there is one."""
    kind = Counter(map(_kind, tests.files)).most_common(1)[0][0]
    parts = PurePosixPath(home(tests.pattern)).parts
    depth = next((place + 1 for place, part in enumerate(parts) if _speaks(part, "test")), 0)
    place = "".join(f"{part}/" for part in parts[:depth])
    mine = [n for n in names if _kind(n) == kind and n not in tests.files and not (depth and n.startswith(place))]
    places = {place for place in set(map(os.path.dirname, mine)) if _speaks(place, "train")}
    mine = [name for name in mine if os.path.dirname(name) in places] or mine
    if len(mine) >= FEWEST_ROWS:
        return mine
    raise TaskError(
        f"there is no table of training rows, and {len(mine)} {kind} files beside those to predict ({tests.pattern}): "
        "put training files in a folder for each label, such as train/<label>/, or add a table such as train.csv"
    )


def _common(names: list[str]) -> str:
    """The deepest folder that holds all files, with a closing slash."""
    found = os.path.commonpath([os.path.dirname(name) for name in (min(names), max(names))])
    return f"{found}/" if found else ""


def _train(pattern: str, mine: list[str], ids: list[str], column: str, told: bool) -> Table:
    """A row for each file: where it is, and what its path tells; parts that nobody named are left out."""
    cells = pd.DataFrame(read(pattern, mine), columns=list(reader(pattern)[1]), dtype="str")
    kept = [c for c in map(str, cells) if c not in (REST, *ids) and (told or not PLAIN.fullmatch(c))]
    below = pd.Series([name[len(home(pattern)) :] for name in mine], dtype="str")
    return Table("train.csv", pd.DataFrame({column: below, **{c: cells[c] for c in kept}}), "csv")


def _number(train: Table, asked: Asked, say: Findings) -> None:
    """Put numbers in place of labels where the sample asks for them; TaskError where nothing tells which they are."""
    if asked.label not in train.frame or not asked.wants_numbers():
        return
    labels = sorted(set(train.frame[asked.label]))
    numbers = numbered(labels, asked)
    if numbers:
        train.frame[asked.label] = train.frame[asked.label].map(numbers).astype("str")
        told = ", ".join(f"{number} for {word(label, 40)!r}" for label, number in numbers.items())
        say.evidence.append(f"the sample has numbers for labels: {told}, as the description or the column's name says")
    elif not any(is_number(label) for label in labels):
        chance = len(labels) == 2 and any("." in value for value in asked.values)
        told = (
            f"the sample has numbers in {asked.label!r}, and the labels are {', '.join(map(repr, labels[:6]))}; write "
            f"into the description which number stands for which, such as `1 = {word(labels[-1], 40)}`"
        )
        if not chance:
            raise TaskError(told)
        say.warnings.append(f"{told}; until then the probability is that of {word(labels[-1], 40)!r}")


def _tell_rest(names: list[str], used: set[str], say: Findings) -> None:
    left = [name for name in names if name not in used]
    if left:
        places = sorted({f"{os.path.dirname(name) or '.'}/" for name in left})
        say.warnings.append(
            f"{len(left)} more such files are in no view, as they could tell labels: below {', '.join(places[:6])}"
            + (" …" if len(places) > 6 else "")
        )
