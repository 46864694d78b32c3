"""Made-up tasks: a profile each, and data that looks like it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar.records import Asset, Column, Profile, Recipe
from mlestar.search.library import Library

ALL = frozenset({"numpy", "pandas", "pyarrow", "scipy", "sklearn", "lightgbm", "xgboost", "catboost"})
PLAIN = ALL - {"lightgbm", "xgboost", "catboost"}
ROWS = 160

NUMBERS = (Column("age", "number", 0.1, 80), Column("net worth in $", "number", 0.0, 150))
MIXED = (
    *NUMBERS,
    Column("planet", "category", 0.05, 4),
    Column("asleep", "boolean", 0.0, 2),
    Column("seen", "date", 0.0, 150),
    Column("cabin", "code", 0.0, 150),
)
TABLE = Profile(
    name="made up", kind="table", description="a task", train="train.csv", test="test.csv", sample="sample.csv",
    id=("key",), target=("y",), predicts="label", prediction_columns=("y",), classes=("no", "yes"), metric="accuracy",
    direction="max", split="random", rows=ROWS, test_rows=40, columns=MIXED, class_shares=(0.5, 0.5),
)  # fmt: skip
VALUES = replace(
    TABLE, predicts="value", classes=(), class_shares=(), metric="rmse", direction="min",
    target_minimum=0.5, target_maximum=40.0, target_skew=0.3,
)  # fmt: skip
SPECIES = ("NA", 'b "c"', "d")

PROFILES: dict[str, Profile] = {
    "label": TABLE,
    "probability": replace(TABLE, predicts="probability", metric="roc_auc"),
    "probabilities": replace(
        TABLE, predicts="probability", prediction_columns=SPECIES, classes=SPECIES, metric="log_loss",
        direction="min", class_shares=(0.4, 0.3, 0.3), columns=(Column("story", "text", 0.0, ROWS),),
    ),
    "ranking": replace(
        TABLE, predicts="ranking", classes=SPECIES, metric="map@2", class_shares=(0.8, 0.1, 0.1),
        columns=(*NUMBERS, Column("tags", "list", 0.0, 50)),
    ),
    "values": replace(VALUES, columns=(*MIXED, Column("key", "code", 0.0, ROWS))),
    "two values": replace(
        VALUES, target=("y", "z"), prediction_columns=("y", "z"), metric="mean_columnwise_rmsle", columns=NUMBERS,
        assets=(Asset("files/{key}.txt", "files/{key}.txt", ".txt", "text"),),
    ),
    "several labels": replace(
        TABLE, target=("y", "z"), prediction_columns=("y", "z"), predicts="probability", classes=(), class_shares=(),
        metric="mean_columnwise_roc_auc", columns=NUMBERS,
    ),
    "jsonl by order": replace(
        TABLE, train="train.jsonl", test="test.jsonl", id=(), columns=(*NUMBERS, Column("tags", "list", 0.0, 50))
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def recipes() -> tuple[Recipe, ...]:
    return Library().recipes()


def make_data(profile: Profile, folder: Path, seed: int = 0) -> None:
    """Write `input/` for a profile: a target that hangs on the first column, gaps, words, files."""
    rng = np.random.default_rng(seed)
    (folder / "input").mkdir()
    for name, rows in ((profile.train, profile.rows), (profile.test, profile.test_rows)):
        table = pd.DataFrame({column.name: _cells(rng, column, rows) for column in profile.columns})
        signal = rng.normal(size=rows) + (
            pd.to_numeric(table["age"], errors="coerce").fillna(0) > 40 if "age" in table else 0
        )
        if profile.id:
            table["key"] = [f"{name[:2]}{i:04d}_{i % 3:02d}" for i in range(rows)]
        if name == profile.train:
            for target in profile.target:
                table[target] = _truth(profile, signal)
        _write(table, folder / "input" / name)
        for asset in profile.assets:
            for key in table["key"]:
                path = folder / "input" / asset.train.format(key=key)
                path.parent.mkdir(exist_ok=True)
                path.write_text(
                    "# a file\n" + "".join(f"atom {x:.3f} {y:.3f} {z:.3f} Al\n" for x, y, z in rng.normal(size=(4, 3)))
                )


def _truth(profile: Profile, signal: pd.Series) -> list[object]:
    if profile.classes:
        cut = np.quantile(signal, np.linspace(0, 1, len(profile.classes) + 1)[1:-1])
        return [profile.classes[k] for k in np.searchsorted(cut, signal)]
    return list(np.exp(signal).round(3)) if profile.predicts == "value" else list((signal > 0.5).astype(int))


def _cells(rng: np.random.Generator, column: Column, rows: int) -> list[object]:
    words = ["sea", "storm", "tree", "stone", "a", "the", "of"]
    made = {
        "number": lambda: f"{abs(rng.normal(40, 15)):.1f}",
        "category": lambda: rng.choice(["Mars", "Earth", "", "NA"]),
        "boolean": lambda: rng.choice(["True", "False"]),
        "date": lambda: f"2020-{rng.integers(1, 13):02d}-{rng.integers(1, 28):02d} {rng.integers(24):02d}:00:00",
        "code": lambda: f"{rng.choice(list('ABC'))}/{rng.integers(50)}/P",
        "text": lambda: " ".join(rng.choice(words, 12)),
        "list": lambda: [str(word) for word in rng.choice(words, 3)],
    }[column.kind]
    return ["" if column.missing and rng.random() < column.missing else made() for _ in range(rows)]


def _write(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_dict("records")))
    else:
        table.to_csv(path, index=False)
