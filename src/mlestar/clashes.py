"""Which names of scripts that stand side by side mean different things, so that each must keep its own.

A script that is composed brings its own cells. The task's (`load`, `post`, `submit`) are the first script's, and the
joint `blend` and its `weights` are new.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from mlestar.scripts import Cell, Notebook, bound, defined, imported, parsed, statements, used

SHARED = ("load", "post", "submit")
JOINT = ("blend", "weights")
OWN = "settings"  # the cell for what a setup means otherwise than another's
COMMON = {"SEEDS"}  # for all, however many there are


def binds(source: str) -> set[str]:
    """Names that a cell binds at its top level, imports too."""
    return {name for name, _ in _bindings(source)}


def settled(books: Sequence[Notebook], joint: Mapping[str, str]) -> list[Notebook]:
    """The books; what a setup means otherwise than another, and what rests on that, is in a cell `settings`."""
    clash = _clashing(books, joint)
    found = []
    for book in books:
        pieces = [piece for node, text in statements(book["setup"]) for piece in _pieces(node, text)]
        moved: set[int] = set()
        names = set(clash)
        while more := {i for i, (own, read, _) in enumerate(pieces) if i not in moved and (own | read) & names}:
            moved |= more
            names |= {name for i in more for name in pieces[i][0]}
        cells = [Cell("setup", "\n".join(text for i, (*_, text) in enumerate(pieces) if i not in moved))]
        own = Cell(OWN, "\n".join(pieces[i][2] for i in sorted(moved)))
        rest = [cell for cell in book.cells if cell.name != "setup"]
        found.append(Notebook(book.head, (*cells, own, *rest)) if moved else book)
    return found


def own_cells(book: Notebook, books: Sequence[Notebook]) -> list[Cell]:
    """The cells that belong to one part alone: also those of the task that differ and that it needs itself."""
    first = books[0]
    own = [cell for cell in book.cells if cell.name not in ("setup", *SHARED, *JOINT)]
    others = [cell for cell in book.cells if cell.name in (("load", "post", *JOINT) if book is not first else JOINT)]
    differ = book is not first and ast.dump(parsed(book["load"])) != ast.dump(parsed(first["load"]))
    needed = ["load"] if differ else []
    while True:
        chosen = [cell for cell in others if cell.name in needed]
        reads = {name for cell in (*own, *chosen) for name in used(cell.source)}
        more = [cell.name for cell in others if cell.name not in needed and defined(cell.source) & reads]
        if not more:
            return [cell for cell in book.cells if cell in own or cell in chosen]
        needed += more


def private_names(books: Sequence[Notebook], joint: Mapping[str, str]) -> list[set[str]]:
    """Names that must carry a part's label: those of cells that differ between the scripts, or rest on one."""
    cells = [own_cells(book, books) for book in books]
    clash = _clashing(books, joint)
    found = []
    for i, own in enumerate(cells):
        rivals = [cell for j, each in enumerate(cells) if j != i for cell in each]
        rivals += [Cell(name, source) for name, source in joint.items()]
        rivals += [cell for cell in books[0].cells if cell.name in SHARED] if i else []
        private = {"predict"}  # always: the composed entry takes the plain name
        for cell in own:
            if any(_differ(cell, rival) for rival in rivals):
                private |= defined(cell.source)
            private |= clash & binds(cell.source)
        while more := {n for c in own if used(c.source) & private for n in defined(c.source)} - private:
            private |= more
        found.append(private)
    return found


def _differ(cell: Cell, rival: Cell) -> bool:
    """Whether a cell of another script is called the same and is not, or defines the same under another name."""
    if cell.name == rival.name:
        return cell.source != rival.source
    return bool(defined(cell.source) & binds(rival.source))


def _clashing(books: Sequence[Notebook], joint: Mapping[str, str]) -> set[str]:
    """Names that have a meaning in one script, or in what joins them, and another in another."""
    given = [cell.source for cell in books[0].cells if cell.name in SHARED]
    sources = [[book["setup"], *(cell.source for cell in own_cells(book, books))] for book in books]
    every = [_meanings(each) for each in (*sources, given, joint.values())]
    names = {name for meanings in every for name in meanings}
    told = {name: {frozenset(meanings[name]) for meanings in every if name in meanings} for name in names}
    return {name for name, meanings in told.items() if len(meanings) > 1} - COMMON


def _meanings(sources: Iterable[str]) -> dict[str, set[str]]:
    """What cells bind at their top level, each name with the statements that do."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for name, meaning in _bindings(source):
            found.setdefault(name, set()).add(meaning)
    return found


@lru_cache(maxsize=1024)  # most cells stand in several scripts
def _bindings(source: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for node in parsed(source).body:
        found += [(name, ast.dump(node)) for name in bound(node)]
        found += imported(node).items()
    return tuple(found)


def _pieces(node: ast.stmt, text: str) -> list[tuple[set[str], set[str], str]]:
    """A statement as what it binds, what it reads, and its text; an import of several names in as many pieces."""
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return [(set(), set(), text)]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        parts = [type(node)(**{**vars(node), "names": [alias]}) for alias in node.names]
        return [({*imported(part)}, set(), ast.unparse(part)) for part in parts]
    return [(bound(node), {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}, text)]
