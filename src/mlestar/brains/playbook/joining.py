"""The roles of algorithm 3: ensemble planner and ensembler."""

from __future__ import annotations

import re

from mlestar import bans, scripts
from mlestar.brains.playbook.setup import imports
from mlestar.brains.playbook.shelf import Shelf, brought, setup_of
from mlestar.leveltwo import ALL_MEMBERS
from mlestar.records import Recipe
from mlestar.roles import BlendPlan, PlanBlend, RewrittenCells, WriteBlend


def plan_blend(shelf: Shelf, request: PlanBlend) -> BlendPlan:
    """The next blend of the library that was not tried: those for this metric first, then the cheaper ones.

    One that bears many members is tried on all of them, too, before another.
    """
    done, never = {name for name, _, _ in request.tried}, bans.told(request.hints)
    stacks = ranked(shelf)
    few, many = len(request.chosen) > 1, len(request.members) > max(1, len(request.chosen))
    left = [named(r) for r in stacks if few] + [named(r, True) for r in stacks if many and "many" in r.tags]
    left.sort(key=lambda plan: [r.name for r in stacks].index(plan.recipe))
    free = (
        p for p in left if p.recipe + ALL_MEMBERS * p.every not in done and not bans.broken(never, p.recipe, p.text)
    )
    return next(free, BlendPlan(""))


def ranked(shelf: Shelf) -> list[Recipe]:
    """The blends of the library, those for this metric first, then the cheaper ones."""
    words = set(re.findall(r"[a-z0-9]+", shelf.profile.metric))
    return sorted(shelf.stacks, key=lambda r: (-len(words & set(r.tags)), r.cost, r.name))


def named(recipe: Recipe, every: bool = False) -> BlendPlan:
    """A blend recipe as the planner names it."""
    return BlendPlan(f"{recipe.name}: {recipe.why.partition('. ')[0]}", recipe.name, every=every)


def write_blend(shelf: Shelf, request: WriteBlend) -> RewrittenCells:
    """The cells of the blend recipe, with the imports that they use."""
    recipe = next((r for r in shelf.stacks if r.name == request.plan.recipe), None)
    return RewrittenCells(()) if recipe is None else RewrittenCells(blend_cells(recipe), recipe.name, recipe.cost)


def blend_cells(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """The cells of a blend recipe, its `setup` cut to the imports that they use."""
    cells = brought(recipe)
    needed = set().union(*map(scripts.used, cells.values()))
    setup = "\n\n".join(imports([setup_of(recipe)], needed))
    whole = ({"setup": setup} if setup else {}) | cells
    return tuple(whole.items())
