"""The cells that an answer's Python blocks hold: names as the script knows them, whatever was written after `# %%`."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

from mlestar import scripts
from mlestar.brains.spoken.blocks import BadAnswer

MOST_CELLS = 60
ENTRIES = {  # cells whose function others call by name
    "load": "load", "features": "features", "target": "target", "model": "fit_predict", "predict": "predict",
    "blend": "blend", "post": "post", "learn": "learn",
}  # fmt: skip
_MARK = re.compile(r"^#[ \t]*%%+[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][\w .+/#:-]{0,79}")


def cells_of(codes: Sequence[str], known: Collection[str], alone: str = "") -> dict[str, str]:
    """The cells of the blocks, by name; an empty source stands for a cell that is to go.

    `known` are the cells that there are; `alone` is the one that code without any mark belongs to. Raises
    BadAnswer for code that belongs nowhere.
    """
    found: dict[str, str] = {}
    for text in codes:
        for name, source in _of_block(text, known, alone):
            if name in found and source and not _defined(found[name]) & _defined(source):
                source = f"{found[name]}\n\n\n{source}"  # one cell in two pieces
            found[name] = source
    if len(found) > MOST_CELLS:
        raise BadAnswer(f"The answer has {len(found)} cells; at most {MOST_CELLS} are taken.")
    odd = [name for name in found if not _NAME.fullmatch(name)]
    if odd:
        raise BadAnswer(f"{odd[0]!r} is no name for a cell: write `# %% name` with a plain word.")
    return found


def _of_block(text: str, known: Collection[str], alone: str) -> list[tuple[str, str]]:
    """Name and source of each cell of one block; imports above the first mark belong to `setup`."""
    text = _MARK.sub(lambda m: f"# %% {_plain(m[1], known)}".rstrip(), text)
    book = scripts.parse(text)
    if not re.search(r"^# %%", text, re.MULTILINE):
        return _unmarked(text, alone)
    cells = [(c.name, c.source) for c in book.cells if c.name != "[markdown]"]
    cells = [(_guessed(s) if re.fullmatch(r"cell-\d+", n) else n, s) for n, s in cells]
    head = _without_docstring(book.head)
    return [("setup", head), *cells] if head else cells


def _plain(mark: str, known: Collection[str]) -> str:
    """A mark's name without what people add: brackets, quotes, `cell:`, a remark behind a known name."""
    if "[markdown]" in mark:
        return "[markdown]"
    name = re.sub(r"^\[\w+\]\s*|^cell\b[ :]*|[`'\"*]", "", mark).strip(" \t:")
    if name in known:
        return name
    word = re.match(r"(\w+)\s*(?:$|[(—–:,-])", name)
    short = word[1] if word else ""
    return next((each for each in (short, short.lower()) if each in known), name)


def _unmarked(text: str, alone: str) -> list[tuple[str, str]]:
    """Code without marks: its imports are `setup`, the rest is the cell that was asked for."""
    if scripts.complaint(text):
        raise BadAnswer(f"The python block cannot be parsed{scripts.complaint(text)}.")
    name = _guessed(text) if not alone or ENTRIES["model"] in _defined(text) else alone
    if name not in (*ENTRIES, alone):
        raise BadAnswer("The python block has no cells: begin each with a line `# %% name`, as the example shows.")
    body, imports = _split(text)
    return [("setup", imports), (name, body)] if imports else [(name, body)]


def _split(text: str) -> tuple[str, str]:
    """A source without its imports, and these."""
    lines = text.split("\n")
    nodes = [n for n in scripts.parsed(text).body if isinstance(n, (ast.Import, ast.ImportFrom))]
    spots = {i for n in nodes for i in range(n.lineno - 1, n.end_lineno or n.lineno)}
    body = "\n".join(line for i, line in enumerate(lines) if i not in spots).strip("\n")
    return _without_docstring(body), "\n".join(lines[i] for i in sorted(spots))


def _without_docstring(text: str) -> str:
    """A source without a module's docstring at its top; nothing where only comments are left."""
    if scripts.complaint(text):
        return text
    body = scripts.parsed(text).body
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        text, body = "\n".join(text.split("\n")[first.end_lineno :]), body[1:]
    return text.strip("\n") if body else ""


def _guessed(source: str) -> str:
    """The cell that a source without a name must be: by the entry that it defines, else its first function."""
    names = _defined(source)
    entry = next((cell for cell, function in ENTRIES.items() if function in names), "")
    if entry or scripts.complaint(source):
        return entry or "model"
    functions = [n.name for n in scripts.parsed(source).body if isinstance(n, ast.FunctionDef)]
    return functions[0] if functions else "setup"


def _defined(source: str) -> set[str]:
    return set() if scripts.complaint(source) else scripts.defined(source)
