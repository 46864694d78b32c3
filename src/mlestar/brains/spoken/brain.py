"""A brain that is asked in words, with another that plays what needs no call and stands in when words fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from mlestar import roles, scripts
from mlestar.brains.playbook import spots
from mlestar.brains.spoken.answers import BadAnswer, read
from mlestar.brains.spoken.framing import Ground, ground
from mlestar.brains.spoken.rendering import markdown, render
from mlestar.brains.spoken.voice import Past, Voice
from mlestar.errors import Refused, SettingsError, Spent, Unreachable
from mlestar.plain import word
from mlestar.ports import Brain, Desk
from mlestar.records import Exchange, Recipe, Surroundings
from mlestar.roles import Request

R = TypeVar("R")
FEWEST_FORMS = 2  # neutral forms that are enough for an ablation without a call


class Spoken:
    """Plays each role through the voices for it, in turn until one can be reached.

    `voices` maps a role to its voices; a role without any is `base`'s. An answer that cannot be taken is sent
    back with the complaint, at most `attempts` answers; then, or when a cap is reached, `base` stands in. With
    `stand_in` it also stands in where no voice can be reached; else Unreachable is raised. A request that the last
    voice refuses for good is always the base brain's, and so are all of branches that are beyond the first `branches`.
    """

    def __init__(
        self,
        name: str,
        voices: Mapping[str, Sequence[Voice]],
        surroundings: Surroundings,
        base: Brain,
        recipes: Sequence[Recipe],
        installed: Collection[str],
        attempts: int = 3,
        stand_in: bool = False,
        branches: int | None = None,
    ) -> None:
        self.name = name
        self._voices, self._here, self._base = voices, surroundings, base
        self._recipes, self._installed = tuple(recipes), frozenset(installed)
        self._attempts, self._stand_in, self._branches = attempts, stand_in, branches

    def play(self, request: Request[R], desk: Desk) -> R:
        """Answer a role's request; a pure function of it and of the calls that the desk has recorded."""
        chain = self._voices.get(request.role, ())
        if not chain or (self._branches is not None and request.branch >= self._branches):
            return self._base.play(request, desk)
        here = ground(self._recipes, self._installed, request.profile)
        known = self._without_call(request, here, desk)
        if known is not None:
            return known
        return self._asked(request, here, chain, desk)

    def _asked(self, request: Request[R], here: Ground, chain: Sequence[Voice], desk: Desk) -> R:
        """Ask until an answer can be taken."""
        past: Past = ()
        complaint = ""
        for number in range(self._attempts):
            try:
                exchange = desk.call(number, complaint, self._question(request, here, chain, past, desk))
            except (Spent, Refused) as error:  # the same prompt would be refused again
                return self._stood_in(request, desk, str(error))
            except Unreachable as error:
                if not self._stand_in:
                    raise
                return self._stood_in(request, desk, str(error))
            for page in exchange.pages:
                desk.note(f"found by {page.provider}: {page.title} ({page.address}, {page.date})")
            try:
                return read(request, exchange.text, here, self._here.packages)
            except BadAnswer as error:
                complaint = str(error)
                past = (*past, (exchange.text, complaint))
                desk.note(f"answer {number + 1} of {exchange.by} as {request.role} was refused: {word(complaint, 300)}")
        return self._stood_in(request, desk, f"no answer of {self._attempts} could be taken")

    def _question(
        self, request: Request[Any], here: Ground, chain: Sequence[Voice], past: Past, desk: Desk
    ) -> Callable[[], Exchange]:
        """The call itself. The prompt is made inside: it tells what is left, which no record may hang on."""

        def ask() -> Exchange:
            prompt = render(request, self._here, desk.left(), here)
            digest = desk.save(markdown(prompt, past))
            for voice in chain[:-1]:
                try:
                    return replace(voice.say(request.role, prompt, past, desk), prompt=digest)
                except Unreachable as error:
                    why = "refuses this" if isinstance(error, Refused) else "cannot be reached"
                    desk.note(f"{voice.name} {why}, so the next is asked: {word(error, 300)}")
            return replace(chain[-1].say(request.role, prompt, past, desk), prompt=digest)

        return ask

    def _stood_in(self, request: Request[R], desk: Desk, reason: str) -> R:
        """The base brain's reply; the empty one of the role where it has none for such a task."""
        desk.note(f"{request.role}: the {self._base.name} stood in: {word(reason, 300)}")
        try:
            return self._base.play(request, desk)
        except SettingsError as error:
            desk.note(f"{request.role}: nothing is done, {word(error, 300)}")
            return request.declined()

    def _without_call(self, request: Request[R], here: Ground, desk: Desk) -> R | None:
        """The base brain's reply where it is as good as anybody's; None where somebody must be asked."""
        rule = _FREE.get(type(request))
        if rule is None or not rule(request, here):
            return None
        try:
            reply = self._base.play(request, desk)
        except SettingsError:
            return None
        return reply if _is_enough(reply) else None


def _is_enough(reply: object) -> bool:
    """Whether what the base brain found makes a call needless."""
    if isinstance(reply, roles.NeutralForms):
        return len(reply.forms) >= FEWEST_FORMS
    if isinstance(reply, roles.RewrittenCells):
        return bool(reply.cells)
    if isinstance(reply, roles.WrittenScript):
        return bool(reply.script)
    return not isinstance(reply, roles.Ideas) or bool(reply.ideas)


def _only_settings_hurt(request: roles.Debug, here: Ground) -> bool:
    """Time or memory ran out in the library's own models: their settings are known cures."""
    if request.state not in ("timeout", "memory"):
        return False
    models = [c for c in scripts.parse(request.script).cells if spots.base(c.name) == "model"]
    return bool(models) and all(here.shelf.origin("model", spots.plain(c)) is not None for c in models)


_FREE: dict[type[Request[Any]], Callable[[Any, Ground], bool]] = {
    roles.Retrieve: lambda request, here: request.quick,
    roles.WriteCandidate: lambda request, here: here.shelf.named(request.idea.recipe, "model") is not None,
    roles.CheckDataUsage: lambda request, here: not request.unread,
    roles.CheckLeakage: lambda request, here: not request.suspicions,
    roles.Ablate: lambda request, here: True,
    roles.ChooseTarget: lambda request, here: not request.effects,  # the planner may name another cell
    roles.WriteCell: lambda request, here: bool(request.plan.recipe),
    roles.Debug: _only_settings_hurt,
    roles.WriteBlend: lambda request, here: bool(request.plan.recipe),
}
