"""Predictions for new rows, by the solution that mle-star found: `predict(frame)`.

Each call fits `solution.py` on the training rows and predicts `frame`, in a process and a folder of its own, which is
gone afterwards. The training data is the task's folder: name it once with `use_data`.
"""

# mle-star copies this file into the packages that it makes: it stands alone, and imports nothing of mle-star.
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).resolve().parent
_data: list[Path] = []


def use_data(folder: str | Path) -> None:
    """Name the task's folder, which holds the training data; for all later calls of `predict`."""
    _data[:] = [Path(folder)]


def predict(frame: pd.DataFrame, files: str | Path | None = None) -> pd.DataFrame:
    """Predict the rows of `frame`, which has the test's columns in any order; more columns are ignored.

    A missing id is made up: rows are numbered. `files` is a folder with the files of these rows, laid out like the
    test side of the task, where rows have files. Returns the sample submission's columns, in the order and with the
    index of `frame`. Raises ValueError naming columns that are missing, FileNotFoundError without training data, and
    RuntimeError with what the solution said where it fails.
    """
    about = json.loads((HERE / "task.json").read_text(encoding="utf-8"))
    rows = _columns(frame, about)
    if rows.empty:
        return pd.DataFrame(columns=about["sample_columns"], index=frame.index)
    with tempfile.TemporaryDirectory(prefix="predict-") as home:
        place = Path(home) / "input"
        _lay(place, about, Path(files) if files is not None else None)
        _write(_marked(rows, about["commas"]), place / about["test"], about["dialects"].get(about["test"]))
        _write(_sample(rows, about), place / about["sample"], about["dialects"].get(about["sample"]))
        command = [sys.executable, str(HERE / "solution.py")]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the solution ended with status {done.returncode}:\n{done.stderr[-4000:]}")
        found = _submission(Path(home), about["id"])
    return _ordered(found, rows, about).set_axis(frame.index, axis=0)


def _columns(frame: pd.DataFrame, about: dict[str, Any]) -> pd.DataFrame:
    """The test's columns in its order."""
    rows = frame.copy()
    for column in about["id"]:
        if column in about["test_columns"] and column not in rows:
            rows[column] = [str(number) for number in range(1, len(rows) + 1)]
    missing = [column for column in about["test_columns"] if column not in rows]
    if missing:
        raise ValueError(f"the frame lacks the columns {missing}; the solution needs {about['test_columns']}")
    ordered: pd.DataFrame = rows[about["test_columns"]]
    return ordered.reset_index(drop=True)


def _sample(rows: pd.DataFrame, about: dict[str, Any]) -> pd.DataFrame:
    """A sample submission for these rows."""
    filled = {c: rows[c] if c in rows else [about["fill"].get(c, "")] * len(rows) for c in about["sample_columns"]}
    return pd.DataFrame(filled, columns=about["sample_columns"])


def _lay(place: Path, about: dict[str, Any], files: Path | None) -> None:
    """The training data, linked where the system can link; and the files of the new rows."""
    data = _data[0] if _data else HERE / "data"
    if not (data / about["train"]).is_file() and about["train"]:
        raise FileNotFoundError(f"{data} does not hold {about['train']}: name the task's folder with use_data(FOLDER)")
    for root, own in ((data, False), (files, True)):
        for path in sorted(root.rglob("*")) if root is not None else ():
            name = path.relative_to(root).as_posix() if root is not None else ""
            if path.is_file() and (own or name not in (about["test"], about["sample"])):
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                try:
                    target.symlink_to(path.resolve())
                except OSError:
                    shutil.copyfile(path, target)
    place.mkdir(exist_ok=True)


def _marked(rows: pd.DataFrame, commas: list[str]) -> pd.DataFrame:
    """Numbers with a decimal comma where the training data has them so; texts stay what they are."""
    floats = [c for c in rows.columns.intersection(commas) if pd.api.types.is_float_dtype(rows[c])]
    return rows.assign(**{c: rows[c].astype(str).str.replace(".", ",", regex=False) for c in floats})


def _write(frame: pd.DataFrame, path: Path, dialect: dict[str, str] | None) -> None:
    """In the format that the file's name says, and in its separator and encoding where they are not the usual ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    kind = path.name.lower().removesuffix(".gz").removesuffix(".zip").rpartition(".")[2]
    if kind == "parquet":
        frame.to_parquet(path, index=False)
    elif kind in ("json", "jsonl", "ndjson"):
        frame.to_json(path, orient="records", lines=kind != "json")
    else:
        usual = "\t" if kind in ("tsv", "tab") else ","
        written = dialect or {"sep": usual, "encoding": "utf-8"}
        frame.to_csv(path, index=False, sep=written["sep"], encoding=written["encoding"])


def _submission(home: Path, ids: list[str]) -> pd.DataFrame:
    for name in ("submission.csv", "submission.csv.gz"):
        if (home / name).exists():
            return _typed(pd.read_csv(home / name, dtype=str, keep_default_na=False), ids)
    if (home / "submission.parquet").exists():
        return pd.read_parquet(home / "submission.parquet")
    raise RuntimeError("the solution wrote no submission")


def _typed(found: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    """Columns of numbers as numbers; ids, and what begins with a 0 as codes do, stay the texts that they are."""
    for column in found.columns.difference(ids):
        numbers = pd.to_numeric(found[column], errors="coerce")
        if numbers.notna().all() and not found[column].str.match(r"0\d").any():
            found[column] = numbers
    return found


def _ordered(found: pd.DataFrame, rows: pd.DataFrame, about: dict[str, Any]) -> pd.DataFrame:
    """The submission in the order of the rows, with the ids and echoed cells that they have."""
    ids = [column for column in about["id"] if column in found and column in rows]
    if ids and not rows.duplicated(ids).any():
        keys, wanted = ([tuple(map(str, row)) for row in table[ids].to_numpy()] for table in (found, rows))
        places = {key: place for place, key in enumerate(keys)}
        if sorted(keys) == sorted(wanted):
            found = found.iloc[[places[key] for key in wanted]]
    if len(found) != len(rows):
        raise RuntimeError(f"the solution predicted {len(found)} rows of {len(rows)}")
    found = found.reset_index(drop=True)
    echoed = {column: rows[column] for column in about["sample_columns"] if column in rows}
    return found.assign(**echoed)[[column for column in about["sample_columns"] if column in found or column in echoed]]
