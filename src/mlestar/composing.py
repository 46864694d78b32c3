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

from mlestar.clashes import SHARED, binds, own_cells, private_names, settled
from mlestar.naming import rename
from mlestar.scripts import Cell, Notebook, dependencies, head, identifier, merge_setup, parse, parsed, quoted, used


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
    name is suffixed with the part's label. What the setups mean otherwise is in a cell of each part's own.
    """
    books = settled([parse(part.script) for part in parts], joint)
    first, tables = books[0], []
    everything = {name for book in books for cell in book.cells for name in used(cell.source)}
    taken: set[str] = set()
    for part, own in zip(parts, private_names(books, joint), strict=True):
        suffix = _suffix(part.label, taken, everything)
        tables.append({name: f"{name}_{suffix}" for name in own})
    entered = {
        old: new for old, new in tables[0].items() if old not in ("predict", "blend")
    }  # those are the joint ones
    shared = {name: rename(first[name], entered) for name in SHARED}
    setup = merge_setup([*(book["setup"] for book in books), joint.get("setup", "")])
    cells: dict[str, str] = {"setup": setup, "load": shared["load"]}
    entries = []
    for part, book, table in zip(parts, books, tables, strict=True):
        for cell in own_cells(book, books):
            name = f"{cell.name}: {part.label}" if binds(cell.source) & table.keys() else cell.name
            _put(cells, name, rename(cell.source, table))
        given = f"*{table['load']}()" if "load" in table else "train, test, files"
        entries.append((part, f"{table['predict']}({given}, seed)"))
    cells |= {"predict": _joint_predict(entries), **{k: v for k, v in joint.items() if k not in ("setup", "blend")}}
    cells |= {"blend": joint["blend"], "post": shared["post"], "submit": shared["submit"]}
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


def _joint_predict(entries: Sequence[tuple[Part, str]]) -> str:
    """The entry of all parts, each with the call of its own."""
    lines = [
        "def predict(train, test, files, seed):",
        '    """Every part\'s predictions, by name."""',
        "    parts = {}",
    ]
    for part, call in entries:
        if len(part.members) == 1:
            (old, new), *_ = part.members.items()
            lines.append(f"    parts[{quoted(new)}] = {call}[{quoted(old)}]")
        elif all(new == f"{part.label}/{old}" for old, new in part.members.items()):
            lines += [f"    found = {call}", *_loop([*map(quoted, part.members)])]
            lines.append(f"        parts[{quoted(f'{part.label}/')} + name] = found[name]")
        else:
            lines.append(f"    found = {call}")
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
