"""`mle-star new FILE --target y`: a task folder made of a single table, of a file or of a program's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks import metrics
from mlestar.tasks.days import day_first
from mlestar.tasks.holding import held, row_number
from mlestar.tasks.infer import understand
from mlestar.tasks.infer_columns import numbers
from mlestar.tasks.infer_files import heads
from mlestar.tasks.infer_metric import answers
from mlestar.tasks.numerals import decimal_commas, pointed
from mlestar.tasks.source import Table
from mlestar.tasks.splits import cut
from mlestar.tasks.tables import read, stem, texts, write

FEWEST_ROWS = 15


def new(
    file: Path,
    target: str,
    out: Path | None = None,
    metric: str | None = None,
    id: str | None = None,
    split: str | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Make a task folder (`out`, else beside the file, named after it) and return its path.

    A fifth of the rows becomes the test, without the target: at random, or as `split` says. Without `id` a column that
    counts the rows is it, of which `say` is told; `""` means none. An existing folder is never touched, and a failure
    leaves nothing behind. Raises TaskError naming the file or the setting.
    """
    if not file.is_file():
        raise TaskError(f"{file} does not exist")
    table = read(file, file.parent)
    out = out or file.with_name(stem(file.name) + "-task")
    if out.exists():
        raise TaskError(f"{out} exists already; name another folder with --out, or remove it")
    for what, column in (("--target", target), ("--id", id)):
        if column and column not in table.frame:
            raise TaskError(f"{what} {column!r} is not a column of {file.name}; it has {', '.join(heads(table)[:20])}")
    if len(table.frame) < FEWEST_ROWS:
        raise TaskError(f"{file.name} has {len(table.frame)} rows; at least {FEWEST_ROWS} are needed")
    commas, _ = decimal_commas([table], (), (target,))
    answers(table, target, commas)  # none may be missing, neither in the test
    days, _ = day_first([table], (target,))
    rows, which = held(replace(table, day_first=days), target, split, seed)
    if id is None and (counting := row_number(table, (target, (split or "").partition(":")[2]))):
        id, why = counting
        say(f'id: {why}, so it is no feature; --id "" keeps it as one')
    train = table.frame[~rows].reset_index(drop=True)
    test = table.frame.loc[rows, [c for c in table.frame if c != target]].reset_index(drop=True)
    say(f"test: {len(test)} of {len(rows)} rows, {which}")
    parts = Parts(table, train, test, target, id or None, f"{len(test)} rows, without `{target}`; {which}")
    return make(out, parts, metric, split)


@dataclass(frozen=True)
class Parts:
    """A table cut into train and test; `told` is what the test is. `classes`: a column of the sample for each label."""

    table: Table
    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    id: str | None
    told: str
    classes: tuple[str, ...] = ()


def make(out: Path, parts: Parts, metric: str | None, split: str | None) -> Path:
    """Write the folder and try to understand it; a failure leaves nothing behind."""
    commas, _ = decimal_commas([replace(parts.table, frame=parts.train)], (), (parts.target,))
    name = metric or _usual(pointed(texts(parts.train[parts.target]), commas))
    if ":" not in name:
        metrics.get(name)
    building = out.with_name(f".{out.name}.partly")
    shutil.rmtree(building, ignore_errors=True)
    try:
        _build(building, parts, name, split)
        source = understand(building)
        if split:
            cut(source, 0)  # what cannot be cut into folds is refused now, not by the run
        building.rename(out)
    except OSError as error:
        raise TaskError(f"{out} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out


def _usual(values: pd.Series[Any]) -> str:
    numeric = bool(numbers(values).notna().all())
    return "rmse" if numeric and values.nunique() > 20 else "accuracy"


def _build(folder: Path, parts: Parts, metric: str, split: str | None) -> None:
    folder.mkdir(parents=True)
    table, target, id, test = parts.table, parts.target, parts.id, parts.test
    suffix = f".{table.format}"
    write(table, parts.train, folder / f"train{suffix}")
    write(table, test, folder / f"test{suffix}")
    columns = {id: texts(test[id])} if id else {}
    constant = texts(parts.train[target]).mode().iloc[0]
    blank = dict.fromkeys(parts.classes, [str(1 / len(parts.classes))] * len(test)) if parts.classes else {
        target: [constant] * len(test)
    }  # fmt: skip
    sample = pd.DataFrame({**columns, **blank}, dtype="str")
    write(replace(table, format="csv", separator=",", encoding="utf-8"), sample, folder / "sample_submission.csv")
    said: dict[str, str | list[str] | None] = {"target": target, "id": id or [], "metric": metric, "split": split}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in said.items() if value is not None]
    (folder / "task.toml").write_text("\n".join(["[task]", *lines, ""]), encoding="utf-8")
    (folder / "description.md").write_text(_description(parts, metric, list(sample.columns)), encoding="utf-8")


def _description(parts: Parts, metric: str, header: list[str]) -> str:
    own = ":" in metric
    better = "" if own else ", higher is better" if metrics.get(metric).direction == "max" else ", lower is better"
    suffix = f".{parts.table.format}"
    return (
        f"# {stem(Path(parts.table.name).name)}\n\nPredict `{parts.target}`.\n\n## Files\n"
        f"- `train{suffix}`: {len(parts.train)} rows.\n"
        f"- `test{suffix}`: {parts.told}.\n"
        "- `sample_submission.csv`: the required format.\n\n"
        f"## Metric\n{metric}{better}.\n\n"
        f"## Submission\nCSV with the header `{','.join(header)}`, one row per test row.\n"
    )
