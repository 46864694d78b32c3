"""What a competitor is handed, and what is taken from it: the task as mle-star itself understands it.

`spec.json`, the one argument of a runner, has these keys. `train` and `test`: csv files in the same folder;
`features`: the columns that both share, and of them `text` those that hold texts; `target`: columns of `train`;
`id`: columns of `test` that name its rows; `predicts`: label, ranking, probability or value; `classes`: the labels,
for all but `value`; `outputs`: the columns to fill (one per class, or one alone for the probability of the last class);
`places`: how many labels of a ranking; `metric` by mle-star's name; `seconds` of wall time, `cores`, `seed`.
The runner writes `submission.csv` with `id` and `outputs`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlestar.errors import TaskError
from mlestar.tasks.judge import deliver
from mlestar.tasks.profile import profile
from mlestar.tasks.sides import Side, form
from mlestar.tasks.source import Source, Table
from mlestar.tasks.submission import Form, read_submission
from mlestar.tasks.tables import texts, write

SPEC, PLACES = "spec.json", 5


@dataclass(frozen=True)
class Terms:
    """What every system is given alike: wall seconds, processor cores, and the seed of the cell."""

    seconds: float
    cores: int
    seed: int


def hand(source: Source, folder: Path, terms: Terms) -> None:
    """Write the tables and the spec for a runner. Raises TaskError where a table alone does not make the task."""
    if source.predicts == "text":
        raise TaskError("its answers are texts, which the competitors do not write")
    columns = profile(source, np.arange(len(source.train.frame))).columns
    features = [column.name for column in columns if column.kind != "constant"]
    if not features:
        raise TaskError(
            "its tables share no feature: all there is to learn from are files, which competitors cannot use"
        )
    test = [*source.id, *(name for name in features if name not in source.id)]
    _table(source.train, [*features, *source.target], folder / "train.csv")
    _table(source.test, test, folder / "test.csv")
    spec: dict[str, Any] = {
        "train": "train.csv", "test": "test.csv", "features": features,
        "text": [c.name for c in columns if c.kind in ("text", "list") and c.name in features],
        "target": source.target, "id": source.id, "predicts": source.predicts, "classes": source.classes,
        "outputs": source.prediction_columns, "places": _places(source.metric), "metric": source.metric,
        "direction": source.direction, "seconds": terms.seconds, "cores": terms.cores, "seed": terms.seed,
    }  # fmt: skip
    (folder / SPEC).write_text(json.dumps(spec, indent=1, ensure_ascii=False), encoding="utf-8")


def take(source: Source, folder: Path) -> bytes | str:
    """The submission in the sample's form from what a runner left in `folder`, or what is wrong with it."""
    prediction = read_submission(folder, asked(source))
    return prediction if isinstance(prediction, str) else deliver(folder, asked(source), source.sample)


def asked(source: Source) -> Form:
    """What a submission for the real test must look like."""
    return form(source, real(source))


def real(source: Source) -> Side:
    """The real test rows in the order of the test table; each is a unit of its own in the bootstrap."""
    keys = source.test.frame[list(source.id)].apply(texts)
    order = np.arange(len(source.test.frame))
    train = np.arange(len(source.train.frame))
    return Side(None, order, np.zeros_like(order), keys, source.sample.frame, train)


def _table(table: Table, columns: list[str], path: Path) -> None:
    write(Table(path.name, table.frame, "csv"), table.frame[columns], path)


def _places(metric: str) -> int:
    number = metric.partition("@")[2]
    return int(number) if number.isdigit() else PLACES
