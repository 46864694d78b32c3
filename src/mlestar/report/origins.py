"""Where the cells of a script are from: compared with the recipes that there are, whoever put them together."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from mlestar import scripts
from mlestar.records import Recipe
from mlestar.report.card import Origin

FRAME = {"setup", "predict", "weights", "blend", "submit"}  # cells that are made for each script
JOINS = "What reads the tables, joins the parts and writes the submission."
LICENCE = "Apache-2.0, as mle-star is"
_SENTENCE = re.compile(r"^.+?\.(?=\s|$)", re.DOTALL)


def origins(
    script: str, kind: str, recipes: Sequence[Recipe], shipped: Collection[str], tried: Collection[str], author: str
) -> tuple[Origin, ...]:
    """The recipes that a script's cells are from, in the script's order; last what joins them, and what is from none.

    `shipped` are names of recipes that come with mle-star, `tried` names that the run speaks of: of recipes that share
    a cell these are meant, else those for tasks of `kind`. `author` wrote what is from no recipe.
    """
    known = _known(sorted(recipes, key=lambda recipe: (recipe.name not in tried, recipe.kind != kind)))
    found: dict[str, tuple[Recipe, list[str], bool]] = {}
    frame: list[str] = []
    written: list[str] = []
    for cell in scripts.parse(script).cells:
        match = _match(cell.name, cell.source, known)
        if match is not None and match[0].cell not in ("skeleton", "load"):
            recipe, exact = match
            _, cells, adapted = found.get(recipe.name, (recipe, [], False))
            found[recipe.name] = (recipe, [*cells, cell.name], adapted or not exact)
        else:
            (frame if match or cell.name.partition(":")[0] in FRAME else written).append(cell.name)
    rows = [
        Origin(r.name, first_sentence(r.why), r.source, LICENCE if r.name in shipped else "of your library",
               tuple(cells), adapted)
        for r, cells, adapted in found.values()
    ]  # fmt: skip
    if frame:
        parts = tuple(dict.fromkeys(name.partition(":")[0] for name in frame))
        rows.append(Origin("mle-star", JOINS, "written here", LICENCE, parts))
    if written:
        rows.append(Origin(author, "Written for this run.", "this run", "yours", tuple(written)))
    return tuple(rows)


def first_sentence(text: str) -> str:
    """The first sentence of a recipe's prose."""
    found = _SENTENCE.match(text.strip())
    return found[0] if found else text.strip()


Known = Mapping[str, Sequence[tuple[Recipe, str, frozenset[str]]]]  # by plain cell name: recipe, text, functions


def _known(recipes: Iterable[Recipe]) -> Known:
    found: dict[str, list[tuple[Recipe, str, frozenset[str]]]] = {}
    for recipe in recipes:
        for name, source in recipe.cells:
            if name != "setup":
                found.setdefault(name, []).append((recipe, source.strip(), _functions(source)))
    for name, entries in found.items():
        entries.sort(key=lambda entry: entry[0].cell != name)  # a recipe's own cell before one that it brings along
    return found


def _match(name: str, source: str, known: Known) -> tuple[Recipe, bool] | None:
    """The recipe that a cell is from, and whether it is verbatim, but for the label that a blend gives its names."""
    plain, _, label = name.partition(": ")
    if label:
        source = re.sub(rf"_{re.escape(scripts.identifier(label))}(?:_\d+)?\b", "", source)
    entries = known.get(plain, ())
    for recipe, text, _ in entries:
        if text == source.strip():
            return recipe, True
    mine = _functions(source)
    shared = [(len(mine & functions), recipe) for recipe, _, functions in entries if mine & functions]
    best = max(shared, key=lambda pair: pair[0], default=None)
    return None if best is None else (best[1], False)


def _functions(source: str) -> frozenset[str]:
    """The functions of a cell, as trees: comments and line breaks do not count."""
    try:
        body = scripts.parsed(source).body
    except SyntaxError:
        return frozenset()
    return frozenset(ast.dump(node) for node in body if isinstance(node, ast.FunctionDef))
