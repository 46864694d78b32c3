"""The story of a run as Markdown, fit for a terminal too; and Markdown in the small, where foreign text is text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from mlestar.plain import word
from mlestar.report.blocks import (
    Block,
    Chart,
    Code,
    Folded,
    Heading,
    Items,
    Line,
    Link,
    Named,
    Piece,
    Prose,
    Strong,
    Table,
)
from mlestar.report.chapters import answer, chapters
from mlestar.report.story import Story

MOST = 1000  # characters of a piece
MOST_SAID = 160  # of a cell that is told in a list
MOST_ROWS = 8  # of one table
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK = re.compile(r"^(?:(\d+)(?=[.)](?!\d))|(?=[-+](?!\d)|[=#]))")  # what begins a heading, a list or a rule
_ADDRESS = re.compile(r":(?=/)|www(?=\.)|@", re.IGNORECASE)  # what readers make links of


def markdown(story: Story) -> str:
    """The chapters, without their charts and without what a page folds away."""
    parts = [f"# {inert(story.summary.task)}", *map(_block, answer(story))]
    for chapter in chapters(story, "", MOST_ROWS):
        shown = [text for block in chapter.blocks if (text := _block(block))]
        parts += [f"## {inert(chapter.title)}", *shown] if shown else []
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Prose(line, warns):
            return f"**Warning.** {_line(line)}" if warns else _line(line)
        case Items(lines):
            return items(map(_line, lines))
        case Heading(text):
            return f"### {inert(text)}"
        case Table():
            return _table(block)
        case Chart() | Folded():
            return ""


def _table(block: Table) -> str:
    """A table, or a list where cells are sentences, which a table in a terminal would tear apart."""
    caption = [f"{inert(block.caption)}:"] if block.caption else []
    if block.long:
        return "\n\n".join([*caption, items(_told(block.head, row) for row in block.rows)])
    kept = [i for i in range(len(block.head)) if any(row[i] for row in block.rows)]
    rule = ["---:" if i >= len(block.head) - block.numbers else "---" for i in kept]
    rows = [[_line(row[i], in_table=True) for i in kept] for row in block.rows]
    lines = [[inert(block.head[i]) for i in kept], rule, *rows]
    return "\n\n".join([*caption, "\n".join(f"| {' | '.join(line)} |" for line in lines)])


def _told(head: Sequence[str], row: Sequence[Line]) -> str:
    """A row in words: the first two cells need none, the others are told by the head of their column."""
    first, second, *others = (_line(cell, MOST_SAID) for cell in row)
    rest = [f"{inert(name)} {cell}" for name, cell in zip(head[2:], others, strict=True) if cell]
    return f"{first}: {'; '.join(part for part in (second, *rest) if part)}"


def _line(line: Line, most: int = MOST, in_table: bool = False) -> str:
    pieces = line if isinstance(line, tuple) else (line,)
    return "".join(_piece(piece, most, in_table) for piece in pieces).strip()


def _piece(piece: Piece, most: int, in_table: bool) -> str:
    match piece:
        case Code(text):
            return code(text).replace("|", "\\|") if in_table else code(text)
        case Strong(text):
            return f"**{inert(text, most)}**"
        case Named(name, address):
            return f"{inert(name, most)} {_piece(Code(address), most, in_table)}"
        case Link(text):
            return inert(text, most)
    before, after = (" " * piece[at : at + 1 or None].isspace() for at in (0, -1))
    return f"{before}{inert(piece, most)}{after}" if piece.strip() else " " * bool(piece)


def items(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def inert(text: str, most: int = MOST) -> str:
    """A text that is not ours, in one line, as Markdown and as the HTML made of it show it: no markup, no link."""
    line = html.escape(_MARKUP.sub(r"\\\g<0>", word(text, most)), quote=False)
    return _ADDRESS.sub("\\g<0>\u200b", _BLOCK.sub(r"\1\\", line))


def code(text: str) -> str:
    """A short text that is not ours, as a code span."""
    return f"`{word(text).replace('`', chr(39)) or ' '}`"
