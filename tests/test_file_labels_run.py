"""A folder without any table runs to the end: images in class folders, recordings with their labels in their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from mlestar import config, runs, studying
from mlestar.tasks import samples_audio

SIZES = ["branches=1", "init.candidates=1", "refine.outer=0", "ensemble.rounds=1", "judging.folds=1", "bag=1"]
METRIC = "\n\n## Metric\n\nClassification accuracy.\n"


def watch(progress: object) -> None:
    """Nobody looks."""


def share_right(folder: Path, run: Path, answers: dict[str, str], column: str) -> float:
    """How many of the test rows a run's submission gets right, and whether it kept to the sample's order."""
    runs.start(folder, run, config.load(SIZES, jobs=2, brain="playbook"), watch)
    made = pd.read_csv(run / "best" / "submission.csv", dtype=str)
    assert list(made) == ["id", column]
    assert made["id"].tolist() == list(answers)
    return float(np.mean(made[column] == list(answers.values())))


def ask(folder: Path, answers: dict[str, str], column: str, constant: str, about: str) -> None:
    pd.DataFrame({"id": list(answers), column: constant}).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(f"# {about}{METRIC}")


def test_images_in_class_folders(tmp_path: Path) -> None:
    rng, folder, answers = np.random.default_rng(0), tmp_path / "task", {}
    for number in range(90):
        kind = ("bars", "rings", "dots")[number % 3]
        y, x = np.mgrid[-1:1:16j, -1:1:16j] + rng.uniform(-0.2, 0.2, (2, 1, 1))
        marked = {
            "bars": np.floor(4 * x) % 2 == 0,
            "rings": abs(np.hypot(x, y) - 0.6) < 0.2,
            "dots": np.hypot(x, y) < 0.3,
        }
        shade = np.where(marked[kind], 200, 60) + rng.normal(0, 20, (16, 16))
        place = folder / "train" / kind / f"{number // 3:03d}.png" if number < 66 else folder / "test" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8)).save(place)
        if number >= 66:
            answers[str(number)] = kind
    (folder / "train" / "bars" / ".DS_Store").write_bytes(b"\0")
    ask(folder, answers, "label", "rings", "Shapes")
    assert share_right(folder, tmp_path / "run", answers, "label") > 0.8  # a constant: 0.35


def test_recordings_with_labels_in_their_names(tmp_path: Path) -> None:
    rng, folder, answers = np.random.default_rng(0), tmp_path / "task", {}
    for number in range(90):
        kind, who = number % 3, ("ann", "bob", "cy", "dee")[number // 3 % 4]
        part = np.linspace(0, 1, int(rng.integers(1500, 2500)))
        tone = np.sin(np.cumsum((1 + (kind - 1) * 0.6 * (part - 0.5)) * rng.uniform(0.6, 0.8)))
        name = f"train/{kind}_{who}_{number}.wav" if number < 66 else f"test/{number}.wav"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        samples_audio.save(folder / name, 0.3 * tone + rng.normal(0, 0.02, len(part)), samples_audio.RATE)
        if number >= 66:
            answers[str(number)] = str(kind)
    ask(folder, answers, "glide", "0", "Glides\n\nFiles are called `{glide}_{speaker}_{number}.wav`.")
    assert share_right(folder, tmp_path / "run", answers, "glide") > 0.7  # a constant: 0.35


def test_files_in_folders_below_count_as_read() -> None:
    assert studying.touched("train/{file}", {"train/cat/001.png"})
    assert not studying.touched("train/{file}", {"test/001.png", "train.csv"})
