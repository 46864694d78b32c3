"""Small tasks made in code, always the same: what a recipe is tried on by `mle-star library check`.

A table has every kind of column, gaps, and a category that only the test has; a text's words are drawn with odds that
differ by class; series are those of `samples_series`. What is to be learned is plain, so that a recipe which works at
all beats a constant.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.ports import Array
from mlestar.records import Predicts, Recipe
from mlestar.tasks import metrics, pixelwise, samples_pixels, samples_series
from mlestar.tasks.prepared import Prepared
from mlestar.tasks.samples_texts import inflected, pieces
from mlestar.tasks.sides import truth

ROWS = 240
SUFFIXES = ("csv", "tsv", "json", "jsonl", "parquet")
MOST_ROWS = 2000  # however many a recipe's conditions ask for: a check takes seconds
_SHARES = {2: (0.7, 0.3), 3: (0.5, 0.36, 0.14)}  # so unequal that the rarest counts as rare
_STEMS = [
    f"{a}{b}{c}" for a in ("bra", "ko", "stri", "pel") for b in ("mi", "tor", "lun", "gas") for c in ("n", "ka", "do")
]


@dataclass(frozen=True)
class Sample:
    """One built-in task. `classes` is 0 where targets are numbers, or columns of 0 and 1."""

    name: str
    predicts: Predicts
    metric: str
    classes: int = 0
    targets: int = 1
    about: Literal["table", "text", "series", "words", "pieces", "pixels"] = "table"
    rows: int = ROWS
    files: bool = False  # whether rows have files of their own
    suffix: str = "csv"


GRADES = "grades"
SAMPLES = (
    Sample("three classes", "label", "accuracy", 3),
    Sample("three probabilities", "probability", "log_loss", 3),
    Sample("one value", "value", "rmse"),
    Sample("two values", "value", "mean_columnwise_rmse", targets=2),
    Sample("three classes of texts", "label", "accuracy", 3, about="text"),
    Sample("three probabilities of texts", "probability", "log_loss", 3, about="text"),
    Sample("a value of texts", "value", "rmse", about="text"),
    Sample("many series", "value", "mase", about="series"),
    Sample("one series", "value", "smape", about="series"),
    Sample("two targets of series", "value", "mean_columnwise_mae", targets=2, about="series"),
    # the rest only where a recipe asks for it
    Sample("two classes", "label", "f1", 2),
    Sample("many classes", "label", "accuracy", 12),
    Sample("ranked classes", "ranking", "map@3", 3),
    Sample("one probability", "probability", "roc_auc", 2),
    Sample("two probabilities", "probability", "mean_columnwise_roc_auc", targets=2),
    Sample(GRADES, "value", "quadratic_weighted_kappa"),
    Sample("words of words", "text", "exact_match", about="words"),
    Sample("pieces of texts", "text", "word_jaccard", about="pieces"),
    Sample(samples_pixels.PLAIN, "value", "rmse", about="pixels"),
    Sample(samples_pixels.ODD, "value", "rmse", about="pixels"),
)
_USUAL = 10


def suited(recipe: Recipe) -> tuple[Sample, ...]:
    """The built-in tasks for a recipe, by its kind, form, cell and conditions; perhaps more than it can be used in."""
    if recipe.form == "texts":
        return _texts_for(recipe)
    about = (
        "series"
        if "forecast" in recipe.when
        else recipe.kind
        if recipe.kind in ("text", "series", "pixels")
        else "table"
    )
    forms = ("classes", "values") if recipe.form == "any" else (recipe.form,)
    found = [s for s in SAMPLES if s.about == about and ("values" if s.predicts == "value" else "classes") in forms]
    if about == "pixels":
        return tuple(found)
    if recipe.cell == "load":
        suffix = next((s for s in SUFFIXES if recipe.name.removesuffix("-files") == f"load-{s}"), "csv")
        return tuple(replace(s, suffix=suffix, files=recipe.name.endswith("-files")) for s in found[:1])
    if recipe.cell != "skeleton":
        found = _asked_for(recipe, found) or [s for s in found if s in SAMPLES[:_USUAL]]
    rows = max([ROWS, *(int(c.removeprefix("rows>=")) for c in recipe.when if c.startswith("rows>="))])
    files = recipe.cell == "row_files" or "row_files" in recipe.when
    return tuple(replace(s, rows=min(rows, MOST_ROWS), files=files) for s in found)


def _texts_for(recipe: Recipe) -> tuple[Sample, ...]:
    """The tasks that ask for text: pieces of texts only for recipes that look for such."""
    wanted = ("pieces",) if "spans" in recipe.when else ("words", "pieces") if recipe.cell == "skeleton" else ("words",)
    return tuple(sample for sample in SAMPLES if sample.about in wanted)


def _asked_for(recipe: Recipe, found: list[Sample]) -> list[Sample]:
    """The tasks that the recipe's cell or one of its conditions asks for; none where the usual ones will do."""
    wanted = [c.removeprefix("metric:") for c in recipe.when if c.startswith("metric:")]
    if wanted:
        fitting = [s for s in found if _fits(wanted[0], s)]
        same = [s for s in fitting if s.metric == wanted[0]]
        return [replace(s, metric=wanted[0]) for s in same[:1] or fitting[:3]]
    if "many_classes" in recipe.when:
        return [s for s in found if s.classes > 3]
    if "multi_target" in recipe.when:
        return [s for s in found if s.targets > 1]
    if recipe.cell == "post":  # probabilities are handed in as they are
        return [s for s in found if s.predicts in ("label", "value") and s in SAMPLES[:_USUAL]]
    return []


