"""Which file of a task folder is what: description, train, test, sample."""

from __future__ import annotations

import contextlib
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, Never

from mlestar.errors import TaskError
from mlestar.records import Asset
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.source import Table
from mlestar.tasks.tables import format_of, read, stem

Part = Literal["train", "test", "sample", "other"]
_DESCRIPTIONS = ("description.md", "description.txt", "readme.md", "readme.txt", "readme", "overview.md", "task.md")
FEWEST_ROWS = 10  # to train on: five folds of two
_CROWD = 20  # a folder with more table files than this holds files of rows


@dataclass
class Findings:
    """What inference says as it goes: evidence for each conclusion, and warnings."""

    evidence: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Files:
    """The tables of a task. `test` is None when no table lists the rows to predict but the sample.

    `made`: not all of them are files of the folder; `assets` are then the files of rows that their maker knows.
    `parts`: the files that the tables were put together from, which no view has.
    """

    train: Table
    test: Table | None
    sample: Table
    description_file: str
    made: bool = False
    assets: tuple[Asset, ...] = ()
    parts: tuple[str, ...] = ()


def heads(table: Table) -> list[str]:
    """The column names of a table."""
    return [str(column) for column in table.frame.columns]


def words(name: str) -> list[str]:
    """`trainLabels_v2` -> train, labels, v, 2: the words of a name, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]


def part_of(name: str) -> Part:
    """What a table file is, by the words of its name."""
    found = words(stem(name))
    if any(word.startswith(("sample", "submission", "submit")) for word in found):
        return "sample"
    if any(word.startswith("test") or word in ("evaluation", "holdout", "unlabeled", "unlabelled") for word in found):
        return "test"
    if any(word.startswith("train") or word in ("labels", "labelled", "labeled") for word in found):
        return "train"
    return "other"


def no_task(place: Path) -> TaskError:
    """What is wrong with a place that is no folder, and what to do."""
    if place.is_file():
        return TaskError(f"{place} is a table, not a task: `mle-star new {shlex.quote(str(place))} --target COLUMN` "
                         "makes a task folder of it")  # fmt: skip
    return TaskError(f"{place}: there is no such task folder; it holds a description, train, test and a sample")


def completed(
    folder: Path, train: Table, test: Table | None, sample: Table | None, entry: TaskEntry, say: Findings
) -> Files:
    """The tables of a task of which some are known; raises TaskError when the folder lacks the others."""
    paths = tables_in(folder)
    sample = sample or sample_of(folder, entry, say)
    return Files(train, test or test_in(folder, paths, entry, sample, say), sample, description_file(folder), made=True)


def sample_of(folder: Path, entry: TaskEntry, say: Findings) -> Table:
    """The sample submission alone; raises TaskError where there is none, or two could be meant."""
    found = sample_in(folder, tables_in(folder), entry, say)
    if found is None:
        raise no_sample(folder)
    return found


def no_sample(folder: Path) -> TaskError:
    """What is wrong where nothing tells what is to be handed in."""
    return TaskError(
        f"{folder} has no sample submission (a table such as sample_submission.csv that shows what to hand in); "
        "add one, or name the target with `target =` below [task] in task.toml"
    )


def description_file(folder: Path) -> str:
    """The name of the file that describes the task, `` when there is none."""
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    for wanted in _DESCRIPTIONS:
        for name in files:
            if name.lower() == wanted:
                return name
    return next((name for name in files if name.lower().endswith(".md")), "")


def tables_in(folder: Path) -> dict[Part, list[Path]]:
    """Table files by part; folders one level down are looked into only for parts that the top lacks."""
    found: dict[Part, list[Path]] = {"train": [], "test": [], "sample": [], "other": []}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and format_of(path):
            found[part_of(path.name)].append(path)
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        inside = [path for path in sorted(below.iterdir())[: 4 * _CROWD] if path.is_file() and format_of(path)]
        for path in inside if len(inside) <= _CROWD else ():
            part = part_of(path.name)
            if part != "other" and not any(p.parent == folder for p in found[part]):
                found[part].append(path)
    return found


def _named(folder: Path, name: str, key: str, say: Findings) -> Table:
    path = folder / name
    said = PurePosixPath(name)
    if said.is_absolute() or ".." in said.parts or not path.is_file():
        raise TaskError(f"task.toml says {key} = {name!r}, which does not exist in {folder}")
    say.evidence.append(f"{key}: {name}, as task.toml says")
    return read(path, folder)


def sample_in(folder: Path, paths: dict[Part, list[Path]], entry: TaskEntry, say: Findings) -> Table | None:
    """The sample submission; None where no table is one."""
    if entry.sample:
        return _named(folder, entry.sample, "sample", say)
    candidates = paths["sample"]
    if not candidates:
        return None
    exact = [path for path in candidates if "".join(words(stem(path.name))) == "samplesubmission"]
    candidates = exact if len(exact) == 1 else candidates
    only_one(folder, [path.relative_to(folder).as_posix() for path in candidates], "sample")
    return _only(folder, [read(candidates[0], folder)], "sample", say, "by its name")


def test_in(
    folder: Path, paths: dict[Part, list[Path]], entry: TaskEntry, sample: Table | None, say: Findings
) -> Table | None:
    """The table of the rows to predict; None where there is none."""
    if entry.test:
        return _named(folder, entry.test, "test", say)
    tables = [read(path, folder) for path in paths["test"]]
    if len(tables) > 1 and sample is not None:
        fitting = [t for t in tables if set(t.frame) & set(sample.frame) and len(t.frame) == len(sample.frame)]
        tables = fitting or tables
    return _only(folder, tables, "test", say, "by its name") if tables else None


def train_in(
    folder: Path,
    paths: dict[Part, list[Path]],
    entry: TaskEntry,
    sample: Table | None,
    test: Table | None,
    say: Findings,
) -> list[Table]:
    """The tables that may be the training rows: those that fit best."""
    if entry.train:
        return [_named(folder, entry.train, "train", say)]
    inside = set(test.frame) if test else set()
    shown = set(sample.frame) if sample else set()
    answers = set(entry.target) or shown - inside

    def fit(table: Table) -> int:
        own = set(table.frame)
        return 3 if answers & own else 0 if own <= inside else 2 if own & (inside | shown) else 1

    tables = [read(path, folder) for path in paths["train"]]
    why = "by its name"
    if not tables:
        tables = [table for table in readable(folder, paths["other"]) if fit(table) > 1]
        why = "the only table with columns that the test lacks"
    best = [table for table in tables if fit(table) == max(map(fit, tables))]
    if len(best) == 1:
        say.evidence.append(f"train: {best[0].name}, {why}")
    return best


def nothing(folder: Path) -> Never:
    names = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise TaskError(
        f"nothing to train on in {folder}: no table such as train.csv or trainLabels.csv (it holds {names}); add one, "
        "or name it with `train =` in task.toml. Where no file is such a table, write a task.py (docs/own-task.md)"
    )


def readable(folder: Path, paths: list[Path]) -> list[Table]:
    """Those that are tables: any JSON may lie in a task folder."""
    found = []
    for path in paths:
        with contextlib.suppress(TaskError):
            found.append(read(path, folder))
    return found


def _only(folder: Path, tables: list[Table], key: str, say: Findings, why: str) -> Table:
    only_one(folder, [table.name for table in tables], key)
    say.evidence.append(f"{key}: {tables[0].name}, {why}")
    return tables[0]


def only_one(folder: Path, names: list[str], key: str) -> None:
    """Raises TaskError where there are several candidates for a part."""
    if len(names) > 1:
        raise TaskError(
            f"{folder} has {len(names)} candidates for {key}: {', '.join(names)}; "
            f'say which one is meant with `{key} = "{names[0]}"` below [task] in task.toml'
        )
