"""What could be tried on a script: for each cell the library's alternatives, and other settings of a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlestar import scripts
from mlestar.brains.playbook import calls, spots
from mlestar.brains.playbook.assemble import OWN_FEATURES, changed
from mlestar.brains.playbook.families import SCALES, TREES, family, quick, strength, suits
from mlestar.brains.playbook.shelf import BASIC, FIXED, Shelf
from mlestar.records import Attempt, Plan, Recipe, Standing
from mlestar.scripts import Notebook

# What a finding about such a column makes worth trying (see looking.py).
HINTS = {
    "number": ("interactions", "neighbours", "clusters", "numbers"),
    "category": ("groups", "categories"),
    "boolean": ("groups",),
    "code": ("groups", "codes", "ids"),
    "missing": ("missing",),
    "text": ("texts",),
    "length": ("texts",),
    "date": ("dates",),
    "list": ("lists",),
}
_ROUNDS = ("n_estimators", "iterations", "max_iter")
_LEAVES = ("num_leaves", "max_leaf_nodes", "min_child_samples")
# Other settings of a model, by what the plan says: factors for the numbers of these names.
TUNINGS: dict[str, dict[str, float]] = {
    "half the learning rate, twice the rounds": {"learning_rate": 0.5, **dict.fromkeys(_ROUNDS, 2.0)},
    "smaller trees": {
        "num_leaves": 0.5,
        "max_leaf_nodes": 0.5,
        "max_depth": 0.7,
        "depth": 0.7,
        "min_child_samples": 2.0,
    },
    "larger trees": {"num_leaves": 2.0, "max_leaf_nodes": 2.0, "max_depth": 1.4, "depth": 1.4},
    "stronger regularisation": {
        "reg_lambda": 4.0,
        "l2_leaf_reg": 3.0,
        "l2_regularization": 4.0,
        "alpha": 3.0,
        "C": 0.33,
    },
    "weaker regularisation": {
        "reg_lambda": 0.25,
        "l2_leaf_reg": 0.33,
        "l2_regularization": 0.25,
        "alpha": 0.33,
        "C": 3.0,
    },
    "fewer columns per tree": {"colsample_bytree": 0.6, "max_features": 0.6},
}
FASTER = {**dict.fromkeys(_ROUNDS, 0.3), "max_features": 0.5, "learning_rate": 2.0}


@dataclass(frozen=True)
class Option:
    """One thing to try on a cell: a recipe, or (then `recipe` is None) the tuning named by `text`."""

    cell: str
    text: str
    recipe: Recipe | None
    cost: float
    value: float

    @property
    def key(self) -> tuple[str, str]:
        """What the ledger knows it by."""
        return spots.base(self.cell), self.recipe.name if self.recipe else self.text

    def plan(self) -> Plan:
        return Plan(self.text, self.cell, self.recipe.name if self.recipe else "", self.cost)


def tried(ledger: Iterable[Attempt]) -> set[tuple[str, str]]:
    """The keys of everything that was attempted."""
    return {(spots.base(a.cell), a.plan.recipe or a.plan.text) for a in ledger}


def carried_out(shelf: Shelf, script: str, plan: Plan) -> str:
    """The script after the plan; the script itself where the plan means nothing to the playbook."""
    recipe = shelf.named(plan.recipe, spots.base(plan.cell)) if plan.recipe else None
    if recipe is not None:
        return changed(shelf, script, plan.cell, recipe)
    book = scripts.parse(script)
    if plan.cell in book and plan.text in TUNINGS:
        return scripts.replace(script, {plan.cell: scaled(book[plan.cell], TUNINGS[plan.text])})
    return script


def works(shelf: Shelf, script: str, option: Option) -> bool:
    """Whether carrying the option out gives another script, whole, of cells that know and fit each other."""
    text = carried_out(shelf, script, option.plan())
    whole = text != script and not scripts.problems(text)
    unknown = whole and spots.unknown_names(text) - spots.unknown_names(script)
    return whole and not unknown and not set(calls.misfits(text)) - set(calls.misfits(script))


def ran(ledger: Iterable[Attempt]) -> list[Attempt]:
    """The attempts that were run; one that was not, for want of time say, tells nothing of its cell."""
    return [a for a in ledger if a.seconds > 0]


def options(
    shelf: Shelf, script: str, ledger: Sequence[Attempt], findings: Sequence[str], standing: Sequence[Standing] = ()
) -> list[Option]:
    """All that is untried, best first; the cheaper one first on ties. A candidate's model was tried, too."""
    book = scripts.parse(script)
    done = tried(ledger) | {("model", one.name) for one in standing}
    found = [o for cell in _cells(shelf, book) for o in _of_cell(shelf, book, cell, findings) if o.key not in done]
    return sorted((_learned(o, ledger) for o in found), key=lambda o: (-o.value, o.cost, o.key, o.cell))


def _cells(shelf: Shelf, book: Notebook) -> list[str]:
    """Cells of the script that alternatives may exist for, and feature cells that it lacks."""
    there = [name for name in book.names if spots.base(name) not in ("setup", "load", "submit", "weights", "blend")]
    joins = [c for c in book.cells if spots.base(c.name) == "features" and spots.joined(spots.plain(c))]
    labels = [spots.label(cell.name) for cell in joins][:1]
    bases = {spots.base(name) for name in there}
    return there + [name + end for end in labels for name in shelf.feature_cells if name not in bases]


