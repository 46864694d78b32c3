"""The tables of a task, also where the folder holds them in parts, or leaves one out (DESIGN.md §3).

- Answers in one table and features in another: `train_labels.csv` and `train_values.csv`, `y_train` and `X_train`.
- Features of training and test rows in one table, and only ids in the others.
- Training rows in several tables of the same columns, such as one for each year.
- One table of all rows, in which those to predict have no answer.
- No sample: what is to be handed in follows from the target and the test's ids.

What is put together stands in views under a plain name, such as `train.csv`, in place of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks.infer_columns import cells, id_named, numbers, plain
from mlestar.tasks.infer_files import (
    Files,
    Findings,
    description_file,
    heads,
    no_sample,
    no_task,
    nothing,
    only_one,
    readable,
    sample_in,
    tables_in,
    test_in,
    train_in,
)
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.numerals import MISSING
from mlestar.tasks.source import Table

_ENOUGH = 0.95  # of the rows that must have a partner in the other table
_MOST_LABELS = 20  # so many different answers, and they are no labels


def find(
    folder: Path, entry: TaskEntry, say: Findings, without: Callable[[Table, Table | None], Files | None]
) -> Files:
    """Find and read the tables; raises TaskError when one is missing or two could be meant.

    Where none is of training rows, `without` is asked: it makes one, from the sample and the test table, or cannot.
    """
    if not folder.is_dir():
        raise no_task(folder)
    paths = tables_in(folder)
    sample = sample_in(folder, paths, entry, say)
    test = test_in(folder, paths, entry, sample, say)
    found = train_in(folder, paths, entry, sample, test, say)
    if not found:
        if sample is None:
            raise no_sample(folder)
        return without(sample, test) or nothing(folder)
    train, used = _one(folder, found, say)
    if test is None and not used:
        divided = _divided(folder, train, sample, entry, say)
        if divided is not None:
            return divided
    known = {*used, *(table.name for table in (train, test, sample) if table)}
    others = [path for path in (*paths["train"], *paths["other"]) if path.relative_to(folder).as_posix() not in known]
    parts = _Parts(folder, others, say)
    train, test = parts.joined(train, test, sample)
    sample = sample or _sample(folder, train, test, entry, say)
    replaced = tuple(name for name in (*used, *parts.used) if (folder / name).is_file())
    return Files(train, test, sample, description_file(folder), parts=replaced)


def _one(folder: Path, tables: Sequence[Table], say: Findings) -> tuple[Table, tuple[str, ...]]:
    """The training rows as one table, and the files that it stands for where these were several.

    Raises TaskError where they are not parts of one: names that differ by more than a number (`train_clean` may hold
    the rows of `train` again), other columns, or ids that are in two of them.
    """
    first, names = tables[0], [table.name for table in tables]
    if len(tables) == 1:
        return first, ()
    alike = {(re.sub(r"\d+", "", t.name), t.format, frozenset(heads(t))) for t in tables}
    ids = [c for c in heads(first) if id_named(c) and len(alike) == 1 and all(cells(t, c).is_unique for t in tables)]
    if len(alike) > 1 or not all(pd.concat([cells(t, c) for t in tables]).is_unique for c in ids):
        only_one(folder, names, "train")
    frame, name = pd.concat([table.frame for table in tables], ignore_index=True), _free(folder, first, "train")
    say.evidence.append(f"train: {' and '.join(names)}, one below the other, in views as {name}")
    return Table(name, frame, first.format), tuple(names)


class _Parts:
    """Puts answers and features together. `used` are the names of the files that this replaces."""

    def __init__(self, folder: Path, paths: list[Path], say: Findings) -> None:
        self.folder, self.paths, self.say = folder, paths, say
        self.used: list[str] = []

    @cached_property
    def tables(self) -> list[Table]:
        """All other tables, read when they are wanted first."""
        return readable(self.folder, self.paths)

    def joined(self, train: Table, test: Table | None, sample: Table | None) -> tuple[Table, Table | None]:
        """Train and test with their features; as they were given where these are not elsewhere."""
        asked = test or sample
        if asked is None:
            return train, test
        keys = [
            column
            for column in heads(train)
            if column in asked.frame and not (test is None and _is_last(asked, column))
        ]
        lacking = [column for column in heads(test) if column not in train.frame] if test else []
        fitting = [table for table in self.tables if {*lacking} <= {*table.frame}] if lacking else []
        if len(fitting) == 1:
            return self._with_answers(train, fitting[0], keys), test
        if keys and (test is None or heads(test) == keys):
            return self._with_features(train, test, asked, keys)
        return train, test

    def _with_answers(self, answers: Table, features: Table, keys: list[str]) -> Table:
        """The features of training rows, and their answers beside them."""
        mine = [column for column in keys if column in features.frame]
        new = [column for column in heads(answers) if column not in features.frame]
        if mine:
            left, right = _index(features, mine), _index(answers, mine)
            if left is None or right is None or right.isin(left).mean() < _ENOUGH:
                return answers
            rows = [place for place, key in enumerate(left) if key in set(right)]
            places = pd.Series(range(len(right)), index=right)[left.iloc[rows]].to_list()
            how = f"by {', '.join(mine)}"
        else:
            if len(features.frame) != len(answers.frame):
                return answers
            rows = places = list(range(len(answers.frame)))
            how = "row by row, in their order"
        frame = features.frame.iloc[rows].reset_index(drop=True)
        for column in new:
            frame[column] = _alike(answers, column, features).iloc[places].to_numpy()
        lost = len(features.frame) - len(rows), len(answers.frame) - len(rows)
        if any(lost):
            self.say.warnings.append(
                f"left out: {lost[0]} rows of {features.name} that have no answer, and {lost[1]} answers of "
                f"{answers.name} that have no such row"
            )
        return self._made("train", features, frame, [features.name, answers.name], f"joined {how}")

    def _with_features(
        self, train: Table, test: Table | None, asked: Table, keys: list[str]
    ) -> tuple[Table, Table | None]:
        """Both sides with the columns of tables that have a row for each of their ids."""
        mine, theirs = _index(train, keys), _index(asked, keys)
        if mine is None or theirs is None:
            return train, test
        sides, names = [train.frame, asked.frame[keys].reset_index(drop=True)], list[str]()
        base: Table | None = None
        for table in self.tables:
            index = _index(table, keys) if {*keys} <= {*table.frame} else None
            if index is None or min(one.isin(index).mean() for one in (mine, theirs)) < 1:
                continue
            place = pd.Series(range(len(index)), index=index)
            more = [[column for column in heads(table) if column not in (*train.frame, *sides[0])]] * 2
            both = [table.frame[columns].iloc[place[one].to_list()].reset_index(drop=True)
                    for columns, one in zip(more, (mine, theirs), strict=True)]  # fmt: skip
            kept = [c for c in both[0] if not set(cells(replace(table, frame=both[1]), str(c))) <= MISSING]
            if kept:
                sides = [pd.concat([side, part[kept]], axis=1) for side, part in zip(sides, both, strict=True)]
                names, base = [*names, table.name], base or table
        if base is None:
            return train, test
        how = f"joined by {', '.join(keys)}"
        made = self._made("train", base, sides[0], [*names, train.name], how)
        return made, self._made("test", base, sides[1], [*names, *([test.name] if test else [])], how)

    def _made(self, part: str, base: Table, frame: pd.DataFrame, names: Iterable[str], how: str) -> Table:
        name = _free(self.folder, base, part)
        told = list(dict.fromkeys(names))
        self.used = list(dict.fromkeys([*self.used, *told]))
        self.say.evidence.append(f"{part}: {' and '.join(told)}, {how}, in views as {name}")
        return Table(name, frame, base.format)


def _divided(folder: Path, table: Table, sample: Table | None, entry: TaskEntry, say: Findings) -> Files | None:
    """Train and test of one table, in which the rows to predict have no answer; None where it is not so."""
    asked = _asked(table, sample) if sample else None
    if sample is None:
        wanted = [column for column in entry.target if column in table.frame]
        if not wanted:
            return None
        asked = pd.concat([cells(table, column).isin(MISSING) for column in wanted], axis=1).all(axis=1)
    if asked is None or not 0 < asked.sum() < len(asked):
        return None
    empty = {c: cells(table, c).isin(MISSING) for c in heads(table)}
    answers = [c for c in heads(table) if empty[c][asked].all() and not empty[c][~asked].all()]
    if not answers or (entry.target and not {*entry.target} <= {*answers}):
        return None
    sides = [table.frame[~asked].reset_index(drop=True), table.frame[asked].reset_index(drop=True)]
    flags = [c for c in heads(table) if _tells(sides[0][c], sides[1][c])]
    train = Table(_free(folder, table, "train"), sides[0].drop(columns=flags), table.format)
    test = Table(_free(folder, table, "test"), sides[1].drop(columns=[*flags, *answers]), table.format)
    told = f"; {', '.join(flags)} only tells the one from the other" if flags else ""
    what = f"test: the {len(sides[1])} rows of {table.name} that have no {', '.join(answers)}"
    say.evidence.append(f"{what}, in views as {test.name}; the others are {train.name}{told}")
    sample = sample or _sample(folder, train, test, entry, say)
    return Files(train, test, sample, description_file(folder), parts=(table.name,))


def _asked(table: Table, sample: Table) -> pd.Series[bool] | None:
    """Which rows of a table the sample asks for, by the first column that names them."""
    for column in heads(sample):
        if column in table.frame:
            left, right = _index(table, [column]), _index(sample, [column])
            if left is not None and right is not None and right.isin(left).all():
                return left.isin(right).reset_index(drop=True)
    return None


def _tells(mine: pd.Series[str], theirs: pd.Series[str]) -> bool:
    """Whether a column has one value in all training rows, and another in all others."""
    return mine.astype(str).nunique() == 1 and theirs.astype(str).nunique() == 1 and str(mine[0]) != str(theirs[0])


def _sample(folder: Path, train: Table, test: Table | None, entry: TaskEntry, say: Findings) -> Table:
    """What is to be handed in, where nothing shows it: the ids of the test, and the targets.

    Raises TaskError where it is not clear what is to be predicted.
    """
    only = [c for c in heads(train) if test is not None and c not in test.frame]
    target = list(entry.target) or (only if len(only) == 1 else [])
    if test is None or not target or not {*target} <= {*train.frame}:
        raise no_sample(folder)
    names = [c for c in heads(test) if id_named(c) and cells(test, c).is_unique]
    ids = list(entry.id) if entry.id is not None else names[:1]
    if not {*ids} <= {*test.frame}:
        raise TaskError(
            f"task.toml says id = {', '.join(ids)}, which {test.name} has not; it has {', '.join(heads(test))}"
        )
    frame = pd.DataFrame({column: cells(test, column) for column in ids}, index=test.frame.index)
    for column in target:
        frame[column] = _example(cells(train, column))
    said = "as task.toml says" if entry.target else f"the only column of {train.name} that {test.name} lacks"
    by = f"for each {', '.join(ids)}" if ids else "for each row of the test, in its order"
    say.evidence.append(f"sample: none, so {', '.join(target)} is to be handed in {by} ({said})")
    return Table(PurePosixPath(test.name).with_name("sample_submission.csv").as_posix(), frame, "csv")


def _example(answers: pd.Series[str]) -> str:
    """What an answer may look like, and no row's own: every view has the sample."""
    labels = sorted(set(answers))
    return labels[0] if len(labels) <= _MOST_LABELS else "0" if numbers(answers).notna().all() else ""


def _index(table: Table, keys: Sequence[str]) -> pd.Series[str] | None:
    """The keys of a table's rows as one text each; None where they do not tell its rows apart."""
    parts = [plain(cells(table, column).tolist()) for column in keys]
    found = pd.Series(map("\x1f".join, zip(*parts, strict=True)), dtype="str")
    return found if found.is_unique else None


def _is_last(table: Table, column: str) -> bool:
    """A sample's last column is an answer, never a key."""
    return column == heads(table)[-1]


def _alike(table: Table, column: str, other: Table) -> pd.Series[str]:
    """A column's cells as the other table has its own: text, or as they are."""
    return cells(table, column) if other.format in ("csv", "tsv") else table.frame[column]


def _free(folder: Path, base: Table, part: str) -> str:
    """A name that no file of the folder has, beside the table that it is made of."""
    name = PurePosixPath(base.name).with_name(f"{part}.{base.format}").as_posix()
    taken = (folder / name).exists()
    return PurePosixPath(base.name).with_name(f"{part}_joined.{base.format}").as_posix() if taken else name
