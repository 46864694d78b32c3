"""Read one recipe file: front matter, a paragraph why, and cells (the format is in docs/recipes.md)."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlestar import plain
from mlestar.errors import SettingsError
from mlestar.records import Recipe

KINDS = ("table", "text", "series", "sequence", "audio", "image", "pixels", "stack", "any")
FORMS = ("classes", "values", "texts", "any")
FACTS = (
    "numbers",
    "categories",
    "booleans",
    "dates",
    "texts",
    "lists",
    "codes",
    "row_files",
    "audio",
    "compressed",
    "images",
    "many_classes",
    "skewed_target",
    "positive_target",
    "multi_target",
    "imbalanced",
    "missing",
    "ids_structured",
    "forecast",
    "spans",
)
_TEXTS = ("name", "kind", "cell", "form", "source")
_LISTS = ("when", "tags", "needs")
_KEYS = (*_TEXTS, *_LISTS, "cost")
_ORDER = ("name", "kind", "cell", "form", "when", "tags", "needs", "cost", "source")
_FIELDS = {"cell": "cells", "neutral": "neutral"}  # of Recipe, by what stands at a fence
_FENCE = re.compile(r"^```python +(cell|neutral)=([A-Za-z][\w-]*)\s*$")
_CONDITION = re.compile(rf"((?:rows|series|history)(>=|<=)\d+|metric:\w+|{'|'.join(FACTS)})")


@dataclass(frozen=True)
class _Block:
    """One fenced cell; `line` is the file's line of its first code line, from 1."""

    role: str
    cell: str
    source: str
    line: int


@dataclass(frozen=True)
class Reading:
    """A recipe file as it was read: the recipe where nothing is wrong, and each problem with file, place and cure.

    `lines` are the file's lines (from 1) on which the code of cells begins, by role (`cell`, `neutral`) and name.
    """

    recipe: Recipe | None
    problems: tuple[str, ...]
    lines: Mapping[tuple[str, str], int]


Wrong = Callable[[str, str], None]  # takes a place in the file, and what is wrong there


def read_recipe(path: Path) -> Recipe:
    """Read and check one recipe file.

    Raises SettingsError naming the file, and the line or key, for the first thing that is wrong with it.
    """
    found = examine(path)
    if found.recipe is None:
        raise SettingsError(found.problems[0])
    return found.recipe


def examine(path: Path) -> Reading:
    """Read one recipe file and tell all that is wrong with it."""
    problems: list[str] = []

    def wrong(where: str, what: str) -> None:
        problems.append(f"recipe {path}, {where}: {what}" if where else f"recipe {path}: {what}")

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        wrong("", f"cannot be read as UTF-8 text: {error}")
        return Reading(None, tuple(problems), {})
    if not lines or lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        wrong("line 1", "begin with front matter between two lines `---` (see docs/recipes.md)")
        return Reading(None, tuple(problems), {})
    end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == "---")
    fields = _front_matter(lines[1:end], wrong)
    before = len(problems)
    why, blocks = _body(lines, end + 1, wrong)
    if len(problems) == before:  # else what is missing may stand in what could not be read
        _check_cells(str(fields.get("cell", "")), blocks, wrong)
    recipe = None if problems else _made(fields, why, blocks)
    return Reading(recipe, tuple(problems), {(b.role, b.cell): b.line for b in blocks})


def text_of(recipe: Recipe) -> str:
    """A recipe as a file that reads back equal, its prose wrapped for a reader."""
    lists = {key: f"[{', '.join(map(_yaml, getattr(recipe, key)))}]" for key in _LISTS}
    texts = {key: _yaml(getattr(recipe, key)) for key in _TEXTS}
    front = [f"{key}: {({**texts, **lists} | {'cost': _yaml(recipe.cost)})[key]}" for key in _ORDER]
    blocks = [(role, *block) for role in ("cell", "neutral") for block in getattr(recipe, _FIELDS[role])]
    cells = [f"```python {role}={name}\n{source}\n```" for role, name, source in blocks]
    prose = textwrap.fill(recipe.why, 120, break_on_hyphens=False, break_long_words=False)
    return "\n\n".join(["\n".join(["---", *front, "---"]), prose, *cells])


def _yaml(value: str | float) -> str:
    """A value as YAML writes it, in quotes only where it would else be read as something else."""
    return yaml.safe_dump([value], default_flow_style=True, width=10_000, allow_unicode=True).strip()[1:-1]


