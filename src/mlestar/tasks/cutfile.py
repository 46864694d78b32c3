"""`<run>/task/cut.json`: the cut and the checksums of the task's files, written before any brain speaks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlestar.errors import RunError, TaskError
from mlestar.plain import word
from mlestar.tasks.others import everything
from mlestar.tasks.splits import Cut

PLACE = "task/cut.json"
_LONE = re.compile(r"[\ud800-\udfff]")  # what stands for a byte that is no UTF-8
_LONGEST = 240  # bytes of a name: views put a few before and after it while they build
_ANEW = "remove it, and `mle-star resume` cuts the task again as it was cut."


@dataclass(frozen=True, eq=False)
class Recorded:
    """What was cut, from which folder, with which seed."""

    folder: Path
    seed: int
    search_rows: int | None
    cut: Cut
    files: dict[str, str]
    made: str = ""  # the digest of the tables that a task.py made


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of the task folder, by its path; TaskError for one that views cannot hold."""
    found = {}
    try:
        for name in everything(folder):
            if _LONE.search(name) or max(len(os.fsencode(part)) for part in name.split("/")) > _LONGEST:
                raise TaskError(f"{folder}: the file name {word(name, 80)!r} is no UTF-8, or too long; rename it")
            found[name] = _of_file(f"{folder}/{name}")
    except OSError as error:
        raise TaskError(f"{folder}: {word(error.filename, 80)} cannot be read: {error.strerror}") from None
    return found


def _of_file(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:  # there may be a file for each row: no buffer of its own
        while block := stream.read(1 << 16):
            digest.update(block)
    return digest.hexdigest()


def write(run: Path, recorded: Recorded) -> None:
    """Write the record; it is there whole or not at all."""
    cut = recorded.cut
    content = {
        "folder": str(recorded.folder),
        "seed": recorded.seed,
        "search_rows": recorded.search_rows,
        "kind": cut.kind,
        "evidence": cut.evidence,
        "sealed": cut.sealed.tolist(),
        "folds": [fold.tolist() for fold in cut.folds],
        "owners": cut.owners.tolist(),
        "files": recorded.files,
        **({"made": recorded.made} if recorded.made else {}),
    }
    save(run / PLACE, {"checksum": _checksum(content), **content})


def read(run: Path) -> Recorded:
    """Read the record of a run; RunError when it is missing or was altered."""
    path = run / PLACE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        checksum = content.pop("checksum")
    except FileNotFoundError:
        raise RunError(f"{run} is no run folder: {path} is missing.") from None
    except (ValueError, KeyError, AttributeError):
        raise RunError(f"{path} is damaged: {_ANEW}") from None
    if checksum != _checksum(content):
        raise RunError(f"{path} was altered after it was written: {_ANEW}")
    folds = tuple(np.array(fold, np.intp) for fold in content["folds"])
    sealed, owners = np.array(content["sealed"], np.intp), np.array(content["owners"], np.intp)
    cut = Cut(content["kind"], sealed, folds, owners, content["evidence"])
    made = content.get("made", "")
    return Recorded(Path(content["folder"]), content["seed"], content["search_rows"], cut, content["files"], made)


def verify(recorded: Recorded) -> None:
    """RunError naming the first file of the task folder that changed since the cut."""
    if not recorded.folder.is_dir():
        raise RunError(f"the task folder {recorded.folder} is gone: put it back to resume this run.")
    now = checksums(recorded.folder)
    for name in sorted({*now, *recorded.files}):
        if now.get(name) != recorded.files.get(name):
            what = "is new" if name not in recorded.files else "is missing" if name not in now else "has changed"
            raise RunError(
                f"{recorded.folder / name} {what} since this run began: restore the task folder to resume it, "
                "or start a new run."
            )


def save(path: Path, content: Any) -> None:
    """Write JSON beside its place, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.building")
    temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, path)


def _checksum(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