def _fits(metric: str, sample: Sample) -> bool:
    return metric in metrics.METRICS and not metrics.fits(
        metrics.get(metric), sample.predicts, sample.targets, sample.classes
    )


def write(sample: Sample, folder: Path) -> None:
    """Write a built-in task as a task folder; `folder` must not exist."""
    folder.mkdir(parents=True)
    if sample.about == "pixels":
        samples_pixels.write(sample.name, folder)
        return
    if sample.about == "series":
        known, asked, goals = samples_series.tables(sample.name, sample.targets)
        _save(known, folder / f"train.{sample.suffix}")
        _save(asked, folder / f"test.{sample.suffix}")
        asked[["id"]].assign(**dict.fromkeys(goals, 0.5)).to_csv(folder / "sample_submission.csv", index=False)
        _describe(sample, goals, folder)
        return
    whole = sample.rows + sample.rows // 3
    cells, signal = _ABOUT[sample.about](whole, sample.rows)
    answers = _answers(sample, signal)
    test = slice(sample.rows, None)
    known = pd.concat([cells, answers], axis=1)[: sample.rows]
    _save(known, folder / f"train.{sample.suffix}")
    _save(cells[test].reset_index(drop=True), folder / f"test.{sample.suffix}")
    columns = _submitted(sample, answers)
    asked = pd.concat([cells[["id"]], pd.DataFrame(columns)], axis=1)
    asked[test].to_csv(folder / "sample_submission.csv", index=False)
    if sample.files:
        for side, keys in (("train", cells["id"][: sample.rows]), ("test", cells["id"][test])):
            _row_files(folder / side, list(keys))
    _describe(sample, [str(name) for name in answers], folder)


def _describe(sample: Sample, targets: list[str], folder: Path) -> None:
    """The task's `task.toml` and its description."""
    split = "horizon" if sample.about == "series" else "random"
    said = {"target": targets, "id": ["id"], "metric": sample.metric, "split": split}
    lines = [f"{key} = {json.dumps(value)}" for key, value in said.items()]
    (folder / "task.toml").write_text("\n".join(["[task]", *lines, ""]), encoding="utf-8")
    about = f"# {sample.name}\n\nA task made in code.\n\n## Metric\n\n{sample.metric}.\n"
    (folder / "description.md").write_text(about, encoding="utf-8")


