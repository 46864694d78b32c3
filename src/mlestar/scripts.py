"""Percent-format scripts: a cell has a name, a refinement replaces one cell (DESIGN.md §4).

    # /// script
    # requires-python = ">=3.11"
    # dependencies = ["pandas", "lightgbm"]
    # ///
    # %% setup
    ...

A *composable* script is one whose cells define functions and constants only, with these names:

    setup      imports and task constants, nothing else
    load       load() -> (train, test, files)
    ...        feature cells, each a function of its own; `features` joins them
    model      fit_predict(X, y, X_test, seed) -> array, or {member: array}
    predict    predict(train, test, files, seed) -> {member: array}, the entry
    blend      blend(parts) -> array: joins the members that `predict` returned
    post       post(prediction) -> prediction: clipping, thresholds
    submit     `if __name__ == "__main__":` loads, calls, writes submission.csv and members.parquet

so that merging and ensembling put the members' functions side by side, mechanically: see composing.py.
Arrays have the columns that `records` fixes. This module is pure text work on the standard library;
it never runs a script.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlestar import plain

DEEPEST = 100  # levels of a syntax tree: far below where Python's own recursion ends
REQUIRED = ("setup", "load", "predict", "blend", "post", "submit")
_MARK = re.compile(r"^# %%[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One named block. `source` has no marker line, no blank ends."""

    name: str
    source: str


@dataclass(frozen=True)
class Notebook:
    """A parsed script: what stands above the first cell, then the cells."""

    head: str
    cells: tuple[Cell, ...]

    def __getitem__(self, name: str) -> str:
        for cell in self.cells:
            if cell.name == name:
                return cell.source
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(cell.name == name for cell in self.cells)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(cell.name for cell in self.cells)

    def text(self) -> str:
        """The script again: `parse(notebook.text()) == notebook`."""
        blocks = [self.head] if self.head else []
        blocks += [f"# %% {cell.name}\n{cell.source}".rstrip() for cell in self.cells]
        return "\n\n".join(blocks) + "\n"


def parse(text: str) -> Notebook:
    """Cut a percent-format script into its head and cells; a script without marks is one cell `script`."""
    text = plain.source(text)
    marks = list(_MARK.finditer(text))
    if not marks:
        return Notebook("", (Cell("script", text.strip("\n")),))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    cells = tuple(
        Cell(mark.group(1) or f"cell-{i}", text[mark.end() : end].strip("\n"))
        for i, (mark, end) in enumerate(zip(marks, ends, strict=True))
    )
    return Notebook(text[: marks[0].start()].strip("\n"), cells)


def replace(text: str, cells: Mapping[str, str], before: str = "features") -> str:
    """Put new sources into named cells; a name that is new goes in front of cell `before` (else `predict`).

    An empty source removes the cell.
    """
    notebook = parse(text)
    kept = [Cell(c.name, cells.get(c.name, c.source).strip("\n")) for c in notebook.cells]
    new = [Cell(name, source.strip("\n")) for name, source in cells.items() if name not in notebook]
    names = [c.name for c in kept]
    spot = next((names.index(n) for n in (before, "model", "predict") if n in names), len(kept))
    kept[spot:spot] = new
    return Notebook(notebook.head, tuple(c for c in kept if c.source)).text()


def problems(text: str) -> list[str]:
    """Why a script cannot be composed with others; empty when it can."""
    notebook = parse(text)
    found = [f"cell `{name}` is missing" for name in REQUIRED if name not in notebook]
    doubled = sorted({n for n in notebook.names if notebook.names.count(n) > 1})
    found += [f"cell `{name}` stands more than once" for name in doubled]
    for cell in notebook.cells:
        wrong = complaint(cell.source)
        if wrong:
            found.append(f"cell `{cell.name}`{wrong}")
        elif cell.name != "submit" and any(
            isinstance(n, (ast.For, ast.While, ast.With, ast.Expr)) and not _is_docstring(n)
            for n in parsed(cell.source).body
        ):
            found.append(f"cell `{cell.name}` does work at import; put it into a function")
    return found


def complaint(source: str) -> str:
    """Why a source cannot be parsed; empty when it can."""
    try:
        parsed(source)
    except SyntaxError as error:
        return f", line {error.lineno or 1}: {plain.word(error.msg)}"
    return ""


@lru_cache(maxsize=1024)  # the same few cells are asked for again and again
def parsed(source: str) -> ast.Module:
    """The syntax tree of a source, for reading only; SyntaxError for what Python cannot parse or nests too deeply."""
    try:
        tree = plain.tree(source)
        assert isinstance(tree, ast.Module)
    except (RecursionError, MemoryError, ValueError) as error:
        raise SyntaxError(f"it cannot be parsed ({error or type(error).__name__})") from None
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise SyntaxError("it is nested too deeply")


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def defined(source: str) -> set[str]:
    """Names that a cell defines at its top level, imports left out."""
    return {name for node in parsed(source).body for name in bound(node)}


