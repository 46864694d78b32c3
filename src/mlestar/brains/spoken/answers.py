"""From an answer in words to the reply record of a role; what cannot be taken is refused with words to send back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from mlestar import bans, plain, roles, scripts
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.spoken import blocks, coded
from mlestar.brains.spoken.blocks import Answer, BadAnswer
from mlestar.brains.spoken.changing import analysis, cells_in, changed, writable
from mlestar.brains.spoken.fields import cost, line, recipe, words
from mlestar.brains.spoken.framing import Ground
from mlestar.records import Idea, Target
from mlestar.roles import Request

__all__ = ["BadAnswer", "read"]

R = TypeVar("R")


def read(request: Request[R], text: str, ground: Ground, packages: tuple[str, ...] = ()) -> R:
    """The reply that an answer gives. Raises BadAnswer, whose message says what to send instead.

    `packages` are what is installed, as `name version`; empty where that is not known.
    """
    reader = _READERS[type(request)]
    try:
        reply = cast(R, reader(request, blocks.read(text), ground, packages))
        _heed(request, reply, ground)
        return reply
    except (SyntaxError, RecursionError) as error:  # of the script in question, or of code in an odd place
        raise BadAnswer(f"The code cannot be taken: {plain.word(error)}") from None


def _heed(request: Any, reply: Any, ground: Ground) -> None:
    """Raise BadAnswer where a plan or the code of a solution breaks a ban.

    Ideas are sorted out elsewhere, so that the others stay; mending must keep the kind of model that is there.
    """
    never = bans.told(request.hints)
    if not never or isinstance(request, (roles.Debug, roles.Look)):
        return
    frame = {**ground.frame.cells, "setup": "\n\n".join(ground.setups)} if ground.frame else {}
    script, whole = getattr(request, "script", ""), getattr(reply, "script", None)
    before = _cells(script) if script else frame
    after = _cells(whole) if whole else {**before, **dict(getattr(reply, "cells", ()))}
    said = (getattr(reply, name, "") for name in ("name", "text", "recipe"))
    ban = bans.broken(never, *said) or bans.broken_by_code(never, after, before)
    if ban:
        raise BadAnswer(f"The user forbade {plain.word(ban)!r}: neither use it nor name it. Do something else.")


def _cells(script: str) -> dict[str, str]:
    return {cell.name: cell.source for cell in scripts.parse(script).cells}


def _ideas(request: roles.Retrieve, answer: Answer, ground: Ground, packages: tuple[str, ...]) -> roles.Ideas:
    listed = answer.fields("ideas").get("ideas")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if not entries:
        raise BadAnswer('Send one json block `{"ideas": [{"name": …, "why": …}, …]}` with at least one idea.')
    ideas = [_idea(entry, number, ground.shelf) for number, entry in enumerate(entries[: request.count], 1)]
    names = [idea.name.lower() for idea in ideas]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadAnswer(f"Two ideas are called {twice[0]!r}: give each a name of its own.")
    return roles.Ideas(tuple(ideas))


def _idea(entry: dict[str, Any], number: int, shelf: Shelf) -> Idea:
    name, why = line(entry, "name"), words(entry, "why")
    known = recipe(entry, shelf, "model", f"idea {number}")
    if not name and known is None:
        raise BadAnswer(f"Idea {number} has no `name`.")
    if not why and known is None:
        raise BadAnswer(f"Idea {number} ({name}) has no `why`: say what it does and why it suits this task.")
    if known is not None:
        return Idea(name or known.name, why or known.why, known.source or "library", known.name, cost=known.cost)
    return Idea(name, why, words(entry, "source"), code=words(entry, "code"), cost=cost(entry, 1.0))


def _target(request: roles.ChooseTarget, answer: Answer, ground: Ground, packages: tuple[str, ...]) -> Target:
    fields, book = answer.fields(), scripts.parse(request.script)
    chosen = line(fields, "cell").strip("`").removeprefix("# %%").strip()
    names = [n for n in book.names if n != "setup" and n in writable(ground, request.script)]
    if chosen not in names:
        raise BadAnswer(f"`cell` must be one of {', '.join(names)}; {chosen or 'nothing'!r} is none of them.")
    return Target(chosen, words(fields, "why"))


def _analysis(request: roles.Look, answer: Answer, ground: Ground, packages: tuple[str, ...]) -> roles.Analysis:
    fields = answer.fields()
    question = words(fields, "question")
    script = analysis(answer, packages)
    if script is None and "question" not in fields:
        raise BadAnswer('Send a python block with the analysis, or `{"question": ""}` to look at nothing.')
    return roles.Analysis(question, script)


def _checked(request: Any, answer: Answer, ground: Ground, packages: tuple[str, ...]) -> roles.CheckedScript:
    fields = answer.fields()
    finding = words(fields, "finding") or plain.word(answer.prose, 300)
    own = cells_in(answer, fields, ground, request.script)
    if not own and not finding:
        raise BadAnswer('Send a json block `{"finding": "…"}`, and a python block with cells if something must change.')
    if not own:
        return roles.CheckedScript(finding)
    _, script = changed(ground, request.script, own, writable(ground, request.script), packages)
    return roles.CheckedScript(finding or "mended", script)


Reader = Callable[[Any, Answer, Ground, tuple[str, ...]], Any]
_READERS: dict[type[Request[Any]], Reader] = {
    roles.Retrieve: _ideas,
    roles.WriteCandidate: coded.candidate,
    roles.CheckDataUsage: _checked,
    roles.CheckLeakage: _checked,
    roles.Finalise: _checked,
    roles.ChooseTarget: _target,
    roles.Look: _analysis,
    roles.Ablate: coded.neutral_forms,
    roles.MakePlan: coded.plan,
    roles.WriteCell: coded.rewritten,
    roles.Debug: coded.mended,
    roles.PlanBlend: coded.blend_plan,
    roles.WriteBlend: coded.blend_cells,
}
