"""Putting composable scripts side by side in one readable script (DESIGN.md §4): mergers and ensembles.

Pure text work, like `scripts`; it never runs anything.
"""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from mlestar.scripts import (
    Cell,
    Notebook,
    defined,
    dependencies,
    head,
    identifier,
    merge_setup,
    parse,
    parsed,
    quoted,
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


WEIGHTED_VOTE = '''def blend(parts):
    """The text that most of the weight is for, row by row; the weights were chosen on out-of-fold predictions."""
    chosen = parts[next(iter(WEIGHTS))].copy()
    for spot in np.ndindex(chosen.shape):
        shares = {}
        for name, weight in WEIGHTS.items():
            text = parts[name][spot]
            shares[text] = shares.get(text, 0.0) + weight
        chosen[spot] = max(shares, key=shares.get)
    return chosen'''


def weights_cell(weights: object) -> str:
    """The cell that holds what a blend learned, one entry a line."""
    if not isinstance(weights, dict):
        return f"WEIGHTS = {_literal(weights)}"
    rows = [f"    {quoted(name)}: {_literal(value)}," for name, value in weights.items()]
    return "\n".join(["WEIGHTS = {", *rows, "}"])


def _literal(value: object) -> str:
    """A plain JSON value as Python writes it; JSON's NaN and infinities have no literal."""
    if isinstance(value, float):
        return repr(float(f"{value:.6g}")) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else repr(value)


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
    everything = {name for book in books for cell in book.cells for name in used(cell.source)}
    taken: set[str] = set()
    for part, book in zip(parts, books, strict=True):
        private = _private_names(book, books)
        suffix = _suffix(part.label, taken, everything)
        table = {name: f"{name}_{suffix}" for name in private}
        for cell in _own_cells(book):
            name = f"{cell.name}: {part.label}" if defined(cell.source) & private else cell.name
            _put(cells, name, rename(cell.source, table))
        entries.append((part, table["predict"]))
    cells |= {"predict": _joint_predict(entries), **{k: v for k, v in joint.items() if k not in ("setup", "blend")}}
    cells |= {"blend": joint["blend"], "post": first["post"], "submit": first["submit"]}
    needs = sorted({need for book in books for need in dependencies(book.head)})
    return Notebook(head(needs, title), tuple(Cell(name, source) for name, source in cells.items())).text()


def _put(cells: dict[str, str], name: str, source: str) -> None:
    """A cell under its name, or a numbered one: a part that was composed before may have another cell of that name."""
    number, free = 1, name
    while cells.get(free, source) != source:
        number += 1
        free = f"{name} #{number}"
    cells[free] = source


def _suffix(label: str, taken: set[str], names: set[str]) -> str:
    """A suffix that no other part has (`a b` and `a-b` read alike) and no name of the scripts ends with."""
    number, suffix = 1, identifier(label)
    while suffix in taken or any(name.endswith(f"_{suffix}") for name in names):
        number += 1
        suffix = f"{identifier(label)}_{number}"
    taken.add(suffix)
    return suffix


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
            lines.append(f"    parts[{quoted(new)}] = {function}(train, test, files, seed)[{quoted(old)}]")
        elif all(new == f"{part.label}/{old}" for old, new in part.members.items()):
            lines += [f"    found = {function}(train, test, files, seed)", *_loop([*map(quoted, part.members)])]
            lines.append(f"        parts[{quoted(f'{part.label}/')} + name] = found[name]")
        else:
            lines.append(f"    found = {function}(train, test, files, seed)")
            lines += [f"    parts[{quoted(new)}] = found[{quoted(old)}]" for old, new in part.members.items()]
    return "\n".join([*lines, "    return parts"])


def _loop(names: Sequence[str], width: int = 110) -> list[str]:
    """The head of a loop over quoted names, broken between some of them where it is long."""
    lines = [f"    for name in ({names[0]}"]
    for name in names[1:]:
        if len(lines[-1]) + len(name) > width:
            lines[-1] += ","
            lines.append(f"        {name}")
        else:
            lines[-1] += f", {name}"
    return [*lines[:-1], f"{lines[-1]}):"]


_USUAL = {"catboost", "lightgbm", "numpy", "pandas", "pillow", "pyarrow", "scikit-learn", "scipy", "xgboost-cpu"}
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu", "PIL": "pillow", "yaml": "pyyaml"}


def distributions(cells: Mapping[str, str]) -> list[str]:
    """What a script needs from the package index: its imports, and the engine behind parquet files."""
    modules = set()
    for node in chain.from_iterable(ast.walk(parsed(source)) for source in cells.values()):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    if any("parquet(" in source for source in cells.values()):
        modules.add("pyarrow")
    return sorted(_DISTRIBUTIONS.get(m, m) for m in modules if m not in sys.stdlib_module_names)


def headed(text: str, title: str) -> str:
    """The script under another title, its head naming what its cells import; what only its author can know is kept."""
    book = parse(text)
    needs = distributions({cell.name: cell.source for cell in book.cells})
    kept = [need for need in dependencies(book.head) if need not in _USUAL]
    return Notebook(head(sorted({*needs, *kept}), title), book.cells).text()
