"""Fields of an answer's JSON, taken as they were meant."""

from __future__ import annotations

import math
from typing import Any

from mlestar import plain, roles
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.spoken.blocks import BadAnswer
from mlestar.records import Recipe

MOST_WORDS = 4_000  # characters of a reason or a finding


def line(fields: dict[str, Any], key: str) -> str:
    """A short text of a field, in one line; empty where there is none."""
    return plain.word(words(fields, key), roles.MOST_NAME)


def words(fields: dict[str, Any], key: str) -> str:
    """The text of a field; a list of texts is joined, anything else written out."""
    value = fields.get(key)
    if isinstance(value, list):
        value = "\n".join(str(item) for item in value)
    return "" if value is None else plain.clean(str(value)[:MOST_WORDS]).strip()


def cost(fields: dict[str, Any], usual: float) -> float:
    """The field `cost`, where it is a positive number."""
    try:
        value = float(fields.get("cost", usual))
    except (TypeError, ValueError):
        return usual
    return value if math.isfinite(value) and value > 0 else usual


def recipe(fields: dict[str, Any], shelf: Shelf, cell: str, where: str) -> Recipe | None:
    """The recipe that a field names, for `cell` if one is given; raises BadAnswer for one that is unknown."""
    name = line(fields, "recipe").strip("`")
    if not name or name.lower() in ("none", "null", "-"):
        return None
    found = shelf.named(name, cell)
    if found is None:
        known = ", ".join(dict.fromkeys(r.name for r in shelf.usable if cell in ("", r.cell)))
        raise BadAnswer(f"{where}: the library has no recipe {name!r}. Leave `recipe` out, or name one of: {known}.")
    return found
