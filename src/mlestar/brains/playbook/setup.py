"""The cell `setup`: imports that the cells use, and the task's constants, laid out for a reader."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Mapping, Sequence

from mlestar import scripts
from mlestar.brains.playbook.conditions import KINDS, images, pixels, row_files
from mlestar.records import Pixels, Profile

WIDTH = 100
GIVEN = ("INPUT", "TRAIN", "TEST", "DIALECTS", "COMMAS", "DAY_FIRST", "SAMPLE", "ID", "TARGET", "OUTPUT", "CLASSES")
PIXELS = ("INPUTS", "TARGETS", "TESTS", "CHANNELS", "IDS", "FIRST", "DOWN", "WHITE")
CONSTANTS = (*GIVEN, *map(str.upper, KINDS), "SERIES", "TIME", "ROW_FILES", "IMAGES", *PIXELS, "TOP", "", "SEEDS")
TOP = 3  # how many classes a ranking lists, where the metric's name does not say


def setup_cell(profile: Profile, cells: Mapping[str, str], setups: Sequence[str]) -> str:
    """Setup for `cells`: what they use of the imports in `setups`, of the constants there, and of the profile's.

    A constant that stands in `setups` is kept as it stands there; one that is missing is written from the profile.
    """
    statements = [block for source in setups for block in _statements(source)]
    needed = set().union(*(scripts.used(source) for name, source in cells.items() if name != "setup"), {"SEEDS"})
    kept: dict[frozenset[str], str] = {}
    rest = {frozenset(scripts.defined(block)): block for block in statements}  # of several sources the last counts
    while more := {names: block for names, block in rest.items() if names & needed or not names}:
        kept |= more  # one statement may rest on another, before or after it
        rest = {names: block for names, block in rest.items() if names not in more}
        needed |= set().union(*map(scripts.used, more.values()))
    known = set().union(*kept)
    fresh = {name: line for name, line in constants(profile, needed).items() if name not in known}
    if "TRAIN" in fresh and "TEST" in fresh:  # one line for the pair
        fresh["TRAIN"] = f"TRAIN, TEST = {_literal(profile.train)}, {_literal(profile.test)}"
        del fresh["TEST"]
    ordered = [block for block in dict.fromkeys(statements) if block in kept.values()]
    body = sorted([*ordered, *fresh.values()], key=_place)
    return "\n\n".join([*imports(setups, needed), "\n".join(body)])


def _place(block: str) -> int:
    """Where a statement stands in `setup`: the task's constants in their order, a recipe's own before SEEDS."""
    names = scripts.defined(block)
    return next((i for i, name in enumerate(CONSTANTS) if name in names), len(CONSTANTS) - 2)


def constants(profile: Profile, needed: Iterable[str]) -> dict[str, str]:
    """The assignments of the task constants among `needed`, in reading order."""
    values: dict[str, object] = {
        "TRAIN": profile.train,
        "TEST": profile.test,
        "DIALECTS": {name: {"sep": mark, "encoding": code} for name, mark, code in profile.dialects},
        "COMMAS": list(profile.commas),
        "DAY_FIRST": list(profile.day_first),
        "SAMPLE": profile.sample,
        "ID": list(profile.id),
        "TARGET": list(profile.target),
        "OUTPUT": list(profile.prediction_columns),
        "CLASSES": list(profile.classes),
        **{kind.upper(): columns(profile, kind) for kind in KINDS},
        "SERIES": list(profile.series),
        "TIME": profile.time,
        "ROW_FILES": row_files(profile),
        "IMAGES": images(profile),
        **_of_pixels(profile.pixels),
        "TOP": _top(profile),
        "SEEDS": [0],
    }
    wanted = set(needed)
    return {name: assignment(name, value) for name, value in values.items() if name in wanted}


def without_empty(profile: Profile, source: str) -> str:
    """A cell without loops over columns that the profile has none of, and without the functions that only they call."""
    empty = {name for name, known in (("COMMAS", profile.commas), ("DAY_FIRST", profile.day_first)) if not known}
    body = scripts.parsed(source).body
    loops = [node for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.For) and _names(node.iter) & empty]
    called = set().union(*map(_names, loops))
    kept = _without(source, loops)
    rest = [node for node in scripts.parsed(kept).body if isinstance(node, ast.FunctionDef)]
    return _without(kept, [one for one in rest if one.name in called and not any(one.name in _names(o) for o in rest)])


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _without(source: str, nodes: Sequence[ast.stmt]) -> str:
    """The source without the lines of some statements, and empty lines before those."""
    lines: list[str | None] = list(source.splitlines())
    for node in nodes:
        first = node.lineno - 1
        while first and lines[first - 1] == "":
            first -= 1
        lines[first : node.end_lineno] = [None] * ((node.end_lineno or first) - first)
    return "\n".join(line for line in lines if line is not None)


def _of_pixels(pixels: Pixels | None) -> dict[str, object]:
    """Where images are, and how their pixels stand in the submission."""
    if pixels is None:
        return {}
    places = [pixels.inputs, pixels.targets, pixels.tests, pixels.channels]
    return dict(zip(PIXELS, [*places, list(pixels.patterns), pixels.first, pixels.down, pixels.white], strict=True))


def columns(profile: Profile, kind: str) -> list[str]:
    """The feature columns of a kind such as `numbers`."""
    apart = {*profile.apart, *pixels(profile)[1]}
    return [c.name for c in profile.columns if c.kind == KINDS[kind] and c.name not in apart]


def _top(profile: Profile) -> int:
    digits = "".join(ch for ch in profile.metric if ch.isdigit())
    return int(digits) if digits else TOP


def assignment(name: str, value: object) -> str:
    """`NAME = value`, wrapped at WIDTH columns where it is a long list, or a dictionary."""
    line = f"{name} = {_literal(value)}"
    if len(line) > WIDTH and isinstance(value, dict):
        return "\n".join([f"{name} = {{", *(f"    {_literal(k)}: {_literal(v)}," for k, v in value.items()), "}"])
    if len(line) <= WIDTH or not isinstance(value, list):
        return line
    rows, row = [], "   "
    for item in value:
        word = f" {_literal(item)},"
        if len(row) + len(word) > WIDTH and row.strip():
            rows.append(row)
            row = "   "
        row += word
    return "\n".join([f"{name} = [", *rows, row, "]"])


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _statements(source: str) -> list[str]:
    """The statements of a setup cell that are not imports, as they stand; those that define the same name as one."""
    lines = source.splitlines()
    found: dict[frozenset[str], str] = {}
    for node in scripts.parsed(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        block = "\n".join(lines[first - 1 : node.end_lineno])
        names = frozenset(scripts.defined(block))
        found[names] = f"{found[names]}\n{block}" if names and names in found else block
    return list(found.values())


def imports(setups: Sequence[str], needed: Iterable[str]) -> list[str]:
    """The imports of `setups` whose names are needed, once each: the standard library's, then the others."""
    wanted = set(needed)
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for node in (n for source in setups for n in scripts.parsed(source).body):
        if isinstance(node, ast.Import):
            names = [a for a in node.names if (a.asname or a.name.split(".")[0]) in wanted]
            plain |= {ast.unparse(alias) for alias in names}
        elif isinstance(node, ast.ImportFrom):
            names = [a for a in node.names if (a.asname or a.name) in wanted]
            members.setdefault(node.module or "", set()).update(ast.unparse(alias) for alias in names)
    lines = {(name, f"import {name}") for name in plain}
    lines |= {(module, _from(module, sorted(names))) for module, names in members.items() if names}
    groups: dict[bool, list[str]] = {True: [], False: []}
    for module, line in sorted(lines, key=lambda pair: (pair[1].startswith("from"), pair[0])):
        groups[module.split()[0].split(".")[0] in sys.stdlib_module_names].append(line)
    return ["\n".join(group) for group in groups.values() if group]


def _from(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
