"""A tiny writer of task folders, understood by hand: what splits and views are tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlestar.records import Asset
from mlestar.tasks import tables
from mlestar.tasks.source import Source, Table

FORMATS: dict[str, Any] = {"csv": "csv", "tsv": "tsv", "json": "json"}


def write_source(folder: Path, train: pd.DataFrame, test: pd.DataFrame, **changes: Any) -> Source:
    """Write train, test, a sample and a description; return the Source that describes them."""
    suffix = changes.pop("suffix", "csv")
    id, target = changes.pop("id", ("id",)), changes.pop("target", ("y",))
    ids = [column for column in id if column in test.columns]
    sample = pd.DataFrame({**{c: test[c] for c in ids}, **{c: ["0"] * len(test) for c in target}})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "description.md").write_text("A task.\n")
    made = {}
    for part, frame in (("train", train), ("test", test), ("sample_submission", sample)):
        kind = suffix if part != "sample_submission" else "csv"
        table = Table(f"{part}.{kind}", frame, FORMATS[kind], "\t" if kind == "tsv" else ",")
        tables.write(table, frame, folder / table.name)
        made[part] = tables.read(folder / table.name, folder)
    fields: dict[str, Any] = {
        "folder": folder, "kind": "table", "description": "A task.", "train": made["train"], "test": made["test"],
        "sample": made["sample_submission"], "id": id, "target": target, "predicts": "label",
        "prediction_columns": target, "echo_columns": (), "classes": ("0", "1"), "metric": "accuracy",
        "direction": "max", "split": "random", "assets": (), "train_only": (), "other_files": (), "evidence": (),
        "warnings": (),
    }  # fmt: skip
    return Source(**{**fields, **changes})


def make_frames(rows: int, tests: int = 12, **columns: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train with id, x, y and any further columns (by function of the row number); test without y."""
    numbers = range(rows + tests)
    frame = pd.DataFrame(
        {"id": [f"r{i * 7919 % 100_000:05d}" for i in numbers], "x": [str(i * i % 1009) for i in numbers]}
    )
    for name, rule in columns.items():
        frame[name] = [str(rule(i)) for i in numbers]
    frame["y"] = [str(i * 31 % 7 % 2) for i in numbers]
    return frame.iloc[:rows].reset_index(drop=True), frame.iloc[rows:].drop(columns="y").reset_index(drop=True)


def add_row_files(folder: Path, train: pd.DataFrame, test: pd.DataFrame) -> tuple[Asset, ...]:
    """One text file per row, `train/<id>/note.txt`, whose text is the row's x."""
    for part, frame in (("train", train), ("test", test)):
        for name, x in zip(frame["id"], frame["x"], strict=True):
            (folder / part / name).mkdir(parents=True)
            (folder / part / name / "note.txt").write_text(f"{x}\n")
    return (Asset("train/{id}/note.txt", "test/{id}/note.txt", ".txt", "text"),)


class Folders:
    """The writer, as one fixture."""

    source = staticmethod(write_source)
    frames = staticmethod(make_frames)
    row_files = staticmethod(add_row_files)


@pytest.fixture(scope="session")
def folders() -> type[Folders]:
    return Folders
