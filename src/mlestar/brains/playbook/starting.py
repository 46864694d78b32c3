"""The roles of algorithm 1: retriever, candidate writer, and the two checkers."""

from __future__ import annotations

import ast
import re

import numpy as np

from mlestar import bans, scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.assemble import assemble, changed, with_cells
from mlestar.brains.playbook.families import SPECIAL, quick, strength
from mlestar.brains.playbook.neutral import empty
from mlestar.brains.playbook.setup import assignment
from mlestar.brains.playbook.shelf import Shelf
from mlestar.errors import SettingsError
from mlestar.records import Idea, Recipe
from mlestar.roles import CheckDataUsage, CheckedScript, CheckLeakage, Ideas, Retrieve, WriteCandidate, WrittenScript

NOISE = 0.05  # so that two branches, or two runs, do not begin alike


def retrieve(shelf: Shelf, request: Retrieve) -> Ideas:
    """The cheapest sensible model, then one of each family, strong families first; only then a second of one."""
    first = quickest(shelf)
    rest = [r for r in by_family(shelf, request.seed, request.branch) if r.name != first.name]
    return Ideas(tuple(idea(r) for r in [first, *rest][: request.count]))


def quickest(shelf: Shelf, kind: str = "") -> Recipe:
    """The cheap first model of the kind that the profile is about, or of this kind where it has models of its own."""
    if not shelf.models:
        raise SettingsError("no model of the library can run here; `mle-star doctor` says what is missing")
    cheap = [r for r in shelf.models if quick(r)] or list(shelf.models)
    cheap = [r for r in cheap if r.kind == kind] or cheap
    return min(cheap, key=lambda r: (-_kind_strength(shelf, r), r.cost, r.name))


def _kind_strength(shelf: Shelf, recipe: Recipe) -> float:
    """How well the recipe's kind (text or table) suits the profile."""
    return strength(f"{recipe.kind}:members" if recipe.kind in SPECIAL else "lightgbm", shelf.profile)


def by_family(shelf: Shelf, seed: int, branch: int) -> list[Recipe]:
    """All models: one of each family, then the second of each, and so on. Branches take pairs of families in turn."""
    rng = np.random.default_rng(seed)
    families = shelf.families()
    noise = dict(zip(sorted(families), rng.uniform(0, NOISE, len(families)), strict=True))
    boosted = any(name in families for name in ("lightgbm", "xgboost", "catboost"))
    known_as = {name: "lightgbm" if name == "hist-gradient-boosting" and not boosted else name for name in families}
    order = sorted(families, key=lambda name: -strength(known_as[name], shelf.profile) - noise[name])
    mine = [name for i, name in enumerate(order) if i // 2 % 2 == branch % 2]
    order = mine + [name for name in order if name not in mine]
    deepest = max((len(members) for members in families.values()), default=0)
    return [families[name][i] for i in range(deepest) for name in order if i < len(families[name])]


def idea(recipe: Recipe) -> Idea:
    """A recipe as the retriever names it."""
    return Idea(recipe.name, recipe.why, recipe.source or "library", recipe=recipe.name, cost=recipe.cost)


def write(shelf: Shelf, request: WriteCandidate) -> WrittenScript:
    """The script of one idea; for an idea that the library does not know, the strongest model of a like name."""
    recipe = shelf.named(request.idea.recipe or request.idea.name, "model")
    if recipe is None:
        words = set(re.findall(r"\w+", request.idea.name.lower()))
        known = by_family(shelf, request.seed, request.branch)
        free = [r for r in known if not bans.broken(bans.told(request.hints), r.name, r.why)]
        recipe = max(free, key=lambda r: len(words & set(r.tags)), default=None)
        recipe = recipe or quickest(shelf)
        return WrittenScript(recipe.name, assemble(shelf, recipe), recipe.cost, recipe.name)
    return WrittenScript(recipe.name, assemble(shelf, recipe), recipe.cost)


def check_data_usage(shelf: Shelf, request: CheckDataUsage) -> CheckedScript:
    """Files of rows that nothing opened get the feature cell that reads them; all else is only reported."""
    book = scripts.parse(request.script)
    if not request.unread:
        return CheckedScript("every file was read")
    finding = "not read: " + ", ".join(request.unread[:5])
    recipe = _reader(shelf) if any("{" in name for name in request.unread) else None
    features = next((c.name for c in book.cells if spots.base(c.name) == "features"), None)
    if recipe is None or features is None or any(spots.base(name) == recipe.cell for name in book.names):
        return CheckedScript(finding)
    if not spots.joined(spots.plain(next(c for c in book.cells if c.name == features))):
        return CheckedScript(finding)
    script = changed(shelf, request.script, recipe.cell + spots.label(features), recipe)
    return CheckedScript(f"{finding}; the cell {recipe.cell} reads them", script)


def _reader(shelf: Shelf) -> Recipe | None:
    """The feature cell that reads the files of rows: texts, else recordings, else images."""
    return shelf.plain("row_files") or shelf.plain("sounds") or shelf.plain("pictures")


def check_leakage(shelf: Shelf, request: CheckLeakage) -> CheckedScript:
    """A column that the harness suspects by name is taken out of the script's lists of columns."""
    if not request.suspicions:
        return CheckedScript("nothing suspicious")
    quoted = {
        word for text in request.suspicions for word in re.findall(r"'([^']+)'|\"([^\"]+)\"", text) for word in word
    }
    suspects = quoted & {c.name for c in shelf.profile.columns} | quoted & set(shelf.profile.train_only)
    finding = "; ".join(request.suspicions)
    if not suspects:
        return CheckedScript(finding)
    script = _without_columns(shelf, request.script, suspects)
    return CheckedScript(f"{finding}; taken out: {', '.join(sorted(suspects))}", script)


def _without_columns(shelf: Shelf, script: str, suspects: set[str]) -> str | None:
    """The script with the suspects taken out of its lists; a cell whose only list is now empty does nothing."""
    book = scripts.parse(script)
    setup, emptied = book["setup"], set()
    for node in scripts.parsed(setup).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) and isinstance(node.targets[0], ast.Name):
            name, listed = node.targets[0].id, ast.literal_eval(node.value)
            kept = [value for value in listed if value not in suspects]
            if kept != listed and name not in ("ID", "TARGET", "OUTPUT", "CLASSES"):
                setup = setup.replace(ast.get_source_segment(setup, node) or "", assignment(name, kept))
                emptied |= set() if kept else {name}
    if setup == book["setup"]:
        return None
    cells = {c.name: spots.plain(c) for c in book.cells if emptied & scripts.used(c.source) and c.name != "setup"}
    neutral = {k: empty(k) for k, source in cells.items() if spots.feature_function(k, source)}
    return with_cells(shelf.profile, scripts.replace(script, {"setup": setup}), neutral)
