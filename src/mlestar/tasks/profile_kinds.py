"""What kind of column a column is, by its cells."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from mlestar.records import ColumnKind
from mlestar.tasks.infer_columns import numbers
from mlestar.tasks.infer_split import dates
from mlestar.tasks.numerals import MISSING

_TRUTHS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_LOOK = 2000  # cells that decide
_FEW = 60  # distinct texts of a category in a small table


def kind_of(raw: pd.Series[Any], values: pd.Series[Any]) -> ColumnKind:
    """The kind of a column; `values` are its cells as text, `raw` some of them as they are.

    Whole numbers stay numbers however few: what looks like a category to the eye is for the brain to try.
    """
    distinct = pd.Series(values.unique(), dtype="str")  # far cheaper to look at than all cells
    empty = blank(distinct, MISSING)
    if len(distinct) < 2:
        return "constant"
    filled, known = values[~values.isin(distinct[empty])], distinct[~empty]
    if not len(filled):
        return "category"  # several spellings of nothing
    look = filled.sample(min(_LOOK, len(filled)), random_state=0)
    if _is_list(raw, look):
        return "list"
    words = set(look.str.strip().str.lower().unique())
    if any(words <= truth for truth in _TRUTHS):
        return "boolean"
    if numbers(look).notna().all() and numbers(known).notna().all():
        return "number"
    if dates(look) is not None:
        return "date"
    return _text_kind(len(filled), len(known), look)


def blank(values: pd.Series[Any], words: set[str]) -> pd.Series[Any]:
    """True where a cell is one of `words`, spaces aside."""
    return values.str.strip().isin(words)


def _is_list(raw: pd.Series[Any], look: pd.Series[Any]) -> bool:
    native = [cell.tolist() if hasattr(cell, "tolist") else cell for cell in raw if cell is not None]
    native = [cell for cell in native if cell == cell]
    if native and all(isinstance(cell, list | tuple) for cell in native):
        return True
    if look.str.match(r"^\s*\[.*\]\s*$", flags=re.DOTALL).all():
        return bool(look.head(50).map(_parses).all()) or bool(look.head(50).str.contains(",").any())
    return any(_delimited(look, mark) for mark in ("|", ";", ","))


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


def _delimited(look: pd.Series[Any], mark: str) -> bool:
    """Short parts that recur between rows, in varying number: `V;IND;PST`, `pop|rock`."""
    parts = look.str.split(mark, regex=False)
    counts = parts.map(len)
    if (counts > 1).mean() < 0.5 or counts.nunique() < 2:
        return False
    pieces = parts.explode().str.strip()
    short = bool((pieces.str.len() <= 40).mean() > 0.95) and pieces.str.count(r"\s").mean() < 2
    return short and pieces.nunique() < len(pieces) / 3 and look.nunique() > pieces.nunique() / 4


def _text_kind(filled: int, distinct: int, look: pd.Series[Any]) -> ColumnKind:
    if distinct <= max(2, min(_FEW, filled // 2)):
        return "category"
    if _is_code(look):
        return "code"
    spoken = look.str.count(r"\s+").median() >= 3 or look.str.len().median() > 40
    if spoken and distinct > 0.2 * filled:
        return "text"
    if distinct > 0.5 * filled:
        return "text"  # names and the like: hardly any value comes twice
    return "category"


def _is_code(look: pd.Series[Any]) -> bool:
    """One constant pattern of separators with a digit in it: `F/906/P`, `0013_01`, `id27251` is none."""
    if look.str.len().max() > 40 or look.str.contains(r"\s").mean() > 0.05:
        return False
    marks = look.str.replace(r"[^\W_]+", "", regex=True)
    usual = marks.value_counts(normalize=True)
    constant = bool(usual.index[0]) and usual.iloc[0] > 0.95
    return constant and bool(look.str.contains(r"\d").mean() > 0.5)