def _of_cell(shelf: Shelf, book: Notebook, cell: str, findings: Sequence[str]) -> list[Option]:
    here, name = spots.part(book, cell), spots.base(cell)
    if name == "post" and shelf.profile.predicts not in ("label", "value"):
        return []
    fitting = [r for r in shelf.alternatives(name) if suits_part(shelf, here, r) and not (name == "model" and quick(r))]
    found = [Option(cell, _text(r, name not in here), r, r.cost, _value(shelf, r, here, findings)) for r in fitting]
    if name == "model" and cell in book:
        found += [
            Option(cell, text, None, 2.0 if "rounds" in text else 1.0, 0.35)
            for text, factors in TUNINGS.items()
            if scaled(book[cell], factors) != book[cell]
        ]
    return found


def suits_part(shelf: Shelf, here: Mapping[str, str], recipe: Recipe) -> bool:
    """Whether a recipe suits the rest of the part: its kind, what its model can read, what stands there now."""
    if not shelf.knows_features(here.get("features", "")):
        if recipe.cell == "model":  # who knows what `features` returns: a model needs its own
            return "features" in dict(recipe.cells)
        if recipe.cell not in here and recipe.cell not in FIXED:
            return False  # nothing would join it
    reads = scripts.used(here.get("features", ""))
    for kind, name in (("text", "documents"), ("audio", "spectra"), ("image", "images")):
        cells = ("model", "features", OWN_FEATURES.get(kind))
        if recipe.cell in cells and (recipe.kind == kind) != (name in reads):
            return False
    if recipe.kind in ("audio", "image") and recipe.cell not in here:
        return False
    if recipe.cell != "post" and (recipe.kind == "series") != ("history" in here):
        return False
    model = shelf.origin("model", here.get("model", ""))
    if "native" in recipe.tags and recipe.cell != "model" and (model is None or "native" not in model.tags):
        return False
    if recipe.cell == "features" and "predict" in dict(model.cells if model else ()):
        return False  # its features are its members' own
    return here.get(recipe.cell, "").strip() != dict(recipe.cells)[recipe.cell].strip()


def _text(recipe: Recipe, new: bool) -> str:
    """What the recipe is, in the last sentence of its prose: variants of a family differ there."""
    why = recipe.why.rstrip(".").rpartition(". ")[2]
    return f"{'add' if new else 'try'} {recipe.name}: {why[:200]}"


def _value(shelf: Shelf, recipe: Recipe, here: dict[str, str], findings: Sequence[str]) -> float:
    """What a recipe promises before anything was tried, between 0 and about 1.5."""
    if recipe.cell == "model":
        present = shelf.origin("model", here.get("model", ""))
        same = present is not None and family(present) == family(recipe)
        return (
            0.3
            + 0.3 * strength(family(recipe), shelf.profile)
            + (0.2 if same else 0.0)
            + 0.2 * suits(recipe, shelf.profile.metric)
        )
    if recipe.cell in ("target", "post", "predict", "features"):
        return 0.4
    present = shelf.origin("model", here.get("model", ""))
    if present is not None and family(present) in TREES and SCALES & set(recipe.tags):
        return 0.15
    hinted = sum(recipe.cell in HINTS.get(line.split(" ")[0], ()) for line in findings[:12])
    named = sum(any(tag in line for tag in recipe.tags) for line in findings[:12])
    return 0.45 + 0.08 * min(hinted, 6) + 0.02 * min(named, 3) + (0.1 if recipe.cell not in BASIC else 0.0)


def _learned(option: Option, ledger: Sequence[Attempt]) -> Option:
    """The option's value after the ledger: cells and families that gained before are worth more."""
    near = [a for a in ran(ledger) if spots.base(a.cell) == spots.base(option.cell)]
    like = [
        a for a in near if option.recipe and a.plan.recipe.partition("-")[0] == option.recipe.name.partition("-")[0]
    ]
    gains = [a.gain is not None and a.gain > 0 for a in (like or near)]
    factor = 1.0 if not gains else 0.6 + 0.8 * float(np.mean(gains))
    return Option(option.cell, option.text, option.recipe, option.cost, option.value * factor)


def scaled(source: str, factors: dict[str, float]) -> str:
    """A source with the named numbers multiplied; whole numbers stay whole and at least 2, shares at most 1."""
    for name, factor in factors.items():
        pattern = rf"((?<![\w.]){name}[\"']?\s*[:=]\s*)(\d+(?:\.\d+)?(?:e-?\d+)?)(?![\w.])"
        source = re.sub(pattern, lambda m, f=factor: m[1] + _times(m[2], f), source)  # type: ignore[misc]
    return source


def _times(number: str, factor: float) -> str:
    if number.isdigit():
        return str(max(2, round(int(number) * factor)))
    value = float(number) * factor
    return f"{min(value, 1.0) if float(number) <= 1 else value:.4g}"
