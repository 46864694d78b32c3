"""Tables made of the names of files: a row for each file, a column for each part of its path that a pattern names.

Only bytes decide the order of the rows: a name, a time or a place in a listing may tell a label.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mlestar.errors import TaskError
from mlestar.plain import word

_DEEPEST = 8  # folders below one another
_HEAD = 4096  # bytes of a file that tell it from most others


def listing(folder: Path) -> list[str]:
    """All files below a folder but hidden ones, as sorted relative paths; links are followed, each place once.

    Raises TaskError for a name that is no UTF-8: no table could hold it.
    """
    found, seen, left = [], {os.path.realpath(folder)}, [""]
    while left:
        below = left.pop()
        for entry in _entries(f"{folder}/{below}"):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                place = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if place not in seen and below.count("/") < _DEEPEST:
                    seen.add(place)
                    left.append(f"{below}{entry.name}/")
            elif entry.is_file():
                found.append(below + entry.name)
    odd = next((name for name in found if not name.isascii() and _is_odd(name)), None)
    if odd is not None:
        raise TaskError(f"{folder}: the file name {word(odd, 80)!r} is no UTF-8; rename it")
    return sorted(found)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:  # a class that is left out without a word would be worse
        raise TaskError(f"{word(folder, 300)} cannot be read: {error.strerror}") from None


def _is_odd(name: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in name)


def by_bytes(folder: Path, names: Sequence[str]) -> list[int]:
    """Places of `names` in an order that only the files' bytes decide: of files that begin alike, all of them."""
    alike: dict[bytes, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        alike[_digest(f"{folder}/{name}", _HEAD)].append(place)
    order = []
    for _, places in sorted(alike.items()):
        if len(places) > 1:
            places = sorted(places, key=lambda place: _digest(f"{folder}/{names[place]}", None))
        order += places
    return order


def _digest(path: str, most: int | None) -> bytes:
    """Of a file's size and its first `most` bytes, or of all its bytes."""
    try:
        with open(path, "rb", buffering=0) as file:
            found = hashlib.sha256(str(os.fstat(file.fileno()).st_size).encode() + b"\0")
            while block := file.read(most or 1 << 20):
                found.update(block)
                if most:
                    break
    except OSError as error:
        raise TaskError(f"{word(path, 300)} cannot be read: {error.strerror}") from None
    return found.digest()