def _made(fields: dict[str, Any], why: str, blocks: list[_Block]) -> Recipe:
    cells, neutral = (tuple((b.cell, b.source) for b in blocks if b.role == role) for role in ("cell", "neutral"))
    return Recipe(**fields, why=why, cells=cells, neutral=neutral)


def _front_matter(lines: list[str], wrong: Wrong) -> dict[str, Any]:
    """The values of the front matter, as Recipe's fields; empty where it cannot be read."""
    try:
        found = yaml.load("\n".join(lines), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (
        yaml.YAMLError,
        ValueError,
    ) as error:  # such as a day that there is not; one about a character that YAML forbids has no mark
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or str(error).splitlines()[0]
        wrong(f"line {mark.line + 2 if mark else 1}", f"the front matter is not YAML: {told}")
        return {}
    if not isinstance(found, dict):
        wrong("line 2", "the front matter must be lines `key: value`")
        return {}
    for key in found:
        if key not in _KEYS:
            wrong(f"key {key!r}", f"there is no such key; the keys are {', '.join(_KEYS)}")
    values: dict[str, Any] = {"form": "any", "source": "", "cost": 1.0} | found
    for key in _TEXTS:
        if not isinstance(values.get(key), str) or (not values[key] and key != "source"):
            wrong(f"key {key!r}", "write a text")
    for key in _LISTS:
        listed = values.get(key) or []
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            wrong(f"key {key!r}", "write a list of texts, for example [a, b]")
            listed = []
        values[key] = tuple(listed)
    _check_values(values, wrong)
    return values


def _check_values(values: dict[str, Any], wrong: Wrong) -> None:
    for key, allowed in (("kind", KINDS), ("form", FORMS)):
        if isinstance(values.get(key), str) and values[key] and values[key] not in allowed:
            wrong(f"key {key!r}", f"{values[key]!r} is not one of {', '.join(allowed)}")
    for condition in values["when"]:
        if not _CONDITION.fullmatch(condition):
            known = ", ".join(("rows>=N", "rows<=N", *FACTS, "metric:<name>"))
            wrong("key 'when'", f"{condition!r} is not a known condition; known are {known}")
    cost = values["cost"]
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < math.inf:
        wrong("key 'cost'", f"{cost!r} is not a number from 0 up")
    else:
        values["cost"] = float(cost)


def _body(lines: list[str], start: int, wrong: Wrong) -> tuple[str, list[_Block]]:
    """Prose before the first fence, and the fenced cells. `start` is an index into `lines`."""
    blocks: list[_Block] = []
    prose: list[str] = []
    fenced = False
    at = start
    while at < len(lines):
        if not lines[at].startswith("```"):
            prose += [] if fenced else [lines[at]]
            at += 1
            continue
        fenced = True
        opening = _FENCE.match(lines[at])
        close = next((i for i in range(at + 1, len(lines)) if lines[i].startswith("```")), None)
        if not opening:
            wrong(f"line {at + 1}", "open a cell with ```python cell=NAME or ```python neutral=NAME")
        elif close is None or lines[close].strip() != "```":
            wrong(f"line {at + 1}", "the fence opened here is not closed with ```")
            break  # where the next cell begins is anybody's guess
        else:
            block = _Block(opening[1], opening[2], "\n".join(lines[at + 1 : close]).strip("\n"), at + 2)
            _check_code(block, wrong)
            blocks.append(block)
        at = len(lines) if close is None else close + 1
    return " ".join(" ".join(prose).split()), blocks


def _check_code(block: _Block, wrong: Wrong) -> None:
    try:
        plain.tree(block.source)
    except SyntaxError as error:
        line = block.line + (error.lineno or 1) - 1
        wrong(f"line {line}", f"the cell `{block.cell}` is not Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        wrong(f"line {block.line}", f"the cell `{block.cell}` cannot be parsed: {error or type(error).__name__}")


def _check_cells(cell: str, blocks: list[_Block], wrong: Wrong) -> None:
    """`cell` is what the front matter names; empty where it names none."""
    cells = [b.cell for b in blocks if b.role == "cell"]
    if not cells:
        wrong("body", "there is no cell; write one between ```python cell=NAME and ```")
    elif cell not in ("", "skeleton", *cells):
        wrong("key 'cell'", f"the cell `{cell}` is named but not written below")
    seen: set[tuple[str, str]] = set()
    for block in blocks:
        if (block.role, block.cell) in seen:
            wrong(f"line {block.line - 1}", f"{block.role}={block.cell} stands more than once")
        if block.role == "neutral" and block.cell not in cells:
            wrong(f"line {block.line - 1}", f"neutral={block.cell} has no cell={block.cell} beside it")
        seen.add((block.role, block.cell))
