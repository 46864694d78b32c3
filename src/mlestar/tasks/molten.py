"""Molten images: a row per pixel, named by image, row and column. Rendering ids, reading images, in whole arrays.

Nowhere is there an object per pixel: ids are arrow texts, intensities are arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from mlestar.errors import TaskError
from mlestar.records import Pixels
from mlestar.tasks.source import Table

Array = NDArray[Any]
Sizes = Sequence[tuple[int, int]]  # rows and columns of each image
IMAGE = "image"  # the column of names in a Source's tables of images


def ids(pixels: Pixels, names: Sequence[str], sizes: Sizes) -> list[pa.Array]:
    """The id columns of all pixels, image after image."""
    parts = [
        [_column(pattern, pixels, *image) for pattern in pixels.patterns] for image in zip(names, sizes, strict=True)
    ]
    return [pa.concat_arrays(list(column)) for column in zip(*parts, strict=True)]


def _column(pattern: str, pixels: Pixels, name: str, size: tuple[int, int]) -> pa.Array:
    """One id column of one image."""
    order: Any = "F" if pixels.down else "C"
    rows, columns = (places.ravel(order) for places in np.indices(size) + pixels.first)
    parts: list[Any] = []
    for part in re.split(r"({row}|{column})", pattern):
        places = {"{row}": rows, "{column}": columns}.get(part)
        parts.append(part.replace("{image}", name) if places is None else pa.array(places).cast(pa.string()))
    if len(parts) == 1:
        return pa.array(np.full(len(rows), parts[0], dtype=object), pa.string())
    return pc.binary_join_element_wise(*parts, "")


def flat(pixels: Pixels, image: Array) -> Array:
    """An image (rows, columns, channels) as a row per pixel, in the order of `ids`."""
    turned = image.transpose(1, 0, 2) if pixels.down else image
    return turned.reshape(-1, image.shape[2])


def sizes(images: pd.DataFrame) -> list[tuple[int, int]]:
    """Rows and columns of each image of a Source's table."""
    return [(int(a), int(b)) for a, b in zip(images["height"], images["width"], strict=True)]


def owners(sizes: Sizes) -> Array:
    """The number of the image that each pixel is of."""
    return np.repeat(np.arange(len(sizes)), [rows * columns for rows, columns in sizes])


def frame(pixels: Pixels, table: Table, columns: Sequence[pa.Array]) -> pd.DataFrame:
    """A sample submission for pixels with these ids: its other columns hold the real sample's first value."""
    found = dict(zip(pixels.id, columns, strict=True))
    count = len(columns[0])
    for name in table.frame.columns:
        if name not in found:
            found[name] = pa.repeat(str(table.frame[name].iloc[0]), count)
    made: pd.DataFrame = pa.table({str(c): found[c] for c in table.frame.columns}).to_pandas()
    return made.astype(dict(table.frame.dtypes))


def header(path: Path) -> tuple[tuple[int, int], int]:
    """Rows and columns of an image, and its channels (1 or 3), without decoding it.

    Raises TaskError where it is no image that can be read.
    """
    try:
        with Image.open(path) as file:
            colour = file.mode in ("RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB") or (
                file.mode in ("P", "PA") and _coloured(file)
            )
            return (file.height, file.width), 3 if colour else 1
    except (OSError, ValueError, SyntaxError) as error:
        raise TaskError(f"{path} is no image that can be read: {error}") from None


def _coloured(file: Image.Image) -> bool:
    """Whether an image with a palette has a colour that is no gray."""
    palette = np.asarray(file.convert("RGB"))
    return bool((palette != palette[..., :1]).any())


def intensities(path: Path, channels: int) -> Array:
    """An image as intensities from 0 to 1 (rows, columns, channels), float32."""
    try:
        with Image.open(path) as file:
            bands = 1 if file.mode in ("P", "LA", "PA") else len(file.getbands())
            special = file.mode in ("P", "LA", "PA") or bands not in (1, 3)
            turned = file.convert("RGB" if channels == 3 else "L") if special or bands != channels else file
            found = np.asarray(turned)
    except (OSError, ValueError, SyntaxError) as error:
        raise TaskError(f"{path} is no image that can be read: {error}") from None
    most = {"uint8": 255.0, "uint16": 65535.0, "int32": 65535.0}.get(str(found.dtype), 1.0)
    return np.asarray((found / most).astype(np.float32).reshape(*found.shape[:2], channels))


def joined(columns: Sequence[pa.Array]) -> pa.Array:
    """One text per pixel from its id columns."""
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "\x1f")
