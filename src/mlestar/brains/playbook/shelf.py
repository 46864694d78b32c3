"""The part of the library that can be used here: what is installed, fits the form, and suits the profile."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from mlestar import scripts
from mlestar.brains.playbook.conditions import compressed, has, holds, images, loaded
from mlestar.brains.playbook.families import family, quick, suits
from mlestar.errors import SettingsError
from mlestar.records import Profile, Recipe

FIXED = ("setup", "load", "features", "target", "model", "predict", "weights", "blend", "post", "submit")
FORMS = {"value": "values", "text": "texts"}
_COLUMNS = ("columns", "numbers", "booleans", "categories", "dates", "texts", "lists", "codes", "ids")
BASIC = (*_COLUMNS, "row_files", "sounds", "pictures", "lags")


def form(profile: Profile) -> str:
    """What models predict: `classes` (probabilities), `values` or `texts`."""
    return FORMS.get(profile.predicts, "classes")


@dataclass(frozen=True)
class Shelf:
    """The usable recipes for one profile."""

    recipes: Sequence[Recipe] = field(repr=False)
    installed: Collection[str] = field(repr=False)
    profile: Profile

    @cached_property
    def usable(self) -> tuple[Recipe, ...]:
        """All recipes but skeletons that fit this task and can run here; one per name and cell, the first wins."""
        found: dict[tuple[str, str], Recipe] = {}
        reader = self._reader
        for recipe in (self._reading(each, reader) for each in self.recipes):
            if recipe.cell != "skeleton" and self._fits(recipe):
                found.setdefault((recipe.cell, recipe.name), recipe)
        return tuple(found.values())

    @property
    def _reader(self) -> Recipe | None:
        """What reads recordings that are no wav files; raises SettingsError where it is not installed."""
        suffix = compressed(self.profile)
        reader = next((r for r in self.recipes if suffix and r.cell == "recordings" and self._fits(r)), None)
        if suffix and reader is None:
            raise SettingsError(
                f"the rows' files end in {suffix}, which soundfile reads: install it for the interpreter that runs "
                "scripts (`pip install soundfile`, extra `[audio]`), or turn the files into wav files"
            )
        return reader

    def _reading(self, recipe: Recipe, reader: Recipe | None) -> Recipe:
        """The recipe with this reader of recordings in place of its own."""
        cells = dict(recipe.cells)
        if reader is None or "recordings" not in cells or recipe == reader:
            return recipe
        cells |= {"setup": f"{setup_of(recipe)}\n{setup_of(reader)}", "recordings": dict(reader.cells)["recordings"]}
        return replace(recipe, cells=tuple(cells.items()), needs=(*recipe.needs, *reader.needs))

    def _fits(self, recipe: Recipe) -> bool:
        kinds = {"table", "any", "stack"} | (
            {"text"} if has(self.profile, "texts") or has(self.profile, "lists") else set()
        )
        kinds |= {"series"} if self.profile.time else set()
        kinds |= {"audio"} if loaded(self.profile) == "audio" else set()
        kinds |= {"image"} if images(self.profile) else set()
        forms = {form(self.profile), "any"}
        if self.profile.predicts == "text":  # what is made for numbers has no use there, whatever it predicts
            kinds, forms = {"sequence"}, {"texts"}
        if self.profile.pixels:  # rows are images there
            kinds = {"pixels"}
        return (
            recipe.kind in kinds
            and recipe.form in forms
            and all(need in self.installed for need in recipe.needs)
            and not (self._one_column and "predict" in dict(recipe.cells))
            and holds(recipe, self.profile)
        )

    @property
    def _one_column(self) -> bool:
        """Whether the submission is not one column per class: a recipe's own `predict` would not fit."""
        p = self.profile
        return p.predicts == "probability" and not (p.classes and len(p.prediction_columns) == len(p.classes))

    def alternatives(self, cell: str) -> tuple[Recipe, ...]:
        """The usable recipes for a cell, blends left to `stacks`."""
        return tuple(r for r in self.usable if r.cell == cell and r.kind != "stack")

    @property
    def stacks(self) -> tuple[Recipe, ...]:
        """The usable blends."""
        return tuple(r for r in self.usable if r.kind == "stack")

    @property
    def models(self) -> tuple[Recipe, ...]:
        """The usable models."""
        return self.alternatives("model")

    @property
    def feature_cells(self) -> tuple[str, ...]:
        """The names of all feature cells that have a usable recipe, the basic ones first."""
        names = {r.cell for r in self.usable if r.kind not in ("stack", "series", "audio", "image")} - set(FIXED)
        return (*(n for n in BASIC if n in names), *sorted(names - set(BASIC)))

    def named(self, name: str, cell: str = "") -> Recipe | None:
        """The usable recipe of this name, for `cell` if one is given."""
        return next((r for r in self.usable if r.name == name and cell in ("", r.cell)), None)

    def plain(self, cell: str) -> Recipe | None:
        """The ordinary recipe for a feature cell: the one named like it, else the cheapest."""
        return self.named(cell, cell) or min(self.alternatives(cell), key=lambda r: (r.cost, r.name), default=None)

    def skeleton(self, name: str) -> Recipe:
        """A skeleton or `load` recipe; raises SettingsError when the library has none of this name."""
        found = next((r for r in self.recipes if r.name == name), None)
        if found is None:
            raise SettingsError(
                f"the library has no recipe {name!r}; without it no script can be written for this task"
            )
        return found

    def origin(self, cell: str, source: str) -> Recipe | None:
        """The recipe whose cell this source is, if it stands there unchanged."""
        return self._origins.get((cell, source.strip()))

    def knows_features(self, source: str) -> bool:
        """Whether the library knows what a `features` cell returns: it joins feature cells, or is a recipe's own."""
        return "FEATURES" in scripts.defined(source) or source.strip() in self._features

    @cached_property
    def _features(self) -> frozenset[str]:
        return frozenset(dict(recipe.cells).get("features", "").strip() for recipe in self.recipes)

    @cached_property
    def _origins(self) -> dict[tuple[str, str], Recipe]:
        found: dict[tuple[str, str], Recipe] = {}
        ordered = sorted(self.usable, key=lambda r: r.cell == "model")  # a feature recipe before a model's companion
        for recipe in ordered:
            for name, source in recipe.cells:
                found.setdefault((name, source.strip()), recipe)
        return found

    def families(self) -> dict[str, list[Recipe]]:
        """The usable models by family: those for the metric, then the plainest; `quick` is a choice of its own."""
        metric = self.profile.metric
        found: dict[str, list[Recipe]] = {}
        for recipe in sorted(self.models, key=lambda r: (-suits(r, metric), r.name.count("-"), r.cost, r.name)):
            if not quick(recipe):
                found.setdefault(family(recipe), []).append(recipe)
        return found


def brought(recipe: Recipe) -> dict[str, str]:
    """The cells that a recipe brings, its imports left out."""
    return {name: source for name, source in recipe.cells if name != "setup"}


def setup_of(recipe: Recipe) -> str:
    """The imports that a recipe's cells need."""
    return dict(recipe.cells).get("setup", "")


def defines(recipe: Recipe, cell: str) -> set[str]:
    """The names that a recipe's cell defines."""
    return scripts.defined(dict(recipe.cells)[cell])
