"""An answer in words, taken apart: its fenced blocks of JSON and of Python; the prose around them is left aside.

Tolerant where the meaning is clear: a block without a tag is what it parses as; a fence inside a string does not
end its block; an answer that was cut off still counts where what is there is whole.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from mlestar import plain, scripts
from mlestar.brains.spoken import loose

MOST_ANSWER = 1_000_000  # characters
MOST_PROSE = 50_000  # characters that are searched for an object without a fence
MOST_ENDS = 20  # fences that are tried as the end of one block
DEEPEST = 3  # blocks inside blocks
_OPEN = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_PYTHON = {"python", "py", "python3", "ipython", "ipython3"}
_JSON = {"json", "json5", "jsonc", "javascript", "js"}
_UNSAID = {"", "text", "txt", "plaintext", "code"}


class BadAnswer(Exception):
    """Raised for an answer that cannot be taken; the message says what to do, fit to be sent back."""


@dataclass(frozen=True)
class Block:
    """One fenced block: `kind` is python or json; `whole` is false where its end is missing."""

    kind: str
    text: str
    whole: bool = True


@dataclass(frozen=True)
class Answer:
    """What an answer holds: `codes` are the Python blocks that count, in order; `json` the last JSON block."""

    codes: tuple[str, ...]
    json: str | None
    prose: str

    def fields(self, key: str = "") -> dict[str, Any]:
        """The JSON object; a bare list is taken as the value of `key`. Empty where there is none; raises BadAnswer."""
        if self.json is None:
            return {}
        try:
            value = loose.loads(self.json)
        except ValueError as error:
            raise BadAnswer(f"The json block cannot be read: {error}. Send the whole answer again.") from None
        if isinstance(value, list) and key:
            return {key: value}
        if isinstance(value, dict):
            return value
        raise BadAnswer("The json block must hold one object, `{…}`.")


def read(text: str) -> Answer:
    """Take an answer apart. Raises BadAnswer for one that is empty or huge."""
    if len(text) > MOST_ANSWER:
        raise BadAnswer(f"The answer has {len(text)} characters; at most {MOST_ANSWER} are read. Send a shorter one.")
    text = plain.source(text).lstrip("\ufeff")
    if not text.strip():
        raise BadAnswer("The answer is empty.")
    blocks, prose = _fenced(text, 0)
    codes = _together([b for b in blocks if b.kind == "python"])
    found = _last([b for b in blocks if b.kind == "json"])
    if found is None:
        found = next((piece for piece in loose.spans(prose[-MOST_PROSE:]) if _is_object(piece)), None)
    if not codes and is_code(prose):
        codes = (prose.strip("\n"),)
    return Answer(codes, found, prose)


def _last(blocks: list[Block]) -> str | None:
    chosen = [b for b in blocks if b.whole] or blocks
    return chosen[-1].text if chosen else None


def _together(blocks: list[Block]) -> tuple[str, ...]:
    """The last block, and those just before it that bring other cells: one answer in several blocks.

    A block that brings a cell anew begins the answer again: earlier ones were drafts.
    """
    chosen = [b for b in blocks if b.whole] or [b for b in blocks if not scripts.complaint(b.text)]
    kept: list[Block] = chosen[-1:]
    names = _marks(kept[0].text) if kept else set()
    for block in reversed(chosen[:-1]):
        more = _marks(block.text)
        if not names or not more or more & names:
            break
        kept.insert(0, block)
        names |= more
    return tuple(b.text for b in kept)


def _marks(text: str) -> set[str]:
    return {mark.strip() for mark in re.findall(r"^#[ \t]*%%(.*)$", text, re.MULTILINE)}


def _fenced(text: str, depth: int) -> tuple[list[Block], str]:
    """All blocks of a text in order, and what stands outside of them."""
    lines, blocks, prose = text.split("\n"), list[Block](), list[str]()
    at = 0
    while at < len(lines):
        opening = _OPEN.match(lines[at])
        if not opening:
            prose.append(lines[at])
            at += 1
            continue
        ends = _ends(lines, at, opening[2])
        tag = (re.findall(r"[\w+-]+", opening[3].lower()) or [""])[0]
        end = next((e for e in ends[:MOST_ENDS] if _is_good(tag, _inside(lines, at, e))), ends[0] if ends else None)
        inside = _inside(lines, at, end)
        kind = _kind(tag, inside)
        if kind:
            blocks.append(Block(kind, inside, end is not None))
        elif tag in ("markdown", "md", *_UNSAID) and depth < DEEPEST:
            blocks += _fenced(inside, depth + 1)[0]
        at = len(lines) if end is None else end + 1
    return blocks, "\n".join(prose)


def _ends(lines: list[str], start: int, marks: str) -> list[int]:
    """The lines that could close a fence."""
    closing = re.compile(rf"^[ \t]*{re.escape(marks[0])}{{{len(marks)},}}[ \t]*$")
    return [i for i in range(start + 1, len(lines)) if closing.match(lines[i])]


def _inside(lines: list[str], start: int, end: int | None) -> str:
    return textwrap.dedent("\n".join(lines[start + 1 : end])).strip("\n")


def _is_good(tag: str, text: str) -> bool:
    if tag in _PYTHON:
        return not scripts.complaint(text)
    return tag not in _JSON or _loads(text) is not None


def _kind(tag: str, text: str) -> str:
    if tag in _PYTHON:
        return "python"
    if tag in _JSON:
        return "json"
    if tag in _UNSAID:
        return "json" if _is_object(text) else "python" if is_code(text) else ""
    return ""


def _loads(text: str) -> Any:
    try:
        return loose.loads(text)
    except ValueError:
        return None


def _is_object(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    value = _loads(text)
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def is_code(text: str) -> bool:
    """Whether a text without a fence is a program: it parses, and does more than name something."""
    if scripts.complaint(text):
        return False
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign)
    return any(isinstance(node, kinds) for node in scripts.parsed(text).body)
