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
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks.infer_columns import cells, id_named, numbers
from mlestar.tasks.infer_files import (
    Files,
    Findings,
    description_file,
    heads,
    no_sample,
    no_task,
    nothing,
    only_one,
    sample_in,
    tables_in,
    test_in,
    train_in,
)
from mlestar.tasks.infer_joined import Parts, free, index
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.numerals import MISSING
from mlestar.tasks.source import Table

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
    parts = Parts(folder, others, say)
    train, test = parts.joined(train, test, sample)
    sample = sample or _sample(folder, train, test, entry, say)
    replaced = tuple(name for name in (*used, *parts.used) if (folder / name).is_file())
    return Files(train, test, sample, description_file(folder), parts=replaced)


def _one(folder: Path, tables: Sequence[Table], say: Findings) -> tuple[Table, tuple[str, ...]]:
    """The training rows as one table, and the files that it stands for where these were several.

    Raises TaskError where they are not parts of one: names that differ by more than a number (`train_clean` may hold
    the rows of `train` again), other columns, or ids that are in two of them; without ids, most rows.
    """
    first, names = tables[0], [table.name for table in tables]
    if len(tables) == 1:
        return first, ()
    alike = {(re.sub(r"\d+", "", t.name), t.format, frozenset(heads(t))) for t in tables}
    ids = [c for c in heads(first) if id_named(c) and len(alike) == 1 and all(cells(t, c).is_unique for t in tables)]
    unique = all(pd.concat([cells(t, c) for t in tables]).is_unique for c in ids)
    if len(alike) > 1 or not unique or (not ids and _repeats(tables)):
        only_one(folder, names, "train")
    frame, name = pd.concat([table.frame for table in tables], ignore_index=True), free(folder, first, "train")
    say.evidence.append(f"train: {' and '.join(names)}, one below the other, in views as {name}")
    return Table(name, frame, first.format, first.separator), tuple(names)


def _repeats(tables: Sequence[Table]) -> bool:
    """Whether most rows of a table stand in those before it, where hardly any stands twice in its own."""
    known: set[int] = set()
    for table in tables:
        texts = pd.DataFrame({column: cells(table, column) for column in heads(tables[0])})
        rows = set(pd.util.hash_pandas_object(texts, index=False))
        if 2 * len(rows) > len(texts) and 2 * len(rows & known) > min(len(rows), len(known)) > 0:
            return True
        known |= rows
    return False


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
    one, other = sides[0].drop(columns=flags), sides[1].drop(columns=[*flags, *answers])
    train = Table(free(folder, table, "train"), one, table.format, table.separator)
    test = Table(free(folder, table, "test"), other, table.format, table.separator)
    told = f"; {', '.join(flags)} only tells the one from the other" if flags else ""
    what = f"test: the {len(sides[1])} rows of {table.name} that have no {', '.join(answers)}"
    say.evidence.append(f"{what}, in views as {test.name}; the others are {train.name}{told}")
    sample = sample or _sample(folder, train, test, entry, say)
    return Files(train, test, sample, description_file(folder), parts=(table.name,))


def _asked(table: Table, sample: Table) -> pd.Series[bool] | None:
    """Which rows of a table the sample asks for, by the first column that names them."""
    for column in heads(sample):
        if column in table.frame:
            left, right = index(table, [column]), index(sample, [column])
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
    only = [c for c in heads(train) if test is not None and c not in test.frame and not _names_rows(train, c)]
    target = list(entry.target) or (only if len(only) == 1 else [])
    if test is None and target:
        raise TaskError(
            f"{folder} has neither a table of the rows to predict, such as test.csv, nor a sample submission, and "
            f"{train.name} has no rows without {', '.join(target)}, which would be such"
        )
    if test is None or not target or not {*target} <= {*train.frame}:
        raise no_sample(folder)
    names = [c for c in heads(test) if _names_rows(test, c)]
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


def _names_rows(table: Table, column: str) -> bool:
    """Whether a column is called an id, and is one."""
    return id_named(column) and cells(table, column).is_unique


def _example(answers: pd.Series[str]) -> str:
    """What an answer may look like, and no row's own: every view has the sample."""
    labels = sorted(set(answers))
    return labels[0] if len(labels) <= _MOST_LABELS else "0" if numbers(answers).notna().all() else ""
