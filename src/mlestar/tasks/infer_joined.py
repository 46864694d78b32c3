"""Answers and features that lie in different tables, put together: `train_labels.csv` and `train_values.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from mlestar.tasks.infer_columns import cells, plain
from mlestar.tasks.infer_files import Findings, heads, readable
from mlestar.tasks.numerals import MISSING
from mlestar.tasks.source import Table

_ENOUGH = 0.95  # of the rows that must have a partner in the other table


class Parts:
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
        shared = [column for column in heads(answers) if column in features.frame]
        mine = [column for column in shared if column in keys]
        new = [column for column in heads(answers) if column not in shared]
        if not mine and _beside(features, answers, shared):
            rows = places = list(range(len(answers.frame)))
            how = "row by row, in their order"
        elif not shared:
            return answers
        else:  # by what the test need not have: a column that both have in another order
            left, right = index(features, mine or shared), index(answers, mine or shared)
            if left is None or right is None or right.isin(left).mean() < _ENOUGH:
                return answers
            known = set(right)
            rows = [place for place, key in enumerate(left) if key in known]
            places = pd.Series(range(len(right)), index=right)[left.iloc[rows]].to_list()
            how = f"by {', '.join(mine or shared)}"
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
        mine, theirs = index(train, keys), index(asked, keys)
        if mine is None or theirs is None:
            return train, test
        sides, names = [train.frame, asked.frame[keys].reset_index(drop=True)], list[str]()
        base: Table | None = None
        for table in self.tables:
            named = index(table, keys) if {*keys} <= {*table.frame} else None
            if named is None or min(one.isin(named).mean() for one in (mine, theirs)) < 1:
                continue
            place = pd.Series(range(len(named)), index=named)
            more = [column for column in heads(table) if column not in (*train.frame, *sides[0])]
            both = [table.frame[more].iloc[place[one].to_list()].reset_index(drop=True) for one in (mine, theirs)]
            told = [_filled(replace(table, frame=part)) for part in both]
            answers = [column for column in told[0] if column not in told[1]] if heads(train) == keys else []
            if told[1] or answers:
                both = [both[0][[*told[1], *answers]], both[1][told[1]]]
                sides = [pd.concat(pair, axis=1) for pair in zip(sides, both, strict=True)]
                names, base = [*names, table.name], base or table
        if base is None:
            return train, test
        how = f"joined by {', '.join(keys)}"
        made = self._made("train", base, sides[0], [*names, train.name], how)
        return made, self._made("test", base, sides[1], [*names, *([test.name] if test else [])], how)

    def _made(self, part: str, base: Table, frame: pd.DataFrame, names: Iterable[str], how: str) -> Table:
        name = free(self.folder, base, part)
        told = list(dict.fromkeys(names))
        self.used = list(dict.fromkeys([*self.used, *told]))
        self.say.evidence.append(f"{part}: {' and '.join(told)}, {how}, in views as {name}")
        return Table(name, frame, base.format, base.separator)


def index(table: Table, keys: Sequence[str]) -> pd.Series[str] | None:
    """The keys of a table's rows as one text each; None where they do not tell its rows apart."""
    parts = [plain(cells(table, column).tolist()) for column in keys]
    found = pd.Series(map("\x1f".join, zip(*parts, strict=True)), dtype="str")
    return found if found.is_unique else None


def _beside(table: Table, other: Table, shared: Sequence[str]) -> bool:
    """Whether the rows of two tables stand in one order, as far as their shared columns tell."""
    return len(table.frame) == len(other.frame) and all(
        plain(cells(table, column).tolist()) == plain(cells(other, column).tolist()) for column in shared
    )


def _filled(table: Table) -> list[str]:
    """Columns that are not empty in all rows."""
    return [column for column in heads(table) if not set(cells(table, column)) <= MISSING]


def _is_last(table: Table, column: str) -> bool:
    """A sample's last column is an answer, never a key."""
    return column == heads(table)[-1]


def _alike(table: Table, column: str, other: Table) -> pd.Series[str]:
    """A column's cells as the other table has its own: text, or as they are."""
    return cells(table, column) if other.format in ("csv", "tsv") else table.frame[column]


def free(folder: Path, base: Table, part: str) -> str:
    """A name that no file of the folder has, beside the table that it is made of."""
    name = PurePosixPath(base.name).with_name(f"{part}.{base.format}").as_posix()
    taken = (folder / name).exists()
    return PurePosixPath(base.name).with_name(f"{part}_joined.{base.format}").as_posix() if taken else name
