"""How long the prompts of a run will be: each role's request rendered as in the middle of a run. Runs and asks nothing.

The script in it is one that the playbook composes for the task; ledgers, findings and pages are of usual length.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import Any

from mlestar import config, roles
from mlestar.brains.playbook import Playbook
from mlestar.brains.spoken.framing import ground
from mlestar.brains.spoken.rendering import render
from mlestar.config import Settings
from mlestar.errors import SettingsError
from mlestar.records import Attempt, Effect, Idea, Left, Page, Plan, Profile, Recipe, Surroundings, Target
from mlestar.roles import Request

LETTERS = 3.5  # characters of a token
PLAN, FINDING, PAGE, ERROR = 250, 1_500, 2_000, 1_500  # characters
MEMBERS, VARIANTS = 12, 6
ALONE = "# %% model\ndef fit_predict(X, y, X_test, seed):\n    return X_test\n"  # where the library has no model


def sizes(settings: Settings, profile: Profile, recipes: Sequence[Recipe]) -> dict[str, tuple[int, int]]:
    """By role: tokens of the part that is the same in every prompt of a run, and of the role's own."""
    installed = {module for recipe in recipes for module in recipe.needs if find_spec(module)}
    here = Surroundings(
        packages=tuple(f"{module} 1.0.0" for module in sorted(installed)), cores=config.cores(),
        memory_mb=settings.limits.memory_mb, job_seconds=settings.limits.seconds, jobs=settings.jobs,
        rounds=settings.breadths.rounds,
    )  # fmt: skip
    left = Left(settings.budget, settings.budget, settings.max_cost, settings.max_calls)
    known = ground(recipes, installed, profile)
    made = {
        request.role: render(request, here, left, known) for request in requests(settings, profile, recipes, installed)
    }
    return {role: (tokens(prompt.stable), tokens(prompt.asked)) for role, prompt in made.items()}


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    return round(len(text) / LETTERS)


def requests(
    settings: Settings, profile: Profile, recipes: Sequence[Recipe], installed: Collection[str]
) -> tuple[Request[Any], ...]:
    """One request per role."""
    size, seen, rules = settings.breadths, ("x" * FINDING,), (profile, settings.seed)
    script, name = _script(profile, recipes, installed, size.candidates)
    plan = Plan("x" * PLAN, "model")
    half = max(1, size.outer * size.inner // 2)
    ledger = tuple(Attempt(f"branch-0/refine/{i}", "model", plan, None, 0.001, False, 10.0) for i in range(half))
    effects = tuple(Effect("model", 0.01, 0.005, 0.015, "x" * 20) for _ in range(VARIANTS))
    members = tuple(f"branch-0/init/candidate/{i}::submission" for i in range(MEMBERS))
    pages = tuple(
        Page("x" * 60, "x" * 60, "2025-01-01", "x" * PAGE, "")
        for _ in range(settings.search.pages if settings.search.providers else 0)
    )
    blend = roles.BlendPlan("x" * PLAN)
    return (
        roles.Retrieve(*rules, count=size.candidates + 1, findings=seen, pages=pages),
        roles.WriteCandidate(*rules, idea=Idea(name, "x" * PLAN, "")),
        roles.CheckDataUsage(*rules, script=script, unread=profile.other_files or (profile.test,)),
        roles.CheckLeakage(*rules, script=script, suspicions=("x" * 100,)),
        roles.Ablate(*rules, script=script),
        roles.ChooseTarget(*rules, script=script, effects=effects, ledger=ledger),
        roles.Look(*rules, script=script, findings=seen, ledger=ledger),
        roles.MakePlan(*rules, script=script, target=Target("model", "x" * 200), ledger=ledger, findings=seen),
        roles.WriteCell(*rules, script=script, plan=plan),
        roles.Debug(*rules, script=script, state="exception", error="x" * ERROR, cell="model"),
        roles.PlanBlend(
            *rules, members=members, scores=tuple((key, 0.5) for key in members),
            tried=tuple(("x" * 60, "brain", 0.5) for _ in range(size.rounds // 2)),
        ),
        roles.WriteBlend(*rules, plan=blend),
        roles.Finalise(*rules, script=script),
    )  # fmt: skip


def _script(profile: Profile, recipes: Sequence[Recipe], installed: Collection[str], count: int) -> tuple[str, str]:
    """A usual script for the task, and the name of its model."""
    brain = Playbook(recipes, installed)
    try:
        ideas = brain.play(roles.Retrieve(profile, 0, count=count + 1)).ideas
        made = brain.play(roles.WriteCandidate(profile, 0, idea=ideas[-1]))
    except SettingsError:
        return ALONE, "model"
    return made.script, made.name
