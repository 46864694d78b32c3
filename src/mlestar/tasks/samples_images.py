"""Small made images (`samples`): shapes on grounds of any colour, and what makes images fail in life.

Sizes and modes differ within a task (colour, gray, palettes, transparent, sixteen bits), a file is broken, one is
missing, a column stands beside the images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from mlestar.ports import Array

SIZES = ((20, 20), (24, 20), (33, 47))
MODES = ("RGB", "L", "P", "RGBA", "I;16")


def shapes(rows: int) -> tuple[pd.DataFrame, Array]:
    """Rows with an id and where each was seen, and the number their images tell: the shape first, then its size."""
    rng = np.random.default_rng(6)
    shape, size = rng.choice(3, rows, p=(0.5, 0.36, 0.14)), rng.random(rows)
    site = np.where(rng.random(rows) < 0.6, np.array(["north", "south", "west"])[shape], "east")
    cells = {"id": [f"p{i:03d}" for i in range(rows)], "site": site}
    return pd.DataFrame(cells), 3.0 * shape + size


def write(folder: Path, keys: list[str], signal: Array) -> None:
    """An image for each row in `folder`, as `<key>.png`."""
    folder.mkdir()
    for number, (key, value) in enumerate(zip(keys, signal, strict=True)):
        path = folder / f"{key}.png"
        if number == 7:
            path.write_bytes(b"\x89PNG, cut off")
        elif number != 11:
            _drawn(int(value // 3), float(value % 3), number).save(path)


def _drawn(shape: int, size: float, number: int) -> Image.Image:
    """A ring, a cross or stripes, light on dark or dark on light, with a little noise."""
    rng = np.random.default_rng([6, number])
    wide, high = SIZES[number % len(SIZES)]
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
    x, y, reach = x + rng.uniform(-0.15, 0.15), y + rng.uniform(-0.15, 0.15), 0.4 + 0.4 * size
    inside = np.maximum(abs(x), abs(y)) < reach
    ring = abs(np.hypot(x, y) - reach) < 0.2
    marked = (ring, inside & (np.minimum(abs(x), abs(y)) < 0.15), inside & (np.floor(x * 4) % 2 == 0))[shape]
    ground, ink = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    ground, ink = (ground, ink) if number % 2 else (ink, ground)
    pixels = np.where(marked[..., None], ink, ground) + rng.normal(0, 8, (high, wide, 3))
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    mode = MODES[number % len(MODES)]
    if mode != "I;16":
        return image.convert(mode)
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
