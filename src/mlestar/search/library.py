"""The library: recipes of the user's folder and of the package, and their offline search index.

Eighty small files are read in a tenth of a second and indexed in a few milliseconds, so nothing is
cached on disk and nothing can be stale.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from mlestar.errors import SettingsError
from mlestar.records import Idea, Recipe
from mlestar.search.recipes import read_recipe

__all__ = ["Library", "read_recipe", "shipped"]

# bm25 weights of name, tags, prose, source: what a recipe is called and tagged says more than its prose.
_WEIGHTS = "4, 6, 1, 1"
# Words that mean the same to a searcher but not to the Porter stemmer.
_SYNONYMS = {
    "classify": "classification classifier classes",
    "classification": "classify classifier classes",
    "regress": "regression values",
    "regression": "values linear",
    "gbm": "gradient boosting",
    "gbdt": "gradient boosting",
    "nlp": "text words",
    "document": "text",
    "sentence": "text",
    "network": "neural mlp",
    "deep": "neural mlp",
    "neighbour": "knn nearest",
    "neighbor": "knn nearest",
}


def shipped() -> Path:
    """The folder of recipes that ships with the package."""
    return Path(str(files("mlestar") / "library"))


class Library:
    """All recipes; implements `ports.SearchProvider`.

    `folders` are searched in order, before the shipped recipes: a recipe of the same name and form
    in an earlier folder takes the place of a later one. Raises SettingsError when a folder is
    missing, a recipe is wrong, or a folder holds two recipes of one name and form.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = (*folders, shipped())
        for folder in folders:
            if not folder.is_dir():
                raise SettingsError(f"setting 'library': there is no folder {folder}")

    @cached_property
    def _all(self) -> tuple[Recipe, ...]:
        found: dict[tuple[str, str], Recipe] = {}
        for folder in self._folders:
            here: dict[tuple[str, str], Path] = {}
            for path in sorted(folder.rglob("*.md")):
                if path.name.lower() == "readme.md":
                    continue
                recipe = read_recipe(path)
                key = (recipe.name, recipe.form)
                if key in here:
                    raise SettingsError(
                        f"recipe {path}, key 'name': {recipe.name!r} with form {recipe.form!r} is also in {here[key]}"
                    )
                here[key] = path
                found.setdefault(key, recipe)
        return tuple(found.values())

    def recipes(self) -> tuple[Recipe, ...]:
        """Every recipe, the user's first, in the order of folders and file names."""
        return self._all

    def named(self, name: str, form: str = "any") -> Recipe:
        """The recipe of this name that fits `form`; raises SettingsError when there is none."""
        for recipe in self._all:
            if recipe.name == name and _fits(recipe.form, form):
                return recipe
        raise SettingsError(f"there is no recipe {name!r} for {form!r}; `mle-star library` lists them")

    def all_named(self, name: str, form: str = "any") -> list[Recipe]:
        """The recipes of this name that fit `form`; raises SettingsError with near names when there is none."""
        same = [r for r in self._all if r.name == name]
        found = [r for r in same if _fits(r.form, form)]
        if same and not found:
            raise SettingsError(f"the recipe {name!r} is for {' and '.join(r.form for r in same)}, not for {form!r}")
        if not found:
            names = list(dict.fromkeys(r.name for r in self._all))
            near = [n for n in names if name.lower() in n][:3] or get_close_matches(name.lower(), names, 3, 0.5)
            offer = f"did you mean {' or '.join(near)}? " if near else ""
            raise SettingsError(f"there is no recipe {name!r}: {offer}`mle-star library` lists them all")
        return found

    def alternatives(self, kind: str, cell: str, form: str) -> tuple[Recipe, ...]:
        """Recipes for `cell` of tasks of `kind` (those of kind `any` too) that fit `form`."""
        return tuple(r for r in self._all if r.cell == cell and r.kind in (kind, "any") and _fits(r.form, form))

    def search(self, query: str, kind: str, limit: int) -> list[Idea]:
        """Models for tasks of `kind` that share words with `query`, best first, at most `limit`.

        A `table` task may be about its text columns, so text models are found for it as well.
        """
        kinds = {kind, "any", *{"table": ["text"], "image": ["table"]}.get(kind, [])}
        models = [r for r in self._all if r.cell == "model" and r.kind in kinds]
        best: dict[str, Idea] = {}
        for number in _ranked(models, query):
            recipe = models[number]
            best.setdefault(recipe.name, _idea(recipe))
        return list(best.values())[:limit]


def _fits(have: str, want: str) -> bool:
    return have == want or "any" in (have, want)


def _ranked(recipes: Sequence[Recipe], query: str) -> list[int]:
    """Positions of the recipes that match any word of `query`, best first."""
    words = re.findall(r"\w+", query.lower())
    words += [more for word in words for more in _SYNONYMS.get(word, "").split()]
    if not words:
        return []
    with sqlite3.connect(":memory:") as index:
        index.execute("CREATE VIRTUAL TABLE r USING fts5(name, tags, why, source, tokenize='porter unicode61')")
        rows = [(i, r.name, " ".join((*r.tags, r.kind)), r.why, r.source) for i, r in enumerate(recipes)]
        index.executemany("INSERT INTO r(rowid, name, tags, why, source) VALUES (?, ?, ?, ?, ?)", rows)
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        order = f"SELECT rowid FROM r WHERE r MATCH ? ORDER BY bm25(r, {_WEIGHTS}), rowid"
        found = [int(row[0]) for row in index.execute(order, (match,))]
    index.close()
    return found


def _idea(recipe: Recipe) -> Idea:
    code = "\n\n".join(f"# %% {name}\n{source}" for name, source in recipe.cells)
    return Idea(recipe.name, recipe.why, recipe.source, recipe=recipe.name, code=code, cost=recipe.cost)
