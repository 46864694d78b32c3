"""Cells of composed scripts: `model: lightgbm` holds the cell `model` with its names suffixed `_lightgbm`.

`plain` takes the suffixes off, so that recipes can be recognised and changed; `suited` puts them on again.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Mapping
from functools import lru_cache

from mlestar import naming, scripts
from mlestar.scripts import Cell, Notebook


def base(cell: str) -> str:
    """`model: lightgbm` -> `model`."""
    return cell.partition(": ")[0]


def label(cell: str) -> str:
    """`model: lightgbm` -> `: lightgbm`; empty for a cell that stands once."""
    return cell[len(base(cell)) :]


def _suffix(cell: str) -> str:
    return "".join(f"_{scripts.identifier(word)}" for word in cell.split(": ")[1:])


def plain(cell: Cell) -> str:
    """The source of a cell with the names of its part unsuffixed."""
    suffix = _suffix(cell.name)
    if not suffix:
        return cell.source
    names = {n: n.removesuffix(suffix) for n in scripts.used(cell.source) if n.endswith(suffix)}
    return naming.rename(cell.source, names)


def suited(book: Notebook, name: str, source: str, others: Mapping[str, str] | None = None) -> str:
    """A plain source with the suffixes that it needs at the place of cell `name` of a composed script.

    `others` are plain cells that come with it, by their places.
    """
    suffix = _suffix(name)
    if not suffix:
        return source
    there = {n for cell in book.cells if label(cell.name) == label(name) for n in scripts.defined(cell.source)}
    private = {n.removesuffix(suffix) for n in there if n.endswith(suffix)} | scripts.defined(source)
    private |= {n for k, v in (others or {}).items() if label(k) == label(name) for n in scripts.defined(v)}
    return naming.rename(source, {n: n + suffix for n in private})


def part(book: Notebook, name: str) -> dict[str, str]:
    """The plain cells of the part that cell `name` belongs to, with those that all parts share."""
    cells = {base(c.name): plain(c) for c in book.cells if not label(c.name)}
    return cells | {base(c.name): plain(c) for c in book.cells if label(c.name) == label(name)}


_LIST = re.compile(r"^FEATURES = \[(.*?)\]$", re.MULTILINE | re.DOTALL)


def joined(features: str) -> list[str]:
    """The feature cells that a `features` cell joins."""
    found = _LIST.search(features)
    return [word.strip() for word in found[1].split(",") if word.strip()] if found else []


def joining(features: str, names: list[str]) -> str:
    """The `features` cell that joins these feature cells; one without a FEATURES list stays as it is."""
    line = f"FEATURES = [{', '.join(names)}]"
    if len(line) > 100:
        line = "\n".join(["FEATURES = [", *(f"    {name}," for name in names), "]"])
    return _LIST.sub(lambda _: line, features, count=1)


def apart(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The new cells, with their cell's name behind every name of theirs that an old cell defines, wherever they read

    it: so each side means its own.
    """
    taken = {name for source in old.values() for name in scripts.defined(source)}
    names = {n: f"{n}_{cell}" for cell, source in new.items() for n in scripts.defined(source) & taken}
    return {cell: naming.rename(source, names) for cell, source in new.items()} if names else dict(new)


def without_clashes(cells: Mapping[str, str]) -> dict[str, str]:
    """Cells of which no two define the same name: a later one's own words get the cell's name behind them."""
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name, source in cells.items():
        clash = (scripts.defined(source) & taken) - {name}
        found[name] = naming.rename(source, {n: f"{n}_{name}" for n in clash})
        taken |= scripts.defined(found[name])
    return found


def unknown_names(text: str) -> set[str]:
    """Names that the functions of a script read and that nothing defines."""
    table = symtable.symtable(text, "script", "exec")
    known = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    return _read(table) - known - set(dir(builtins)) - {"__name__"}


@lru_cache(maxsize=1024)
def read_elsewhere(source: str) -> frozenset[str]:
    """Names of other cells, or of the language, that a cell reads: a function's own of such a name do not count."""
    return frozenset(_read(symtable.symtable(source, "cell", "exec")))


def _read(table: symtable.SymbolTable) -> set[str]:
    every = (s for t in (table, *_below(table)) for s in t.get_symbols())
    return {s.get_name() for s in every if s.is_referenced() and s.is_global()}


def _below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _below(child)


def feature_function(cell: str, source: str) -> bool:
    """Whether a cell is a feature cell: it defines `<cell>(train, test, files)`."""
    tops = [n for n in scripts.parsed(source).body if isinstance(n, ast.FunctionDef) and n.name == base(cell)]
    return bool(tops) and [a.arg for a in tops[0].args.args] == ["train", "test", "files"]
