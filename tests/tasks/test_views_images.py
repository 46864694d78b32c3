"""Rows whose file is an image: what a view tells of held rows does not depend on their answers (DESIGN.md §4)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from mlestar.tasks.prepared import prepare

ROWS = 60


def task_of(folder: Path, labels: list[str]) -> Path:
    """A folder as on Kaggle: labels by id, an image for each id, of unlike sizes and times; no table of the test."""
    for side, count in (("train", ROWS), ("test", 12)):
        (folder / side).mkdir(parents=True)
        for i in range(count):
            path = folder / side / f"{i + 1 + 1000 * (side == 'test')}.png"
            rng = np.random.default_rng([i, side == "test"])
            Image.fromarray(rng.integers(0, 255, (6 + i % 3, 7, 3), dtype=np.uint8)).save(path)
            os.utime(path, (1_600_000_000 + i, 1_600_000_000 + i))
    known = pd.DataFrame({"ID": range(1, ROWS + 1), "Class": labels})
    known.to_csv(folder / "trainLabels.csv", index=False)
    asked = pd.DataFrame({"ID": range(1001, 1013), "Class": labels[0]})
    asked.to_csv(folder / "sampleSubmission.csv", index=False)
    (folder / "description.md").write_text("# Letters\n\n## Metric\n\nClassification accuracy.\n")
    (folder / "task.toml").write_text('[task]\nsplit = "random"\n')
    return folder


def shown(view: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below the test folder and the sample: names in the order of listing, sizes, times, bytes."""
    found = {}
    for place in (view / "test", view):
        for entry in os.scandir(place):
            if entry.is_file() and entry.name != "trainLabels.csv":
                told = entry.stat()
                found[f"{place.name}/{entry.name}"] = (told.st_size, told.st_mtime_ns, Path(entry.path).read_bytes())
    return found


def test_held_labels_leave_the_images_of_a_view_as_they_are(tmp_path: Path) -> None:
    labels = [str(kind) for kind in np.random.default_rng(0).permutation(np.arange(ROWS) % 3)]
    one = prepare(task_of(tmp_path / "a" / "task", labels), tmp_path / "a" / "run", 0)
    held = one.cut.folds[0]
    mixed = np.array(labels, dtype=object)
    mixed[held] = np.roll(mixed[held], 1)
    assert list(mixed) != labels
    two = prepare(task_of(tmp_path / "b" / "task", list(mixed)), tmp_path / "b" / "run", 0)
    mine, theirs = (shown(task.view("fold-0")) for task in (one, two))
    assert list(mine.items()) == list(theirs.items())
    images = [name for name in mine if name.endswith(".png")]
    assert len(images) == len(held)
    assert len({mine[name][1] for name in images}) == 1  # one time for all: that of a file told its row


def test_folders_of_classes_are_named_by_task_toml_and_tell_nothing_of_held_rows(tmp_path: Path) -> None:
    folder, labels = tmp_path / "task", [("cat", "dog")[i % 2] for i in range(ROWS)]
    for i, label in enumerate([*labels, *[""] * 12]):
        path = folder / ("train" if label else "test") / label / f"im{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), i).save(path)
    names = [f"im{i:03d}" for i in range(ROWS + 12)]
    pd.DataFrame({"id": names[:ROWS], "label": labels}).to_csv(folder / "train.csv", index=False)
    pd.DataFrame({"id": names[ROWS:], "label": "cat"}).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text("# Pets\n\n## Metric\n\nClassification accuracy.\n")
    (folder / "task.toml").write_text('[[assets]]\ntrain = "train/{label}/{id}.png"\ntest = "test/{id}.png"\n')
    task = prepare(folder, tmp_path / "run", 0)
    view = task.view("fold-0")
    assert [(asset.train, asset.kind) for asset in task.profile.assets] == [("train/{label}/{id}.png", "image")]
    assert {path.parent for path in view.rglob("*.png")} == {view / "train/cat", view / "train/dog", view / "test"}
    held = {Image.open(path).getpixel((0, 0)) for path in (view / "test").iterdir()}
    assert held == set(task.cut.folds[0].tolist())  # the shade is the row's number
    assert len(list((view / "train").rglob("*.png"))) == len(task.cut.search) - len(held)
