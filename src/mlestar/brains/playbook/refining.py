"""The roles of algorithm 2: target chooser, planner, coder, debugger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlestar import bans, naming, scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.neutral import empty
from mlestar.brains.playbook.options import FASTER, Option, carried_out, options, ran, scaled, works
from mlestar.brains.playbook.shelf import Shelf
from mlestar.records import Attempt, Effect, Plan, Target
from mlestar.roles import ChooseTarget, Debug, MakePlan, RewrittenCells, WriteCell

NOISE = 0.05


def choose_target(shelf: Shelf, request: ChooseTarget) -> Target:
    """The cell with the largest promise × effect × headroom; where no effect clears zero, the best idea there is.

    An effect alone is no reason: without its numbers a table loses most, and yet trees gain nothing from another scale.
    """
    left = options(shelf, request.script, request.ledger, (), request.standing)
    if not left:
        return Target("model", "nothing untried is left")
    clear = {e.cell: e for e in request.effects if e.effect is not None and e.low is not None and e.low > 0}
    rng = np.random.default_rng(request.seed)
    worth: dict[str, float] = {}
    for cell in dict.fromkeys(o.cell for o in left):
        best = max(o.value for o in left if o.cell == cell)
        worth[cell] = best * (0.5 + _share(clear, cell)) * _headroom(cell, left, request.ledger) + rng.uniform(0, NOISE)
        worth[cell] += 0.1 * (spots.base(cell) == "model") * (request.branch % 2)
    cell = max(worth, key=lambda name: worth[name])
    if cell in clear:
        return Target(cell, f"taking it away costs {clear[cell].effect:.4g}, and there are untried ways to do it")
    return Target(cell, "no effect on it clears the noise; the library's best untried idea is here")


def _share(clear: dict[str, Effect], cell: str) -> float:
    """The cell's measured effect as a part of the largest one."""
    largest = max((e.effect or 0.0 for e in clear.values()), default=0.0)
    return (clear[cell].effect or 0.0) / largest if cell in clear and largest > 0 else 0.0


def _headroom(cell: str, left: Sequence[Option], ledger: Sequence[Attempt]) -> float:
    """Between 0 and 1: how much may be left in a cell, by untried options and by attempts that failed."""
    untried = sum(o.cell == cell for o in left)
    failed = sum(spots.base(a.cell) == spots.base(cell) and not a.accepted for a in ran(ledger))
    return float(min(1.0, 0.6 + 0.2 * untried) * 0.8**failed)


def plan(shelf: Shelf, request: MakePlan) -> Plan:
    """The best untried option for the target cell that can be carried out; then for any other cell; then none."""
    rng = np.random.default_rng(request.seed)
    left = options(shelf, request.script, request.ledger, request.findings, request.standing)
    noise = {o.key: float(n) for o, n in zip(left, rng.uniform(0, NOISE, len(left)), strict=True)}
    left.sort(key=lambda o: (o.cell != request.target.cell, -o.value - noise[o.key], o.cost))
    said = [hint.partition(": ") for hint in request.hints]
    pinned = [text.lower() for word, _, text in said if word == "try this"]
    left = [o for o in left if not bans.broken(bans.told(request.hints), *_texts(o))]
    left.sort(key=lambda o: not any(pin in " ".join(_texts(o)).lower() for pin in pinned))
    chosen = next((o for o in left if works(shelf, request.script, o)), None)
    return chosen.plan() if chosen else Plan("", request.target.cell)


def _texts(option: Option) -> tuple[str, str]:
    """What bans and pins are looked for in."""
    made = option.plan()
    return made.recipe, made.text


def code(shelf: Shelf, request: WriteCell) -> RewrittenCells:
    """The cells that the plan changes, imports and constants among them."""
    text = carried_out(shelf, request.script, request.plan)
    name = request.plan.recipe or request.plan.text
    return RewrittenCells(difference(request.script, text), name, max(request.plan.cost, 0.1))


def difference(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """The cells in which two scripts differ: new sources, and an empty one for each cell that is gone."""
    old, new = scripts.parse(before), scripts.parse(after)
    cells = [(c.name, c.source) for c in new.cells if c.name not in old or old[c.name] != c.source]
    return (*cells, *((name, "") for name in old.names if name not in new))


def debug(shelf: Shelf, request: Debug) -> RewrittenCells:
    """Known cures: fewer rounds for time and memory, no gaps where gaps hurt, nothing from a broken feature cell."""
    book = scripts.parse(request.script)
    models = [c for c in book.cells if spots.base(c.name) == "model"]
    if request.state in ("timeout", "memory", "signal"):
        lighter = [(c.name, scaled(c.source, FASTER)) for c in models]
        return RewrittenCells(tuple((n, s) for n, s in lighter if s != book[n]), "lighter")
    if request.state != "exception" or "No module named" in request.error:
        return RewrittenCells(())
    failing = next((c for c in book.cells if c.name == request.cell), None)
    if failing is not None and spots.base(failing.name) != "features":
        source = spots.plain(failing)
        if spots.feature_function(failing.name, source):
            return RewrittenCells(((failing.name, spots.suited(book, failing.name, empty(failing.name))),), "without")
    gaps = any(word in request.error for word in ("NaN", "infinity", "missing values", "inf"))
    features = [c for c in book.cells if spots.base(c.name) == "features" and spots.joined(spots.plain(c))]
    if gaps and features:
        filled = [(c.name, spots.suited(book, c.name, _without_gaps(spots.plain(c)))) for c in features]
        return RewrittenCells(tuple((n, s) for n, s in filled if s != book[n]), "without gaps")
    return RewrittenCells(())


def _without_gaps(features: str) -> str:
    """The `features` cell with zeros where a number is missing or infinite."""
    if "fillna" in features:
        return features
    inner = naming.rename(features, {"features": "with_gaps"})
    return inner + (
        "\n\n\ndef features(train, test, files):\n"
        '    """The same with zeros where a number is missing or infinite."""\n'
        "    sides = with_gaps(train, test, files)\n"
        "    return tuple(side.astype(float).replace([np.inf, -np.inf], np.nan).fillna(0.0) for side in sides)"
    )
