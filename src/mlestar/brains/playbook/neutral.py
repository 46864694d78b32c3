"""The ablation role: what each cell would be if it did nothing."""

from __future__ import annotations

from mlestar import scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.setup import imports
from mlestar.brains.playbook.shelf import Shelf, setup_of
from mlestar.roles import Ablate, NeutralForms
from mlestar.scripts import Cell, Notebook


def ablate(shelf: Shelf, request: Ablate) -> NeutralForms:
    """Neutral forms: feature cells and models first."""
    book = scripts.parse(request.script)
    forms = [(cell.name, form) for cell in book.cells for form in [_neutral(shelf, book, cell)] if form]
    forms.sort(key=lambda pair: _turn(book, pair[0]))
    return NeutralForms(tuple(forms[: request.most]))


def _turn(book: Notebook, name: str) -> tuple[int, int]:
    late = ("features", "target", "predict", "blend", "post").count(spots.base(name))
    return late, book.names.index(name)


def _neutral(shelf: Shelf, book: Notebook, cell: Cell) -> str:
    """The neutral form of one cell, fit for its place; empty when there is none that differs."""
    name, source = spots.base(cell.name), spots.plain(cell)
    if name in ("setup", "load", "submit", "weights"):
        return ""
    recipe = shelf.origin(name, source)
    form = dict(recipe.neutral).get(name, "") if recipe is not None else ""
    if spots.feature_function(cell.name, source) and name != "features":
        if len({spots.base(c.name) for c in book.cells if _feature(c)}) < 2:
            return ""  # a model cannot learn from no columns at all
        form = empty(name)
    if not form or form == source or not scripts.defined(form) >= _needed_outside(book, cell, source):
        return ""
    form = spots.suited(book, cell.name, form)
    unknown = spots.unknown_names(scripts.replace(book.text(), {cell.name: form}))
    lines = imports([setup_of(recipe)], unknown) if recipe is not None else []
    whole = "\n\n\n".join([*lines, form])
    return "" if spots.unknown_names(scripts.replace(book.text(), {cell.name: whole})) else whole


def _feature(cell: Cell) -> bool:
    return spots.base(cell.name) != "features" and spots.feature_function(cell.name, spots.plain(cell))


def _needed_outside(book: Notebook, cell: Cell, source: str) -> set[str]:
    """The names of a cell that other cells of its part read."""
    others = [text for name, text in spots.part(book, cell.name).items() if name != spots.base(cell.name)]
    return {name for name in scripts.defined(source) if any(name in scripts.used(text) for text in others)}


def empty(cell: str) -> str:
    """A feature cell without columns."""
    return (
        f"def {spots.base(cell)}(train, test, files):\n"
        '    """No columns."""\n'
        "    return pd.DataFrame(index=train.index), pd.DataFrame(index=test.index)"
    )
