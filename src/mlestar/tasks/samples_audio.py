"""Small recordings made in code, always the same (`samples`).

What differs in life is in them: length, rate, number of channels, bits of a sample, loudness, pauses before and after,
a line's hum, a file that is missing. What is to be learned is how a tone glides; another column tells a little too.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pandas as pd

from mlestar.ports import Array

RATE = 8000


def tables(rows: int) -> tuple[pd.DataFrame, Array]:
    """The rows' ids and a column beside the recordings, and the number that glides and answers follow from."""
    rng = np.random.default_rng(11)
    signal = rng.uniform(0, 3, rows)
    loud = (signal + rng.normal(0, 2.0, rows)).round(2)
    return pd.DataFrame({"id": [f"r{i:04d}" for i in range(rows)], "loud": loud}), signal


def write(folder: Path, keys: list[str], signal: Array) -> None:
    """A wav file for each row but the last."""
    folder.mkdir()
    for number, (key, value) in enumerate(zip(keys[:-1], signal, strict=False)):
        rng = np.random.default_rng([12, int(key[1:])])
        rate, width, channels = RATE * (1 + (number % 7 == 3)), (2, 2, 2, 1, 3, 4)[number % 6], 1 + (number % 5 == 2)
        save(folder / f"{key}.wav", _sound(float(value), rate, rng), rate, width, channels)


def save(path: Path, samples: Array, rate: int, width: int = 2, channels: int = 1) -> None:
    """Samples between -1 and 1 as a wav file of `width` bytes a sample, the same on all channels."""
    whole = np.round(np.clip(samples, -1, 1) * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    whole += 128 * (width == 1)  # 8 bits are counted from 0
    cells = np.repeat(whole, channels).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(cells.tobytes())


def _sound(value: float, rate: int, rng: np.random.Generator) -> Array:
    """A voice of several tones, one of which glides by `value`, between pauses."""
    size = int(rate * rng.uniform(0.25, 0.45))
    part = np.linspace(0, 1, size)
    voice = sum(np.sin(2 * np.pi * rng.uniform(95, 220) * k * np.arange(size) / rate) / k for k in range(1, 6))
    glide = 900 + 500 * (value - 1.5) * (part - 0.5) * 2 + rng.normal(0, 60)
    tone = 2.5 * np.sin(2 * np.pi * np.cumsum(glide) / rate)
    quiet = [np.zeros(int(rate * rng.uniform(0.01, 0.15))) for _ in range(2)]
    whole = np.concatenate([quiet[0], (voice + tone) * np.sin(np.pi * part) ** 0.3, quiet[1]])
    hum = 0.03 * np.sin(2 * np.pi * 50 * np.arange(len(whole)) / rate) + rng.normal(0, 0.02, len(whole))
    found: Array = rng.uniform(0.02, 0.18) * (whole + hum)
    return found
