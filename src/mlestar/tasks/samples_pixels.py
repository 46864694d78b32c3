"""Small images made in code, always the same (`samples`): dark strokes on a stained ground, and the strokes alone.

What makes such tasks fail in life is in them: images of unlike sizes, colour, intensities up to 255, pixels told column
by column and counted from 0, ids in columns of their own, a sample that is packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from mlestar.ports import Array

TRAIN, TEST = 12, 3
PLAIN, ODD = "gray images", "colour images"
DESCRIPTION = "# {name}\n\nTake the stains off.\n\n## Metric\n\nRMSE of intensities, from 0 to {white:g}.\n"


def write(name: str, folder: Path, train: int = TRAIN) -> None:
    """Write the task of this name, with so many training images, as a folder without a task.toml; `folder` is there."""
    odd = name == ODD
    inputs, targets, tests = ("in/known", "in/wanted", "in/asked") if odd else ("train", "train_clean", "test")
    for number in range(train + TEST):
        stained, clean = pair(number, odd)
        stem = f"p{number}" if odd else str(10 + 7 * number)
        known = number < train
        save(stained, folder / (inputs if known else tests) / f"{stem}.png")
        if known:
            save(clean[..., None], folder / targets / (f"{stem}.clean.png" if odd else f"{stem}.png"))
    asked = sorted((folder / tests).iterdir(), reverse=odd)
    sizes = [Image.open(path).size for path in asked]
    molten = pd.concat([_molten(path.stem, *size, odd) for path, size in zip(asked, sizes, strict=True)])
    name_of_sample = "sample_submission.parquet" if odd else "sampleSubmission.csv.gz"
    molten.to_parquet(folder / name_of_sample, index=False) if odd else molten.to_csv(
        folder / name_of_sample, index=False
    )
    text = DESCRIPTION.format(name=name, white=255 if odd else 1)
    (folder / "description.md").write_text(text, encoding="utf-8")


def pair(number: int, colour: bool) -> tuple[Array, Array]:
    """An input (rows, columns, channels) and its target (rows, columns), from 0 to 1."""
    rng = np.random.default_rng([6, number])
    size = (36 + 4 * (number % 3), 44 + 2 * (number % 2))
    rows, columns = np.indices(size)
    clean = np.ones(size)
    for _ in range(5):
        top, left = rng.integers(2, size[0] - 4), rng.integers(2, size[1] - 14)
        clean[top : top + 2, left : left + 12] = 0.05
    stain = 0.35 * np.exp(-((rows - rng.uniform(0, size[0])) ** 2 + (columns - rng.uniform(0, size[1])) ** 2) / 150)
    ground = 0.85 - stain + rng.normal(0, 0.03, size)
    gray = np.clip(np.minimum(ground, 0.5 + 0.5 * clean), 0, 1)
    tints = np.array([1.0, 0.95, 0.8]) if colour else np.ones(1)
    return gray[..., None] * tints, clean


def save(image: Array, path: Path) -> None:
    """Write intensities (rows, columns, 1 or 3 channels) as an 8-bit image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.round(255 * image).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def _molten(name: str, width: int, height: int, odd: bool) -> pd.DataFrame:
    """The sample's rows of one image."""
    rows, columns = (axis.ravel("F" if odd else "C") for axis in np.indices((height, width)))
    if odd:
        return pd.DataFrame({"page": name, "x": columns, "y": rows, "shade": 128.5})
    ids: Sequence[str] = [f"{name}_{r}_{c}" for r, c in zip(rows + 1, columns + 1, strict=True)]
    return pd.DataFrame({"id": ids, "value": 0.5})