def _table(rows: int, known: int) -> tuple[pd.DataFrame, Array]:
    """A mixed table, and the number that its answers follow from."""
    rng = np.random.default_rng(1)
    a, b, kind = rng.normal(size=rows), rng.gamma(1.0, 3.0, rows), rng.choice(["x", "y", "z"], rows)
    signal = 2 * a + 3 * (kind == "x") + 0.1 * b + rng.normal(0, 0.2, rows)
    # the other columns follow it loosely: so many that tell nothing would drown what neighbours and kernels see
    near = [np.argsort(np.argsort(signal + rng.normal(0, 1.5, rows))) / rows for _ in range(5)]
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta((near[0] * 700 * 24).astype(int), unit="h")
    colours = np.array(["red", "green", "blue"])[(near[1] * 3).astype(int)]
    odd = np.where(np.arange(rows) < known, "only train", "only test")
    notes = [" ".join(rng.choice(_STEMS, 5)) for _ in range(rows)]
    cells = {
        "id": [f"{i // 3:04d}_{i % 3:02d}" for i in range(rows)],
        "a": a.round(3), "b": np.where(rng.random(rows) < 0.1, np.nan, b.round(3)),
        "size_1": np.where(rng.random(rows) < 0.3, 0, 1 + (near[2] * 900).astype(int)),
        "size_2": np.where(rng.random(rows) < 0.3, 0, 1 + (near[2] * 400).astype(int)),
        "grade": (near[3] * 4).astype(int),
        "kind": np.where(rng.random(rows) < 0.03, odd, kind),
        "open": np.where(rng.random(rows) < 0.1, "", np.where(near[4] > 0.5, "True", "False")),
        "day": [str(day) if i % 9 else "" for i, day in enumerate(days)],
        "note": [f"{note}, {colour} and round" for note, colour in zip(notes, colours, strict=True)],
        "tags": [json.dumps([colour, "all", *note.split()[:1]]) for note, colour in zip(notes, colours, strict=True)],
        "code": [f"{colour[0].upper()}/{i % 40}/P" if i % 7 else "" for i, colour in enumerate(colours)],
    }  # fmt: skip
    return pd.DataFrame(cells), signal


def _texts(rows: int, known: int) -> tuple[pd.DataFrame, Array]:
    """Two columns of text and one of lists, and the number that their words and length follow from."""
    rng = np.random.default_rng(2)
    odds = np.random.default_rng(99).dirichlet(np.full(len(_STEMS), 0.5), size=3)
    theme = rng.choice(3, rows, p=_SHARES[3])
    drawn = [list(rng.choice(_STEMS, rng.integers(8, 30), p=odds[k])) for k in theme]
    cells = {
        "id": [f"r{i}" for i in range(rows)],
        "title": [" ".join(words[:4]).capitalize() for words in drawn],
        "body": [" ".join(words) + rng.choice([".", "!", ", no?"]) for words in drawn],
        "parts": [json.dumps(words[:6]) for words in drawn],
    }
    return pd.DataFrame(cells), 3.0 * theme + np.array([len(words) / 30 for words in drawn])


_ABOUT: dict[str, Callable[[int, int], tuple[pd.DataFrame, Array]]] = {
    "table": _table,
    "text": _texts,
    "words": lambda rows, known: inflected(rows),
    "pieces": lambda rows, known: pieces(rows),
}


def _answers(sample: Sample, signal: Array) -> pd.DataFrame:
    """The target columns."""
    if sample.predicts == "text":
        return pd.DataFrame({"answer": signal})
    if sample.name == GRADES:
        return pd.DataFrame({"score": np.searchsorted(np.quantile(signal, [0.2, 0.5, 0.8]), signal)})
    if sample.classes == 2 and sample.predicts == "probability":
        return pd.DataFrame({"y": (signal > np.quantile(signal, 0.7)).astype(int)})
    if sample.predicts == "probability" and not sample.classes:
        return pd.DataFrame({"y": (signal > np.median(signal)).astype(int), "z": (signal % 2 > 0.8).astype(int)})
    if sample.classes:
        shares = _SHARES.get(sample.classes, (1 / sample.classes,) * sample.classes)
        place = np.searchsorted(np.quantile(signal, np.cumsum(shares)[:-1]), signal)
        return pd.DataFrame({"label": [f"class-{'ABCDEFGHIJKL'[k]}" for k in place]})
    values = {"y": np.exp(signal / 3).round(4), "z": (signal - signal.min()).round(3)}
    return pd.DataFrame(dict(list(values.items())[: sample.targets]))


