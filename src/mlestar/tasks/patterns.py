"""Patterns of file names read backwards: what the columns of `train/{label}_{take}.wav` are, file by file.

`{file}` stands for any rest, folders and all. A column before it ends at the mark that follows it in the pattern, so
`{label}_{file}` at the first `_`; one after it, or in a pattern without `{file}`, begins after the last such mark that
precedes it, so `{file}_{label}` and `{label}_{number}` are cut at the last `_`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlestar.tasks.names import placeholders

REST = "file"
MARKS = " ._-"  # what parts of a name stand between


def reader(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The expression that a whole path must match, and the column of each of its groups."""
    columns = placeholders(pattern)
    pieces = re.split(r"\{[^{}]+\}", pattern)
    rest = columns.index(REST) if REST in columns else -1
    seen: list[str] = []
    text = re.escape(pieces[0])
    for place, column in enumerate(columns):
        before, after = pieces[place][-1:], pieces[place + 1][:1]
        if column in seen:
            text += f"(?:\\{seen.index(column) + 1})"
        else:
            seen.append(column)
            mark = after if place < rest else before
            text += "(.+)" if column == REST else f"([^/{re.escape(mark) if mark and mark in MARKS else ''}]+)"
        text += re.escape(pieces[place + 1])
    return re.compile(text, re.DOTALL), tuple(seen)


def read(pattern: str, paths: Iterable[str]) -> list[tuple[str, ...] | None]:
    """The cells of each path, a text for each column of `reader`; None for one that does not match."""
    expression, _ = reader(pattern)
    return [found.groups() if (found := expression.fullmatch(path)) else None for path in paths]


def home(pattern: str) -> str:
    """The folder, with a closing slash, that all files of a pattern lie in: what stands before its first column."""
    return pattern.partition("{")[0].rpartition("/")[0] + "/" if "/" in pattern.partition("{")[0] else ""
