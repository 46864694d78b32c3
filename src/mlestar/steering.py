"""What people say to a run while it goes on (the paper's human hooks, and more): heard at fixed places, recorded.

A letter is heard once per place as part of a step, so a replay hears the same at the same place however late a
letter came. Hints, pins and bans go to the brain with every request; a ban is enforced here too. A model, a cell
written by hand and a target are each one plan or choice of the branch that hears them first.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlestar import bans, scripts
from mlestar.plain import word
from mlestar.records import MOST_TITLE, Idea, Letter, Plan, Target
from mlestar.workbench import Workbench

MOST_HINT = 2_000  # characters


def listen(bench: Workbench) -> tuple[Letter, ...]:
    """Everything said so far, as heard at this address."""
    return bench.decide("heard", tuple[Letter, ...], lambda: tuple(bench.house.letters("steer")))


def hints(heard: Iterable[Letter]) -> tuple[str, ...]:
    """What brains are told of it."""
    words = {"hint": "", "pin": "try this: ", "forbid": bans.NEVER, "model": "a model to use: "}
    return tuple(words[x.about] + x.body[:MOST_HINT] for x in heard if x.about in words)


def banned(heard: Iterable[Letter], *texts: str) -> str:
    """The ban that one of the texts breaks; empty when none does."""
    return bans.broken(_forbidden(heard), *texts)


def breaches(heard: Iterable[Letter], script: str, before: str = "") -> list[str]:
    """Why a script may not be run, as `scripts.problems` says it: it breaks a ban where it differs from `before`."""
    cells, old = ({cell.name: cell.source for cell in scripts.parse(text).cells} for text in (script, before))
    ban = bans.broken_by_code(_forbidden(heard), cells, old)
    return [f"not tried: somebody forbade {ban!r}"] if ban else []


def _forbidden(heard: Iterable[Letter]) -> tuple[str, ...]:
    return tuple(letter.body for letter in heard if letter.about == "forbid")


def wanted(heard: Iterable[Letter], ideas: tuple[Idea, ...], known: tuple[Idea, ...]) -> tuple[Idea, ...]:
    """The ideas without banned ones; models that people described or pinned come first."""
    heard = tuple(heard)
    kept = [i for i in ideas if not banned(heard, i.name, i.recipe, i.why)]
    asked = [x for x in heard if x.about in ("model", "pin")]
    library = {i.recipe: i for i in (*known, *ideas) if i.recipe}
    own = [library.get(x.body.strip()) or _described(x) for x in asked if x.about == "model" or x.body in library]
    first = [idea for idea in own if idea.name not in {i.name for i in kept}]
    pinned = [i for i in kept if any(i.name == idea.name for idea in own)]
    return (*first, *pinned, *(i for i in kept if i not in pinned))


def _described(letter: Letter) -> Idea:
    return Idea(word(letter.body, 60), letter.body[:MOST_HINT], letter.sender or "you")


def target(bench: Workbench, fresh: Iterable[Letter], script: str) -> Target | None:
    """The cell that somebody chose last; one that the script lacks is noted."""
    names = scripts.parse(script).names
    asked = [x.body.strip() for x in fresh if x.about == "target"]
    for cell in asked:
        if cell not in names:
            told = f"`{word(cell)}` cannot be the target: the script has no such cell, only {', '.join(names)}"
            bench.journal.note(bench.address, told)
    chosen = [cell for cell in asked if cell in names]
    return Target(chosen[-1], "chosen by hand") if chosen else None


def plan(fresh: Iterable[Letter]) -> Plan | None:
    """A plan that somebody made: a cell written by hand, or a model to put in; the oldest first."""
    for letter in fresh:
        kind, _, cell = letter.about.partition(":")
        if kind == "cell":
            return Plan(f"the cell as {letter.sender or 'somebody'} wrote it", cell, cells=((cell, letter.body),))
        if kind == "model":
            return Plan(f"Use this model: {letter.body[:MOST_HINT]}", "model", name=word(letter.body, MOST_TITLE))
    return None


def mine(bench: Workbench, heard: Iterable[Letter]) -> tuple[Letter, ...]:
    """The letters that this branch is to act on: models and cells go to one branch, not company's, the rest to all."""
    single, turn = ("model", "cell"), bench.rules.size.branches
    return tuple(x for x in heard if x.about.partition(":")[0] not in single or x.number % turn == bench.branch)
