"""Read one recipe file: front matter, a paragraph why, and cells (the format is in docs/recipes.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlestar import plain
from mlestar.errors import SettingsError
from mlestar.records import Recipe

KINDS = ("table", "text", "stack", "any")
FORMS = ("classes", "values", "any")
FACTS = (
    "numbers",
    "categories",
    "booleans",
    "dates",
    "texts",
    "lists",
    "codes",
    "row_files",
    "many_classes",
    "skewed_target",
    "positive_target",
    "multi_target",
    "imbalanced",
    "missing",
    "ids_structured",
)
_TEXTS = ("name", "kind", "cell", "form", "source")
_LISTS = ("when", "tags", "needs")
_KEYS = (*_TEXTS, *_LISTS, "cost")
_FENCE = re.compile(r"^```python +(cell|neutral)=([A-Za-z][\w-]*)\s*$")
_CONDITION = re.compile(rf"(rows(>=|<=)\d+|metric:\w+|{'|'.join(FACTS)})")


@dataclass(frozen=True)
class _Block:
    """One fenced cell; `line` is the file's line of its first code line, from 1."""

    role: str
    cell: str
    source: str
    line: int


def read_recipe(path: Path) -> Recipe:
    """Read and check one recipe file.

    Raises SettingsError naming the file, and the line or key, for anything that is wrong with it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"recipe {path}: cannot be read as UTF-8 text: {error}") from None
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        raise _wrong(path, "line 1", "begin with front matter between two lines `---` (see docs/recipes.md)")
    end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == "---")
    fields = _front_matter(path, lines[1:end])
    why, blocks = _body(path, lines, end + 1)
    for block in blocks:
        _check_code(path, block)
    _check_cells(path, fields, blocks)
    return Recipe(
        **fields,
        why=why,
        cells=tuple((b.cell, b.source) for b in blocks if b.role == "cell"),
        neutral=tuple((b.cell, b.source) for b in blocks if b.role == "neutral"),
    )


def _wrong(path: Path, where: str, what: str) -> SettingsError:
    return SettingsError(f"recipe {path}, {where}: {what}")


def _front_matter(path: Path, lines: list[str]) -> dict[str, Any]:
    """The checked values of the front matter, as Recipe's fields."""
    try:
        found = yaml.load("\n".join(lines), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise _wrong(path, f"line {line}", f"the front matter is not YAML: {error.problem}") from None
    if not isinstance(found, dict):
        raise _wrong(path, "line 2", "the front matter must be lines `key: value`")
    for key in found:
        if key not in _KEYS:
            raise _wrong(path, f"key {key!r}", f"there is no such key; the keys are {', '.join(_KEYS)}")
    values: dict[str, Any] = {"form": "any", "source": "", "cost": 1.0} | found
    for key in _TEXTS:
        if not isinstance(values.get(key), str) or (not values[key] and key != "source"):
            raise _wrong(path, f"key {key!r}", "write a text")
    for key in _LISTS:
        listed = values.get(key) or []
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise _wrong(path, f"key {key!r}", "write a list of texts, for example [a, b]")
        values[key] = tuple(listed)
    return _checked_values(path, values)


def _checked_values(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    for key, allowed in (("kind", KINDS), ("form", FORMS)):
        if values[key] not in allowed:
            raise _wrong(path, f"key {key!r}", f"{values[key]!r} is not one of {', '.join(allowed)}")
    for condition in values["when"]:
        if not _CONDITION.fullmatch(condition):
            known = ", ".join(("rows>=N", "rows<=N", *FACTS, "metric:<name>"))
            raise _wrong(path, "key 'when'", f"{condition!r} is not a known condition; known are {known}")
    cost = values["cost"]
    if isinstance(cost, bool) or not isinstance(cost, int | float) or cost < 0:
        raise _wrong(path, "key 'cost'", f"{cost!r} is not a number from 0 up")
    return values | {"cost": float(cost)}


def _body(path: Path, lines: list[str], start: int) -> tuple[str, list[_Block]]:
    """Prose before the first fence, and the fenced cells. `start` is an index into `lines`."""
    blocks: list[_Block] = []
    prose: list[str] = []
    at = start
    while at < len(lines):
        if not lines[at].startswith("```"):
            if not blocks:
                prose.append(lines[at])
            at += 1
            continue
        opening = _FENCE.match(lines[at])
        if not opening:
            raise _wrong(path, f"line {at + 1}", "open a cell with ```python cell=NAME or ```python neutral=NAME")
        close = next((i for i in range(at + 1, len(lines)) if lines[i].startswith("```")), None)
        if close is None or lines[close].strip() != "```":
            raise _wrong(path, f"line {at + 1}", "the fence opened here is not closed with ```")
        source = "\n".join(lines[at + 1 : close]).strip("\n")
        blocks.append(_Block(opening[1], opening[2], source, at + 2))
        at = close + 1
    return " ".join(" ".join(prose).split()), blocks


def _check_code(path: Path, block: _Block) -> None:
    try:
        plain.tree(block.source)
    except SyntaxError as error:
        line = block.line + (error.lineno or 1) - 1
        raise _wrong(path, f"line {line}", f"the cell `{block.cell}` is not Python: {error.msg}") from None


def _check_cells(path: Path, fields: dict[str, Any], blocks: list[_Block]) -> None:
    cells = [b.cell for b in blocks if b.role == "cell"]
    if not cells:
        raise _wrong(path, "body", "there is no cell; write one between ```python cell=NAME and ```")
    if fields["cell"] != "skeleton" and fields["cell"] not in cells:
        raise _wrong(path, "key 'cell'", f"the cell `{fields['cell']}` is named but not written below")
    seen: set[tuple[str, str]] = set()
    for block in blocks:
        if (block.role, block.cell) in seen:
            raise _wrong(path, f"line {block.line - 1}", f"{block.role}={block.cell} stands more than once")
        if block.role == "neutral" and block.cell not in cells:
            raise _wrong(path, f"line {block.line - 1}", f"neutral={block.cell} has no cell={block.cell} beside it")
        seen.add((block.role, block.cell))