def _submitted(sample: Sample, answers: pd.DataFrame) -> dict[str, Array]:
    """The columns that a submission has beside the id, with placeholders."""
    labels = sorted(set(answers["label"])) if "label" in answers else []
    count = len(answers)
    if sample.predicts == "ranking":
        return {"label": np.full(count, " ".join(labels))}
    if labels and sample.predicts == "probability":
        return {label: np.full(count, round(1 / len(labels), 4)) for label in labels}
    blank = labels[0] if labels else 0.5  # a fraction, lest grades are taken for labels
    blank = "text" if sample.predicts == "text" else blank
    return {str(name): np.full(count, blank) for name in answers}


def _save(table: pd.DataFrame, path: Path) -> None:
    if path.suffix in (".csv", ".tsv"):
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
        return
    native = table.assign(**{c: table[c].map(json.loads) for c in ("tags", "parts") if c in list(table)})
    if path.suffix == ".parquet":
        native.to_parquet(path)
    else:
        native.to_json(path, orient="records", lines=path.suffix == ".jsonl")


def _row_files(folder: Path, keys: list[str]) -> None:
    """A small text file of points in a box for each row."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for key in keys:
        box = "".join(f"edge {' '.join(map(str, row))}\n" for row in np.eye(3) * 5)
        points = "".join(f"p {x:.3f} {y:.3f} {z:.3f} {k}\n" for (x, y, z), k in
                         zip(rng.random((6, 3)) * 5, "AABBAB", strict=True))  # fmt: skip
        (folder / f"{key}.txt").write_text(f"# points\n{box}{points}", encoding="utf-8")


# --- what a recipe's score is held against, and what a blend is tried on -------------------------------


def constant(task: Prepared, view: str) -> float | None:
    """The metric of the best constant prediction: one class, equal odds or the train rows' class shares; their mean or
    median. None where the metric is undefined for these rows.
    """
    rows, pixels = task.rows(view), task.source.pixels
    known = (pixelwise.truth if pixels else truth)(task.source, task.side(view).train)
    if task.source.classes:
        shares = np.bincount(known, minlength=len(task.source.classes)) / len(known)
        odds = [shares, np.full(len(shares), 1 / len(shares)), *np.eye(len(shares))]
        guesses = odds if _a_column_per_class(task) else [shares[1:] for shares in odds]
    elif task.profile.predicts == "text":
        guesses = [np.array([Counter(column).most_common(1)[0][0] for column in known.T], dtype=object)]
    else:
        guesses = [known.mean(axis=0), np.median(known, axis=0)]
    try:
        found = [task.score(view, np.tile(guess, (rows, 1))) for guess in guesses]
    except TaskError:
        return None
    return max(found) if task.profile.direction == "max" else min(found)


def _a_column_per_class(task: Prepared) -> bool:
    profile = task.profile
    return profile.predicts != "probability" or len(profile.prediction_columns) == len(profile.classes)


def guesses(task: Prepared, views: tuple[str, ...]) -> dict[str, dict[str, Array]]:
    """Made predictions of four members, by name and view: they see the truth through noise of different size."""
    found: dict[str, dict[str, Array]] = {}
    for number, noise in enumerate((0.5, 0.8, 1.2, 2.0)):
        rng = np.random.default_rng([7, number])
        found[f"branch-1/init/{number}::model"] = {view: _guess(task, view, noise, rng) for view in views}
    return found


def _guess(task: Prepared, view: str, noise: float, rng: np.random.Generator) -> Array:
    known = task.side(view).truth
    assert known is not None
    if not task.source.classes:
        spread = noise * 0.5 * known.std(axis=0)
        near: Array = np.clip(known + rng.normal(size=known.shape) * spread, known.min(axis=0), known.max(axis=0))
        return near
    scores = np.eye(len(task.source.classes))[known] + rng.normal(size=(len(known), len(task.source.classes))) * noise
    chance = np.exp(2 * scores)
    chance /= chance.sum(axis=1, keepdims=True)
    return np.asarray(chance if _a_column_per_class(task) else chance[:, 1:])
