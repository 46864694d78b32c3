"""A user's own metric: `score(truth, prediction, train) -> float` in a file of the task folder.

`truth` and `prediction` are DataFrames with the same rows and columns: the id columns, then the predicted
columns as a submission has them (label texts, texts, numbers; the columns of class probabilities are 0 and 1
in `truth`; a ranking is a space-separated text). `train` is the train part, or None where there is none.

The file is a program that somebody wrote: it runs behind the wall (inside.py), never in our process, and sees
nothing but itself, what is installed, and what it is called with.
"""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar import plain
from mlestar.errors import TaskError
from mlestar.ports import Answer, Serve
from mlestar.records import Direction
from mlestar.tasks.metrics.formulas import chosen
from mlestar.tasks.metrics.record import Context, Metric
from mlestar.tasks.metrics.ways import Floats, Resamples, affordable

Array = NDArray[Any]
LISTED = 20  # places of a ranking that a user's metric is shown
ANSWERER = Path(__file__).with_name("inside.py")


def load_custom(folder: Path, reference: str, direction: Direction, serve: Serve) -> Metric:
    """The metric that `reference` names, such as `metric.py:score`, in the task folder.

    Runs the user's file, behind the wall. Raises TaskError when the file or the function is missing or
    the file fails.
    """
    file, _, name = reference.partition(":")
    path = folder / file
    if not file.endswith(".py") or not name:
        raise TaskError(f"metric {reference!r}: write `file.py:function`, such as `metric.py:score`")
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise TaskError(f"metric {reference!r}: there is no file {file} in {folder}")
    answer = serve(ANSWERER.read_text(encoding="utf-8"), {path.name: path.read_bytes()})
    program = Program(answer, reference, path.name, name)
    program.load()
    forms: Any = ("label", "ranking", "probability", "value", "text")
    return Metric(reference, direction, forms, None, UserFrames(program))


class Program:
    """The user's function behind the wall. Safe from many threads."""

    def __init__(self, answer: Answer, reference: str, file: str, name: str) -> None:
        self._answer, self._reference, self._file, self._name = answer, reference, file, name
        self._known: set[str] | None = None  # the train parts that the program has; None before it has read the file
        self._turn = threading.RLock()

    def load(self) -> None:
        """Have the user's file read; raises TaskError when that fails."""
        with self._turn:
            self._ask({"file": self._file, "name": self._name})
            self._known = set()

    def scores(self, truth: pd.DataFrame, prediction: pd.DataFrame, context: Context, rows: Sequence[Array]) -> Floats:
        """The metric on resamples of the rows, or once on all of them where `rows` is empty.

        Raises TaskError when it fails or returns anything but a finite number.
        """
        with self._turn:
            if self._known is None:  # it failed, and was started anew
                self.load()
            part, known = context.part, self._known if self._known is not None else set()
            frames = {} if part in known or context.train is None else {part: context.train}
            asked = {"frames": frames, "train": part, "truth": truth, "prediction": prediction, "rows": list(rows)}
            found = self._ask(asked)
            known.add(part)
        scores = found.get("scores")
        if not isinstance(scores, list) or len(scores) != max(len(rows), 1) or not all(map(_sound, scores)):
            raise TaskError(f"metric {self._reference!r} gave no scores")
        return np.array(scores, dtype=np.float64)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        found = asked(self._answer, question)
        if found.get("gone") is True:
            self._known = None
        if "error" in found:
            raise TaskError(f"metric {self._reference!r} {found['error']}")
        return found


def asked(answer: Answer, question: dict[str, Any]) -> dict[str, Any]:
    """What inside.py answers; `error` says in one line what is wrong, with `gone` where it has to be started anew."""
    try:
        found = json.loads(answer(pickle.dumps(question)))
    except (ValueError, RecursionError):
        return {"error": "gave no answer that can be read"}
    except Exception as error:  # whatever became of a program that nobody trusts
        return {"error": plain.word(f"gave no answer: {error}", 500), "gone": True}
    if not isinstance(found, dict):
        return {"error": "gave no answer that can be read"}
    return {**found, "error": plain.word(found["error"], 500)} if "error" in found else found


def _sound(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isfinite(value))


@dataclass(frozen=True)
class UserFrames:
    """The way of a user's metric: arrays are dressed as submissions and handed over."""

    program: Program
    context: Context = field(default_factory=Context)

    def score(self, truth: Array, prediction: Array) -> float:
        return float(self.program.scores(*self._frames(truth, prediction), self.context, [])[0])

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        few = draws.counts[: affordable(len(draws.counts), 0.005 + 2e-6 * prediction.size)]
        rows = [np.repeat(np.arange(len(truth)), counts[draws.owner].astype(np.intp)) for counts in few]
        return self.program.scores(*self._frames(truth, prediction), self.context, rows)

    def _frames(self, truth: Array, prediction: Array) -> tuple[pd.DataFrame, pd.DataFrame]:
        context = self.context
        classes = np.array([*context.classes, ""], dtype=object)
        if context.predicts in ("label", "ranking"):
            true = classes[truth][:, None]
            mine = classes[chosen(prediction)][:, None] if context.predicts == "label" else _lists(prediction, classes)
        elif truth.ndim == 1 and truth.dtype != object:
            true = np.eye(max(2, prediction.shape[1]))[truth][:, -prediction.shape[1] :]
            mine = prediction
        else:
            true, mine = truth.reshape(len(truth), -1), prediction
        return self._dressed(true), self._dressed(mine)

    def _dressed(self, values: Array) -> pd.DataFrame:
        columns = self.context.columns or tuple(str(number) for number in range(values.shape[1]))
        frame = pd.DataFrame(values, columns=list(columns))
        keys = self.context.keys
        return frame if keys is None else pd.concat([keys.reset_index(drop=True), frame], axis=1)


def _lists(prediction: Array, classes: Array) -> Array:
    order = np.argsort(-prediction, axis=1, kind="stable")[:, :LISTED]
    listed = [
        " ".join(classes[c] for c in places if row[c] != 0) for places, row in zip(order, prediction, strict=True)
    ]
    return np.array(listed, dtype=object)[:, None]
