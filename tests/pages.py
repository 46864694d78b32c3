"""What pages of Markdown hold: fenced blocks, links, headings.

A block in `docs/` is an example. An HTML comment just above it says what is done with it:

- ```console: its lines `$ …` are run, page by page, in one folder; `<!-- not run: REASON -->` says why one is not;
- any language, `<!-- file: PATH -->`: the block is written there first;
- ```python: compiled; run where it says `<!-- run -->`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
_FENCE = re.compile(r"(`{3,})(\S*)[^`]*")
_NOTE = re.compile(r"<!-- (.+) -->")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its text, and the comment just above it."""

    line: int
    language: str
    text: str
    note: str

    def noted(self, word: str) -> str:
        """What the comment says after `word: `; empty where it is about something else."""
        return self.note.partition(f"{word}: ")[2] if self.note.startswith(f"{word}: ") else ""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order; a fence inside a longer fence is text."""
    found: list[Block] = []
    fence, language, start, inside, before = "", "", 0, [], ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        opened = _FENCE.fullmatch(line)
        if fence and line.rstrip() == fence:
            note = _NOTE.fullmatch(before)
            found.append(Block(start, language, "\n".join(inside) + "\n", note[1] if note else ""))
            fence, before = "", ""
        elif fence:
            inside.append(line)
        elif opened:
            fence, language, start, inside = opened[1], opened[2], number, []
        else:
            before = line
    assert not fence, f"{page}:{start}: this fence is not closed"
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^(`{3,})[^`\n]*\n.*?^\1[ \t]*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def spans(page: Path) -> list[str]:
    """Code inside sentences."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def links(page: Path) -> list[str]:
    """Where the links of a page lead, in its sentences."""
    return _LINK.findall(re.sub(r"`[^`]*`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?)[ #]*$", prose(page), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if i == 0 else f"{slug}-{i}" for slug, count in found.items() for i in range(count + 1)}
