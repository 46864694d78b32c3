"""Texts of prompts: templates filled strictly, and foreign text fenced so that it cannot leave its fence.

A prompt is a Markdown file with `$names`. A line that holds nothing but a name whose value is empty goes, so
that a part with nothing to say leaves no gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from string import Template

from mlestar import plain

MOST_SCRIPT = 120_000  # characters of a script that is shown
_ALONE = re.compile(r"^\$(?:(\w+)|\{(\w+)\})$")


@cache
def template(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    return (files(__package__) / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


def names(text: str) -> set[str]:
    """The variables of a template; raises ValueError for a `$` that begins none."""
    form = Template(text)
    if not form.is_valid():
        raise ValueError("a `$` of this template begins no variable; write `$$` for the sign itself")
    return set(form.get_identifiers())


def fill(name: str, /, **values: str) -> str:
    """The prompt `name` with its variables; raises ValueError for one that is unknown or goes unused.

    Values are put in as they are: a `$` inside one means nothing.
    """
    text = template(name)
    wanted = names(text)
    if wanted != set(values):
        odd = sorted(wanted ^ set(values))
        raise ValueError(f"prompt {name!r}: {', '.join(odd)} stand on one side only (template or values)")
    empty = {key for key, value in values.items() if not value}
    lines: list[str] = []
    for line in text.split("\n"):
        alone = _ALONE.match(line)
        if not alone or (alone[1] or alone[2]) not in empty:
            lines.append(line)
        elif lines and not lines[-1]:
            lines.pop()
    return Template("\n".join(lines)).substitute(values)


def fenced(text: str, tag: str = "text", most: int = 8_000) -> str:
    """Text in a fence longer than any run of backticks in it, cleaned, cut in the middle to `most` characters."""
    body = cut(plain.clean(text), most).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{tag}\n{body}\n{marks}"


def script(text: str) -> str:
    """A script of ours or of a brain, as code; only a very long one is cut."""
    return fenced(text, "python", MOST_SCRIPT)


def cut(text: str, most: int) -> str:
    """Text of at most about `most` characters: its beginning and, a third of it, its end."""
    if len(text) <= most:
        return text
    end = most // 3
    gone = len(text) - most
    return f"{text[: most - end]}\n[… {gone} characters left out …]\n{text[-end:]}"


def code(text: object, most: int = 80) -> str:
    """A name in one line between backticks, whatever it holds."""
    word = plain.word(text, most)
    longest = max((len(run) for run in re.findall(r"`+", word)), default=0)
    marks, gap = "`" * (longest + 1), " " if "`" in word[:1] + word[-1:] else ""
    return f"{marks}{gap}{word}{gap}{marks}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A plain table for a fence: columns set apart by ` | `, cells in one line each."""
    lines = [head, *rows]
    return "\n".join(" | ".join(plain.word(cell, 160) for cell in line).rstrip() for line in lines)


def number(value: float | None) -> str:
    """A number for reading: four digits that matter."""
    return "" if value is None else f"{value:.4g}"


def section(title: str, body: str, level: int = 2) -> str:
    """A headed part of a prompt; nothing where there is no body."""
    return f"{'#' * level} {title}\n\n{body}" if body else ""


def duration(seconds: float) -> str:
    """Seconds for reading: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
