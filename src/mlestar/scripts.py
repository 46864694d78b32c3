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
from itertools import chain

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


def bound(node: ast.AST) -> set[str]:
    """Names that a statement defines, an import's left out; what it imports under a condition it defines.

    What is done only where a script is run as such, defines nothing for others.
    """
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}:
        return set()
    if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler)):
        return {name for child in ast.iter_child_nodes(node) for name in bound(child) | imported(child).keys()}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def imported(node: ast.AST) -> dict[str, str]:
    """Names that an import binds, each with what it means, as an import of this one name; `import a.b` binds `a`.

    What a star binds is not known.
    """
    if isinstance(node, ast.Import):
        roots = {alias: alias.name.partition(".")[0] for alias in node.names}
        return {a.asname or root: f"import {ast.unparse(a) if a.asname else root}" for a, root in roots.items()}
    if isinstance(node, ast.ImportFrom):
        place = "." * node.level + (node.module or "")
        return {a.asname or a.name: f"from {place} import {ast.unparse(a)}" for a in node.names if a.name != "*"}
    return {}


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
    for node, text in chain.from_iterable(map(statements, sources)):
        if isinstance(node, ast.Import):
            imports |= {f"import {ast.unparse(alias)}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            place = "." * node.level + (node.module or "")
            starred = {f"from {place} import *" for alias in node.names if alias.name == "*"}
            imports |= starred
            members.setdefault(place, set()).update(ast.unparse(a) for a in node.names if not starred)
        elif text not in body:
            body.append(text)
    imports |= {f"from {place} import {', '.join(sorted(names))}" for place, names in members.items() if names}
    lines = sorted(imports, key=lambda x: (not _is_standard(x), "__future__" not in x, x.startswith("from"), x))
    parts = [[x for x in lines if _is_standard(x) is own] for own in (True, False)]
    groups = ["\n".join(part) for part in parts if part]
    return "\n\n".join(groups) + ("\n\n" + "\n".join(body) if body else "")


def _is_standard(line: str) -> bool:
    return line.split()[1].split(".")[0] in sys.stdlib_module_names


def statements(source: str) -> list[tuple[ast.stmt, str]]:
    """The statements of a cell, each with its text: the comment lines above it, its decorators, its own lines."""
    lines, body = source.split("\n"), parsed(source).body
    ends = [0, *(node.end_lineno or node.lineno for node in body)]
    starts = [*(min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", ()))]) for n in body), len(lines) + 1]
    found = []
    for i, node in enumerate(body):
        if starts[i] == ends[i] or starts[i + 1] == ends[i + 1]:  # several in one line
            found.append((node, ast.unparse(node)))
            continue
        above = [x for x in lines[ends[i] : starts[i] - 1] if x.startswith("#")]
        found.append((node, "\n".join([*above, *lines[starts[i] - 1 : ends[i + 1]]])))
    return found


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
