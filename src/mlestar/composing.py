"""Putting composable scripts side by side in one readable script (DESIGN.md §4): mergers and ensembles.

Pure text work, like `scripts`; it never runs anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlestar.scripts import (
    Cell,
    Notebook,
    defined,
    dependencies,
    head,
    identifier,
    merge_setup,
    parse,
    rename,
    used,
)


@dataclass(frozen=True)
class Part:
    """One script to compose. `label` is unique among the parts; `members` maps the names that the

    script's `predict` returns to the names that the composed one returns.
    """

    label: str
    script: str
    members: Mapping[str, str]


PLAIN_MEAN = '''def blend(parts):
    """The plain average of all parts."""
    return np.mean(list(parts.values()), axis=0)'''

WEIGHTED_MEAN = '''def blend(parts):
    """Weighted mean of the parts; the weights were chosen on out-of-fold predictions."""
    return sum(weight * parts[name] for name, weight in WEIGHTS.items())'''


def weights_cell(weights: object) -> str:
    """The cell that holds what a blend learned, one entry a line."""
    if not isinstance(weights, dict):
        return f"WEIGHTS = {weights!r}"
    rows = [f"    {name!r}: {_rounded(value)!r}," for name, value in weights.items()]
    return "\n".join(["WEIGHTS = {", *rows, "}"]).replace("'", '"')


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def compose(parts: Sequence[Part], joint: Mapping[str, str], title: str) -> str:
    """Put several composable scripts side by side in one, joined by the cells `joint`.

    `joint` has the cell `blend`, and what it needs (`setup`, `weights`). Cells that are equal in all
    scripts that have them, and rest on such cells only, stand once; in the others every top-level
    name is suffixed with the part's label.
    """
    books = [parse(part.script) for part in parts]
    first = books[0]
    setup = merge_setup([*(book["setup"] for book in books), joint.get("setup", "")])
    cells: dict[str, str] = {"setup": setup, "load": first["load"]}
    entries = []
    for part, book in zip(parts, books, strict=True):
        private = _private_names(book, books)
        table = {name: f"{name}_{identifier(part.label)}" for name in private}
        for cell in _own_cells(book):
            name = f"{cell.name}: {part.label}" if defined(cell.source) & private else cell.name
            cells[name] = rename(cell.source, table)
        entries.append((part, table["predict"]))
    cells |= {"predict": _joint_predict(entries), **{k: v for k, v in joint.items() if k not in ("setup", "blend")}}
    cells |= {"blend": joint["blend"], "post": first["post"], "submit": first["submit"]}
    needs = sorted({need for book in books for need in dependencies(book.head)})
    return Notebook(head(needs, title), tuple(Cell(name, source) for name, source in cells.items())).text()


def _own_cells(book: Notebook) -> list[Cell]:
    """The cells that belong to one part alone; the task's own (`load`, `post`, …) come from the first script."""
    return [cell for cell in book.cells if cell.name not in ("setup", "load", "blend", "weights", "post", "submit")]


def _private_names(book: Notebook, books: Sequence[Notebook]) -> set[str]:
    """Names that must carry the part's label: those of cells that differ between the scripts, or rest on one."""
    own = _own_cells(book)
    private = {"predict"}  # always: the composed entry takes the plain name
    for cell in own:
        if any(cell.name in other and other[cell.name] != cell.source for other in books):
            private |= defined(cell.source)
    elsewhere = [c for b in books if b is not book for c in _own_cells(b)]
    for cell in own:  # the same name defined by a cell of another name elsewhere
        clash = [c for c in elsewhere if c.name != cell.name and defined(c.source) & defined(cell.source)]
        if clash:
            private |= defined(cell.source)
    while True:
        more = {name for cell in own if used(cell.source) & private for name in defined(cell.source)}
        if more <= private:
            return private
        private |= more


def _joint_predict(entries: Sequence[tuple[Part, str]]) -> str:
    lines = [
        "def predict(train, test, files, seed):",
        '    """Every part\'s predictions, by name."""',
        "    parts = {}",
    ]
    for part, function in entries:
        if len(part.members) == 1:
            (old, new), *_ = part.members.items()
            lines.append(f'    parts["{new}"] = {function}(train, test, files, seed)["{old}"]')
        elif all(new == f"{part.label}/{old}" for old, new in part.members.items()):
            names = ", ".join(f'"{name}"' for name in part.members)
            lines += [f"    found = {function}(train, test, files, seed)", *_wrapped(f"    for name in ({names}):")]
            lines.append(f'        parts[f"{part.label}/{{name}}"] = found[name]')
        else:
            lines.append(f"    found = {function}(train, test, files, seed)")
            lines += [f'    parts["{new}"] = found["{old}"]' for old, new in part.members.items()]
    return "\n".join([*lines, "    return parts"])


def _wrapped(line: str, width: int = 110) -> list[str]:
    """A long line with commas, broken after some of them."""
    lines = [""]
    for piece in line.split(", "):
        if len(lines[-1]) + len(piece) > width:
            lines.append("        ")
        lines[-1] += f"{piece}, "
    return [*(text.rstrip() for text in lines[:-1]), lines[-1].removesuffix(", ")]
