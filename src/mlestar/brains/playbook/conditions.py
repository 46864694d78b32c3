"""Does a recipe suit a task? The vocabulary of `when`, evaluated on a profile (docs/recipes.md)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from mlestar.errors import SettingsError
from mlestar.records import Column, Profile, Recipe

MANY_CLASSES = 10
SKEWED = 1.0
KINDS = {
    "numbers": "number",
    "categories": "category",
    "booleans": "boolean",
    "dates": "date",
    "texts": "text",
    "lists": "list",
    "codes": "code",
}
_PIXEL = re.compile(r"(\D*(?:pix|px|image|img)\D*)(\d+)", re.IGNORECASE)  # such as pixel0, px_1
SMALLEST = 8  # pixels of a side; fewer columns of like names are no image
_COUNT = re.compile(r"(rows|series|history)(>=|<=)(\d+)")


def holds(recipe: Recipe, profile: Profile) -> bool:
    """Whether all conditions of `when` hold; raises SettingsError naming the recipe and an unknown condition."""
    facts = [_holds(recipe, condition, profile) for condition in recipe.when]  # all, so that none stays unchecked
    return all(facts)


def has(profile: Profile, kind: str) -> bool:
    """Whether there is a feature column of this kind (`numbers`, `texts`, …), ids left aside."""
    return any(c.kind == KINDS[kind] and c.name not in profile.apart for c in profile.columns)


def _holds(recipe: Recipe, condition: str, profile: Profile) -> bool:
    count = _COUNT.fullmatch(condition)
    if count:
        found = {"rows": profile.rows, "series": profile.series_count, "history": profile.history}[count[1]]
        return found >= int(count[3]) if count[2] == ">=" else found <= int(count[3])
    if condition.startswith("metric:"):
        return condition.removeprefix("metric:") == profile.metric
    if condition in KINDS:
        return has(profile, condition)
    if condition not in _FACTS:
        known = ", ".join(("rows>=N", "rows<=N", "series>=N", "history>=N", *KINDS, *_FACTS, "metric:<name>"))
        raise SettingsError(
            f"recipe {recipe.name!r}: {condition!r} in `when` is not a known condition; known are {known}"
        )
    return _FACTS[condition](profile)


def _imbalanced(profile: Profile) -> bool:
    """The rarest class has under half of an even share."""
    return bool(profile.class_shares) and min(profile.class_shares) * len(profile.class_shares) < 0.5


_FACTS: dict[str, Callable[[Profile], bool]] = {
    "row_files": lambda p: loaded(p) in ("text", "table"),
    "audio": lambda p: loaded(p) == "audio",
    "compressed": lambda p: bool(compressed(p)),
    "images": lambda p: bool(images(p)),
    "many_classes": lambda p: len(p.classes) > MANY_CLASSES,
    "skewed_target": lambda p: p.target_skew is not None and abs(p.target_skew) > SKEWED,
    "positive_target": lambda p: p.target_minimum is not None and p.target_minimum >= 0,
    "multi_target": lambda p: len(p.target) > 1,
    "imbalanced": _imbalanced,
    "missing": lambda p: any(c.missing > 0 for c in p.columns),
    "spans": lambda p: bool(p.target_within),
    "ids_structured": lambda p: any(c.kind == "code" and c.name in p.apart for c in p.columns),
    "forecast": lambda p: bool(p.time),
}


READ = ("audio", "text", "table")  # kinds of rows' files that recipes can read; a script reads the first that there is


def loaded(profile: Profile) -> str:
    """The kind of the rows' files that scripts read; empty without any."""
    return min((a.kind for a in profile.assets if a.kind in READ), key=READ.index, default="")


def row_files(profile: Profile) -> dict[str, str]:
    """The patterns of those files, for train and test; empty without any."""
    found = [a for a in profile.assets if a.kind == loaded(profile)]
    return {"train": found[0].train, "test": found[0].test} if found else {}


def compressed(profile: Profile) -> str:
    """The suffix of the rows' recordings where they are no wav files; empty elsewhere."""
    found = next((a.suffix.lower() for a in profile.assets if a.kind == loaded(profile) == "audio"), ".wav")
    return "" if found == ".wav" else found


def images(profile: Profile) -> dict[str, list[str]]:
    """The patterns of the images that belong to rows, one or several of each row; empty without any.

    Images whose pixels are columns have the pattern of these columns' names: `pixel*`.
    """
    found = [asset for asset in profile.assets if asset.kind == "image"]
    if found:
        return {"train": [a.train for a in found], "test": [a.test for a in found]}
    prefix, columns = pixels(profile)
    return {"train": [f"{prefix}*"], "test": [f"{prefix}*"]} if columns else {}


def pixels(profile: Profile) -> tuple[str, frozenset[str]]:
    """What the names of columns begin with that hold the pixels of a gray square, row by row; and these columns."""
    found: dict[str, list[Column]] = {}
    for column in profile.columns:
        if numbered := _PIXEL.fullmatch(column.name):
            found.setdefault(numbered[1], []).append(column)
    for prefix, columns in found.items():
        side = math.isqrt(len(columns))
        if side >= SMALLEST and side**2 == len(columns) and all(map(_shade, columns)):
            return prefix, frozenset(column.name for column in columns)
    return "", frozenset()


def _shade(column: Column) -> bool:
    """Whether a column may be a pixel: a number from 0 to 255, or the same everywhere, as at the border."""
    low, high = column.minimum or 0, column.maximum or 0
    return column.kind == "constant" or (column.kind == "number" and low >= 0 and high <= 255)


def known_ahead(profile: Profile) -> bool:
    """Whether future rows of a forecast have more than series and time: what is known ahead."""
    names = (*profile.series, profile.time, *profile.id)
    return any(c.name not in names and c.kind != "constant" for c in profile.columns)
