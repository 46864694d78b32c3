"""Opened paths, told briefly: thousands of row files become one pattern with a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath

FOLD_ABOVE = 20
AT_MOST = 300


def fold(paths: Iterable[str]) -> tuple[str, ...]:
    """Sorted paths; more than 20 of one shape are told as `train/*/geometry.xyz (2160)`."""
    left = sorted(set(paths))
    folded: list[str] = []
    for shape in _shapes(max((p.rstrip("/").count("/") for p in left), default=0)):
        counts = Counter(shape(path) for path in left)
        many = {pattern for pattern, count in counts.items() if count > FOLD_ABOVE and "*" in pattern}
        folded += [f"{pattern} ({counts[pattern]})" for pattern in many]
        left = [path for path in left if shape(path) not in many]
    return tuple(sorted(folded + left)[:AT_MOST])


def _shapes(depth: int) -> list[Callable[[str], str]]:
    """The ways to see a path as a pattern, the most telling first: any name, any one folder, all below the first."""
    folders = [partial(_any_folder, level=level) for level in reversed(range(depth))]
    return [_any_name, *folders, _any_below]


def _any_name(path: str) -> str:
    parent, slash, _ = path.rstrip("/").rpartition("/")
    return f"{parent}{slash}*{_ending(path)}"


def _any_folder(path: str, level: int) -> str:
    *folders, name = path.rstrip("/").split("/")
    if level < len(folders):
        folders[level] = "*"
    return "/".join([*folders, name]) + "/" * path.endswith("/")


def _any_below(path: str) -> str:
    first, *below = path.rstrip("/").split("/")
    return "/".join([first, *("*" for _ in below)]) + (_ending(path) if below else "")


def _ending(path: str) -> str:
    return "/" if path.endswith("/") else PurePosixPath(path).suffix