def bound(node: ast.stmt) -> set[str]:
    """Names that a statement defines, an import's left out."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def used(source: str) -> set[str]:
    """Names that a cell reads or defines anywhere."""
    return {n.id for n in ast.walk(parsed(source)) if isinstance(n, ast.Name)} | defined(source)


def cell_of_line(text: str, line: int) -> str:
    """The cell in which line number `line` (from 1) of the script stands; empty above the first."""
    name = ""
    for i, content in enumerate(plain.source(text).split("\n"), 1):
        mark = _MARK.match(content)
        if mark:
            name = mark.group(1)
        if i == line:
            break
    return name


def rename(source: str, names: Mapping[str, str]) -> str:
    """Rename module-level names in a source; attributes, keywords, strings and shadowing locals stay."""
    spots: set[tuple[int, int, str]] = set()
    lines = source.split("\n")  # as the parser counts them: splitlines also ends lines at a form feed
    _collect(parsed(source), frozenset(names), spots, lines)
    for row, byte, name in sorted(spots, reverse=True):
        line = lines[row - 1].encode()
        if line[byte : byte + len(name.encode())] == name.encode():
            lines[row - 1] = (line[:byte] + names[name].encode() + line[byte + len(name.encode()) :]).decode()
    return "\n".join(lines)


def _collect(node: ast.AST, live: frozenset[str], spots: set[tuple[int, int, str]], lines: list[str]) -> None:
    """Gather (row, byte offset, name) of every use of a live module-level name below `node`."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        if node.name in live:
            word = "def " if isinstance(node, ast.FunctionDef) else "class "
            spots.add((node.lineno, node.col_offset + len(word), node.name))
        if isinstance(node, ast.FunctionDef):
            for outer in [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]:
                _collect(outer, live, spots, lines)
            for inner in node.body:
                _collect(inner, live - own_names(node), spots, lines)
            return
    if isinstance(node, ast.Lambda):
        _collect(node.body, live - {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}, spots, lines)
        return
    if isinstance(node, ast.Name) and node.id in live:
        spots.add((node.lineno, node.col_offset, node.id))
    for child in ast.iter_child_nodes(node):
        _collect(child, live, spots, lines)


def own_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Parameters and names that a function assigns: they shadow the module's."""
    inside = list(ast.walk(function))
    stored = {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    declared = {name for n in inside if isinstance(n, ast.Global) for name in n.names}
    return (stored | {n.arg for n in inside if isinstance(n, ast.arg)}) - declared


def identifier(label: str) -> str:
    """A label as a piece of a Python name: `light-gbm 2` -> `light_gbm_2`."""
    return re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_").lower() or "part"


def quoted(text: str) -> str:
    """A text as a Python string in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def merge_setup(sources: Sequence[str]) -> str:
    """One setup cell of several: imports joined and sorted, then each distinct other statement once."""
    imports: set[str] = set()
    members: dict[str, set[str]] = {}
    body: list[str] = []
    for source in sources:
        for node in parsed(source).body:
            if isinstance(node, ast.Import):
                imports |= {f"import {ast.unparse(alias)}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                members.setdefault(node.module or "", set()).update(ast.unparse(alias) for alias in node.names)
        rest = _without_imports(source)
        body += [block for block in rest if block not in body]
    lines = [*imports, *(f"from {module} import {', '.join(sorted(names))}" for module, names in members.items())]
    lines.sort(key=lambda text: (not _is_standard(text), text.startswith("from"), text))
    parts = [[x for x in lines if _is_standard(x) is own] for own in (True, False)]
    groups = ["\n".join(part) for part in parts if part]
    return "\n\n".join(groups) + ("\n\n" + "\n".join(body) if body else "")


def _is_standard(line: str) -> bool:
    return line.split()[1].split(".")[0] in sys.stdlib_module_names


def _without_imports(source: str) -> list[str]:
    """The statements of a setup cell that are not imports, each with the comment lines above it."""
    lines = source.split("\n")
    blocks: list[str] = []
    last = 0
    for node in parsed(source).body:
        end = node.end_lineno or node.lineno
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            above = [x for x in lines[last : node.lineno - 1] if x.startswith("#")]
            blocks.append("\n".join([*above, *lines[node.lineno - 1 : end]]))
        last = end
    return blocks


def dependencies(text: str) -> tuple[str, ...]:
    """The distributions that a script's PEP 723 block names."""
    found = re.search(r"^# dependencies = (\[.*?\])$", text, re.MULTILINE | re.DOTALL)
    listed = re.findall(r"""["']([^"'\\\n]*)["']""", found.group(1)) if found else []
    return tuple(listed)


def head(needs: Sequence[str], title: str) -> str:
    """The PEP 723 block and the script's one-line docstring."""
    listed = ", ".join(f'"{n}"' for n in needs)
    told = plain.word(title, 110).replace("\\", "/").replace('"', "'")
    return f'# /// script\n# requires-python = ">=3.11"\n# dependencies = [{listed}]\n# ///\n"""{told}"""'


def untitled(head: str) -> str:
    """A head without its docstring: a title changes nothing of what a script does."""
    body = [] if complaint(head) else parsed(head).body
    if not body or not _is_docstring(body[0]) or any(node.lineno == body[0].end_lineno for node in body[1:]):
        return head
    lines = head.split("\n")
    return "\n".join([*lines[: body[0].lineno - 1], *lines[body[0].end_lineno or 0 :]])


def with_seeds(text: str, count: int) -> str:
    """The script with `count` seeds to average over, where its setup has SEEDS."""
    setup = parse(text)["setup"]
    seeded = re.sub(r"^SEEDS = .*$", f"SEEDS = {list(range(count))}", setup, flags=re.MULTILINE)
    return replace(text, {"setup": seeded})
