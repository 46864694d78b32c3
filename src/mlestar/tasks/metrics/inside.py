"""Runs behind the wall, alone: calls the user's metric, or task.py, for whoever asks (custom.py and own.py say who).

    python inside.py DESCRIPTOR

A question, on standard input, is a pickle of ours: a file of `input/` to load, frames to score, a task.py's
text, or a part of a table that it made. An answer, on DESCRIPTOR, is JSON: scores, texts, or what is wrong. Both
come with their length before them, in 8 bytes.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import numbers
import os
import pathlib
import pickle
import struct
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

import pandas

QUESTIONS = os.fdopen(os.dup(0), "rb")  # the user's code may close or read standard input
TRAIN: dict[str, Any] = {}
MADE: dict[str, str] = {}
PIECE = 2**20  # characters of one answer


def load(file: str, name: str) -> tuple[Callable[..., Any] | None, str]:
    """The user's function, or in words why there is none."""
    sys.path.insert(0, os.path.abspath("input"))
    spec = importlib.util.spec_from_file_location("mlestar_task_metric", os.path.join("input", file))
    if spec is None or spec.loader is None:
        return None, "cannot be read as Python"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        return None, f"fails when it is loaded: {type(error).__name__}: {error}"
    function = getattr(module, name, None)
    if not callable(function):
        return None, f"has no function {name}(truth, prediction, train)"
    return function, ""


def call(function: Callable[..., Any], truth: Any, prediction: Any, train: Any) -> float | str:
    """One value, or what is wrong with it."""
    try:
        value = function(truth.copy(), prediction.copy(), None if train is None else train.copy())
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
        return f"returned {value!r}, not a finite number"
    return float(value)


def scores(function: Callable[..., Any], question: dict[str, Any]) -> dict[str, Any]:
    """The metric on the frames, once, or on each of the resamples of their rows."""
    TRAIN.update(question["frames"])
    truth, prediction, train = question["truth"], question["prediction"], TRAIN.get(question["train"])
    found: list[float] = []
    for rows in question["rows"] or [None]:
        resampled = [
            frame if rows is None else frame.iloc[rows].reset_index(drop=True) for frame in (truth, prediction)
        ]
        value = call(function, resampled[0], resampled[1], train)
        if isinstance(value, str):
            return {"error": value}
        found.append(value)
    return {"scores": found}


def make(code: bytes) -> dict[str, Any]:
    """Call the `tables(folder)` of a task.py; its tables are kept in MADE. Answers how long they are."""
    folder, module = pathlib.Path("input").resolve(), types.ModuleType("task")
    sys.modules["task"], module.__file__ = module, "task.py"
    sys.path.append(str(folder))
    doing = "fails when it is loaded"
    try:
        exec(compile(code, "task.py", "exec"), module.__dict__)
        if not callable(getattr(module, "tables", None)):
            return {"error": "has no function tables(folder); docs/own-task.md says what it returns"}
        doing = "failed in tables(folder)"
        found = module.tables(folder)
        if not isinstance(found, list | tuple) or len(found) != 3:
            return {"error": f"returned {type(found).__name__} from tables(folder), not three DataFrames: "
                    "train, test, sample"}  # fmt: skip
        for part, frame in zip(("train", "test", "sample"), found, strict=True):
            if frame is not None and not isinstance(frame, pandas.DataFrame):
                return {"error": f"returned {type(frame).__name__} as {part} from tables(folder), not a DataFrame"}
            if frame is not None:
                MADE[part] = csv_of(frame)
    except (Exception, SystemExit) as error:
        lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == "task.py"]
        where = f" (line {lines[-1]})" if lines else ""
        return {"error": f"{doing}: {type(error).__name__}: {error}{where}"}
    if "train" not in MADE:
        return {"error": "returned no train table from tables(folder)"}
    sizes = {part: len(text) for part, text in MADE.items()}
    return {"sizes": sizes, "score": callable(getattr(module, "score", None))}


def csv_of(frame: Any) -> str:
    """A table as csv, each cell as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([str(column) for column in frame.columns])
    cells = [[cell(value) for value in frame.iloc[:, place].tolist()] for place in range(frame.shape[1])]
    writer.writerows(zip(*cells, strict=True))
    return buffer.getvalue()


def cell(value: Any) -> str:
    """As `tables.texts` has it: missing is ``, lists and dicts are JSON, all else is `str(value)`."""
    if isinstance(value, str):
        return value
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None or value is pandas.NA or value is pandas.NaT or value != value else str(value)


def exactly(count: int) -> bytes:
    """So many bytes of the questions; leaves when whoever asks has gone."""
    data = QUESTIONS.read(count)
    if len(data) < count:
        os._exit(0)
    return data


def main() -> None:
    function, problem, answers = None, "was not loaded", int(sys.argv[1])
    answer: dict[str, Any]
    while True:
        question = pickle.loads(exactly(struct.unpack("<Q", exactly(8))[0]))
        if "file" in question:
            function, problem = load(question["file"], question["name"])
            answer = {"error": problem} if problem else {}
        elif "tables" in question:
            answer = make(question["tables"])
        elif "part" in question:
            answer = {"text": MADE[question["part"]][question["from"] : question["from"] + PIECE]}
        else:
            answer = {"error": problem} if function is None else scores(function, question)
        data = json.dumps(answer).encode()
        left = memoryview(struct.pack("<Q", len(data)) + data)
        while left:
            left = left[os.write(answers, left) :]


if __name__ == "__main__":
    main()
