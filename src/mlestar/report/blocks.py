"""What chapters of a report are made of, whatever they are shown as: lines, lists, tables, figures.

Texts in them may be anybody's: who shows them must show them as text.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlestar.report.figures import Figure


@dataclass(frozen=True)
class Code:
    """A piece of a line that is code."""

    text: str


@dataclass(frozen=True)
class Strong:
    """A piece of a line that stands out."""

    text: str


@dataclass(frozen=True)
class Link:
    """A piece of a line that leads to a chapter."""

    text: str
    chapter: str


@dataclass(frozen=True)
class Named:
    """Something that was tried: its name, and its address."""

    name: str
    address: str


Piece = str | Code | Strong | Link | Named
Line = Piece | tuple[Piece, ...]


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    line: Line
    warns: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    lines: tuple[Line, ...]
    warns: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose last `numbers` columns are numbers; `long`: its other cells may be sentences."""

    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    numbers: int = 0
    caption: str = ""
    long: bool = False


@dataclass(frozen=True)
class Heading:
    """What begins a part of a chapter."""

    text: str


@dataclass(frozen=True)
class Chart:
    """A figure, where figures can be shown; what it says that matters is said in words too."""

    figure: Figure


@dataclass(frozen=True)
class Folded:
    """What few will want to read: lines, or a script."""

    title: str
    lines: tuple[Line, ...] = ()
    script: str = ""


Block = Prose | Items | Table | Heading | Chart | Folded


@dataclass(frozen=True)
class Chapter:
    """One chapter, by the key that links name."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def some(*blocks: Block) -> tuple[Block, ...]:
    """The blocks that have something in them."""
    return tuple(block for block in blocks if _full(block))


def _full(block: Block) -> bool:
    match block:
        case Prose(line):
            return line != ""
        case Items(lines):
            return bool(lines)
        case Table(_, rows):
            return bool(rows)
        case Chart(figure):
            return bool(figure["data"])
        case Folded(_, lines, script):
            return bool(lines or script)
    return True
