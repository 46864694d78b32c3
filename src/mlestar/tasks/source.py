"""What inference found in a task folder: the room's own noun, private to `tasks`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from mlestar.records import Asset, Direction, Pixels, Predicts


@dataclass(frozen=True)
class Table:
    """One table file, text-faithful: every cell of `frame` is the text that stands in the file.

    csv and tsv: all cells are `str`, nothing is read as missing (`NA`, `007`, `` stay what they are).
    json, jsonl and parquet: cells are the native values (object dtype for json).
    `name` is the path below the task folder, with its full suffix (`train.csv.gz`).
    """

    name: str
    frame: pd.DataFrame
    format: Literal["csv", "tsv", "json", "jsonl", "parquet"]
    separator: str = ","
    encoding: str = "utf-8"
    day_first: tuple[str, ...] = ()  # columns whose dates have the day first

    def plain(self) -> Table:
        """The same with the separator and the encoding that its name promises."""
        return replace(self, separator="\t" if self.format == "tsv" else ",", encoding="utf-8")


@dataclass(frozen=True)
class Source:
    """A task folder understood. `evidence` says in words what each conclusion rests on."""

    folder: Path
    kind: Literal["table", "forecast", "pixels", "custom"]
    description: str
    train: Table
    test: Table
    sample: Table
    id: tuple[str, ...]  # () = rows are aligned by order
    target: tuple[str, ...]
    predicts: Predicts
    prediction_columns: tuple[str, ...]  # columns of the sample that a script fills
    echo_columns: tuple[str, ...]  # other columns of the sample, copied byte for byte
    classes: tuple[str, ...]  # label, ranking, and probability-per-class: the labels' texts
    metric: str
    direction: Direction
    split: str  # random | stratified | group:<c> | time:<c> | blocks:<c> | horizon
    assets: tuple[Asset, ...]
    train_only: tuple[str, ...]  # columns, files and folders that only training rows have
    other_files: tuple[str, ...]  # where tables were made: the files that task.toml shares
    evidence: tuple[str, ...]
    warnings: tuple[str, ...]
    made: bool = False  # its tables were made, by a task.py or of the names of files: views hold no file unnamed
    parts: tuple[str, ...] = ()  # files that tables were put together from, which no view has
    settings: tuple[tuple[str, str], ...] = ()  # what task.toml said
    series: tuple[str, ...] = ()  # of a forecast: the columns that name a series; () = it is one series
    time: str = ""  # of a forecast: the column of its times
    season: int = 0  # of MASE and OWA: the lag of the naive step
    pixels: Pixels | None = None  # a row of train and test is an image then, one of the sample a pixel
    commas: tuple[str, ...] = ()  # columns whose numbers have decimal commas; no labels, no ids
    reference: tuple[float, float] | None = None  # of OWA: the reference's sMAPE and MASE; None = Naive2's
