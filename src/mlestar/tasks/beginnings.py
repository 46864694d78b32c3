"""How a task folder looks from outside, for somebody who reads it: its names, and how its tables begin. Bounded."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.tasks.tables import format_of, read

_ENTRIES, _NAMES, _TABLES, _CROWD = 60, 5, 12, 20  # a folder with more tables than that holds files of rows
_ROWS, _LINE, _BYTES, _LARGE = 4, 1_500, 32_768, 300_000_000
_PACKED = (".gz", ".zip", ".parquet")  # read whole


def listing(folder: Path) -> str:
    """The entries of a folder, a line each; of folders in it, how many they hold and the first."""
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    lines = [_entry(folder / name) for name in names[:_ENTRIES]]
    more = len(names) - len(lines)
    return "\n".join([*lines, f"and {more} more"] if more else lines)


def _entry(path: Path) -> str:
    if not path.is_dir():
        size = f"{path.stat().st_size:,} bytes" if path.exists() else "a link to nothing"
        return f"{word(path.name, 120)}: {size}"
    inside = sorted(os.listdir(path))
    shown = ", ".join(word(name, 60) for name in inside[:_NAMES])
    return f"{word(path.name, 120)}/: {len(inside):,} entries" + (f", such as {shown}" if shown else "")


def heads(folder: Path) -> tuple[tuple[str, str], ...]:
    """The first lines of each table of a folder and of folders in it, by its path below `folder`."""
    below = (_tables(path) for path in sorted(folder.iterdir()) if path.is_dir())
    found = [*_tables(folder), *chain.from_iterable(tables for tables in below if len(tables) <= _CROWD)]
    return tuple((path.relative_to(folder).as_posix(), _head(path, folder)) for path in found[:_TABLES])


def _tables(folder: Path) -> list[Path]:
    names = sorted(os.listdir(folder))[: 4 * _CROWD]
    paths = [folder / name for name in names if not name.startswith(".")]
    return [path for path in paths if path.is_file() and format_of(path)]


def _head(path: Path, folder: Path) -> str:
    """The header and the first rows, as they stand in a file of text."""
    if path.suffix.lower() in _PACKED:
        if path.stat().st_size > _LARGE:
            return "(not shown: it is large and packed)"
        try:
            text = str(read(path, folder).frame.head(_ROWS).to_csv(index=False))
        except TaskError as error:
            return f"(cannot be read: {error})"
    else:
        with path.open("rb") as file:
            data = file.read(_BYTES)
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    return "\n".join(line[:_LINE] for line in text.splitlines()[: _ROWS + 1])
