"""Runs behind the wall, alone: calls the user's metric for whoever asks (custom.py says who).

    python inside.py DESCRIPTOR

A question, on standard input, is a pickle of ours: a file of `input/` to load, or frames to score. An answer,
on DESCRIPTOR, is JSON: scores, or what is wrong. Both come with their length before them, in 8 bytes.
"""

from __future__ import annotations

import importlib.util
import json
import math
import numbers
import os
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

QUESTIONS = os.fdopen(os.dup(0), "rb")  # the user's code may close or read standard input
TRAIN: dict[str, Any] = {}


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


def exactly(count: int) -> bytes:
    """So many bytes of the questions; leaves when whoever asks has gone."""
    data = QUESTIONS.read(count)
    if len(data) < count:
        os._exit(0)
    return data


def main() -> None:
    function, problem, answers = None, "was not loaded", int(sys.argv[1])
    while True:
        question = pickle.loads(exactly(struct.unpack("<Q", exactly(8))[0]))
        if "file" in question:
            function, problem = load(question["file"], question["name"])
            answer: dict[str, Any] = {"error": problem} if problem else {}
        else:
            answer = {"error": problem} if function is None else scores(function, question)
        data = json.dumps(answer).encode()
        left = memoryview(struct.pack("<Q", len(data)) + data)
        while left:
            left = left[os.write(answers, left) :]


if __name__ == "__main__":
    main()
