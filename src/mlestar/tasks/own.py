"""A task that is no table of rows with a target: `task.py` in its folder makes tables of it (docs/own-task.md).

`tables(folder)` returns three DataFrames: the training rows with their targets, the rows to predict, the sample
submission; the last two may be None where the folder has such a table. From there on the task is one of tables:
cut, viewed and judged like any other. What the file was made of is in no view: labels may lie anywhere in it.

The file is a program that somebody wrote: it runs behind the wall (metrics/inside.py), on the folder, read-only.
What it answers is text; it becomes csv files that are read like a stranger's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from mlestar.errors import TaskError
from mlestar.ports import Serve
from mlestar.tasks import tables
from mlestar.tasks.infer_files import Files, Findings, completed
from mlestar.tasks.manifest import Manifest, TaskEntry, read_manifest
from mlestar.tasks.metrics.custom import ANSWERER, asked

NAME = "task.py"
PLACE = Path("task/tables")  # below a run
FILES = {"train": "train.csv", "test": "test.csv", "sample": "sample_submission.csv"}
MOST = 2**30  # characters of one table
_PERMISSION = " (behind the wall another user may read: try `chmod -R a+rX` on the task folder)"


def is_own(folder: Path, entry: TaskEntry) -> bool:
    """Whether a `task.py` makes the tables; raises TaskError where task.toml says so and there is none."""
    there = os.path.isfile(folder / NAME)
    if entry.kind == "custom" and not there:
        raise TaskError(
            f'task.toml says kind = "custom", but there is no {NAME} in {folder}: write one with '
            "`tables(folder)` (docs/own-task.md), or take that line out"
        )
    return there and entry.kind in (None, "custom")


def make(folder: Path, place: Path, serve: Serve | None, data: Path | None = None) -> str:
    """Have the folder's `task.py` make its tables, as csv files in `place`, anew; their digest, `` without a task.py.

    `data` is the folder that it is shown, where that is another. Raises TaskError when the program fails, or what it
    made is no table, and whatever `serve` raises.
    """
    manifest = read_manifest(folder)
    if not is_own(folder, manifest.task):
        return ""
    if serve is None:
        raise TaskError(f"{folder / NAME} is a program: there is nothing to run it in")
    try:
        code = (folder / NAME).read_bytes()
    except OSError as error:
        raise TaskError(f"{folder / NAME} cannot be read: {error.strerror or error}") from None
    texts = _texts(code, manifest, (data or folder).resolve(), serve)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for part, text in texts.items():
        (place / FILES[part]).write_bytes(text)
    return digest(place)


def digest(place: Path) -> str:
    """What tells the made tables in `place` from others; `` where there are none."""
    found = hashlib.sha256()
    names = [name for name in FILES.values() if (place / name).is_file()]
    for name in names:
        found.update(name.encode() + b"\0" + hashlib.sha256((place / name).read_bytes()).digest())
    return found.hexdigest() if names else ""


def find(folder: Path, made: Path | None, entry: TaskEntry, say: Findings) -> Files:
    """The made tables, read, and what the folder itself adds to them."""
    if made is None:
        raise TaskError(f"{folder / NAME} is a program: there is nothing to run it in")
    found = {part: tables.read(made / name, made) for part, name in FILES.items() if (made / name).is_file()}
    for part, table in found.items():
        if getattr(entry, part):
            raise TaskError(
                f"task.toml says {part} = {getattr(entry, part)!r}, but {NAME} makes that table: choose one"
            )
        say.evidence.append(f"{part}: made by {NAME}, in views as {table.name}")
    return completed(folder, found["train"], found.get("test"), found.get("sample"), entry, say)


def _texts(code: bytes, manifest: Manifest, data: Path, serve: Serve) -> dict[str, bytes]:
    """What `tables(folder)` gave, as csv."""
    answer = serve(ANSWERER.read_text(encoding="utf-8"), data)

    def ask(question: dict[str, Any]) -> dict[str, Any]:
        found = asked(answer, question)
        if "error" in found:
            hint = _PERMISSION if "PermissionError" in str(found["error"]) else ""
            raise TaskError(f"{NAME} {found['error']}{hint}")
        return found

    told = ask({"tables": code})
    if told.get("score") is True and not manifest.task.metric:
        raise TaskError(
            f'{NAME} has a score(): write metric = "{NAME}:score" and direction = "min" or "max" below [task] in '
            "task.toml, or take it out"
        )
    sizes = told.get("sizes")
    if not isinstance(sizes, dict) or "train" not in sizes or not all(_is_size(sizes.get(part)) for part in sizes):
        raise TaskError(f"{NAME} gave no tables that can be read")
    return {part: _text(part, sizes[part], ask) for part in FILES if part in sizes}


def _is_size(value: Any) -> bool:
    if isinstance(value, int) and value > MOST:
        raise TaskError(f"{NAME}: a table of {value} characters; at most {MOST} can be taken")
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _text(part: str, size: int, ask: Any) -> bytes:
    pieces, left = [], size
    while left > 0:
        piece = ask({"part": part, "from": size - left}).get("text")
        if not isinstance(piece, str) or not 0 < len(piece) <= left:
            raise TaskError(f"{NAME} gave no {part} table that can be read")
        pieces.append(piece)
        left -= len(piece)
    try:
        return "".join(pieces).encode()
    except UnicodeEncodeError:
        raise TaskError(f"{NAME}: a cell of the {part} table holds half of a character (\\ud800 to \\udfff)") from None
