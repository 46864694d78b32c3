"""The embedded brain: every role of the paper played by rules over a library of recipes (DESIGN.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar, TypeVar, cast

from mlestar import roles
from mlestar.brains.playbook import adopting, joining, looking, neutral, refining, starting
from mlestar.brains.playbook.shelf import Shelf
from mlestar.plain import word
from mlestar.ports import Desk
from mlestar.records import Recipe
from mlestar.roles import Request

R = TypeVar("R")


def finalise(shelf: Shelf, request: roles.Finalise) -> roles.CheckedScript:
    """The playbook changes nothing at the end."""
    return roles.CheckedScript("nothing to change")


Plays = dict[type[Request[Any]], Callable[[Shelf, Any], Any]]
PLAYS: Plays = {
    roles.Retrieve: starting.retrieve,
    roles.WriteCandidate: starting.write,
    roles.CheckDataUsage: starting.check_data_usage,
    roles.CheckLeakage: starting.check_leakage,
    roles.Ablate: neutral.ablate,
    roles.ChooseTarget: refining.choose_target,
    roles.Look: looking.look,
    roles.MakePlan: refining.plan,
    roles.WriteCell: refining.code,
    roles.Debug: refining.debug,
    roles.PlanBlend: joining.plan_blend,
    roles.WriteBlend: joining.write_blend,
    roles.Finalise: finalise,
    roles.Adopt: adopting.adopt,
}


class Playbook:
    """A brain without a language model: a pure function of the request, the recipes and what is installed.

    `installed` are the modules that a real import found; a recipe that needs another is never named.
    """

    name = "playbook"
    plays: ClassVar[Plays] = PLAYS

    def __init__(self, recipes: Sequence[Recipe], installed: Collection[str]) -> None:
        self._recipes = tuple(recipes)
        self._installed = frozenset(installed)

    def play(self, request: Request[R], desk: Desk | None = None) -> R:
        """Answer a role's request; raises SettingsError where the library has nothing for such a task."""
        shelf = Shelf(self._recipes, self._installed, request.profile)
        reply = self.plays[type(request)](shelf, request)
        if desk is not None and (told := _unwritten(request, reply)):
            desk.note(told)
        return cast(R, reply)


def _unwritten(request: Request[Any], reply: Any) -> str:
    """What people should know where the library cannot write what was asked for; empty where it can."""
    if isinstance(request, roles.WriteCandidate) and reply.source:
        return f"the library cannot write {word(request.idea.name)!r}: {reply.name} is tried in its place"
    if isinstance(request, roles.WriteCell) and not reply.cells:
        return f"the library cannot carry this plan out: {word(request.plan.text)}"
    return ""
