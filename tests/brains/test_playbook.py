"""The playbook answers every role for every kind of task, with scripts that are whole and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar import casting, composing, config, leveltwo, roles, scripts
from mlestar.brains.playbook import Playbook, spots
from mlestar.brains.playbook.assemble import assemble
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.random import Random
from mlestar.errors import SettingsError
from mlestar.records import Attempt, Column, Effect, Idea, Plan, Profile, Recipe, Standing, Surroundings, Target

from .conftest import ALL, PLAIN, PROFILES, TABLE, make_data

EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
BRAINS = pytest.mark.parametrize("brain", [Playbook, Random])


def first_script(brain: Playbook, profile: Profile, place: int = 0) -> str:
    ideas = brain.play(roles.Retrieve(profile, seed=3, count=4)).ideas
    return brain.play(roles.WriteCandidate(profile, seed=3, idea=ideas[place])).script


def run(script: str, folder: Path) -> str:
    """What a script prints; the test fails with its traceback when it fails."""
    (folder / "solution.py").write_text(script)
    command = [sys.executable, "-W", "ignore", "solution.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@EVERY
@pytest.mark.parametrize("installed", [ALL, PLAIN], ids=["all", "scikit-learn alone"])
def test_every_model_makes_a_whole_script(
    profile: Profile, installed: frozenset[str], recipes: tuple[Recipe, ...]
) -> None:
    shelf = Shelf(recipes, installed, profile)
    assert shelf.models
    for model in shelf.models:
        script = assemble(shelf, model)
        assert scripts.problems(script) == []
        assert spots.unknown_names(script) == set(), model.name
        assert max(len(line) for line in scripts.parse(script)["setup"].splitlines()) <= 100


@EVERY
def test_first_script_runs_and_leaves_what_the_contract_asks(
    profile: Profile, recipes: tuple[Recipe, ...], tmp_path: Path
) -> None:
    make_data(profile, tmp_path)
    run(first_script(Playbook(recipes, PLAIN), profile), tmp_path)
    submission = pd.read_csv(tmp_path / "submission.csv", dtype=str, keep_default_na=False)
    assert list(submission.columns) == [*profile.id, *profile.prediction_columns]
    assert len(submission) == profile.test_rows
    members = pd.read_parquet(tmp_path / "members.parquet")
    columns = profile.classes if profile.predicts in ("label", "ranking") else profile.prediction_columns
    assert {f"submission::{column}" for column in columns} <= set(members.columns)
    assert np.isfinite(members.to_numpy()).all()
    if profile.predicts == "label":
        assert set(submission["y"]) <= set(profile.classes)


def test_setup_holds_only_what_the_cells_use(recipes: tuple[Recipe, ...]) -> None:
    setup = scripts.parse(first_script(Playbook(recipes, PLAIN), PROFILES["several labels"]))["setup"]
    assert "NUMBERS" in setup
    assert "CATEGORIES" not in setup
    assert "CLASSES" not in setup or "CLASSES = []" in setup


@BRAINS
@EVERY
def test_every_role_answers_and_repeats_itself(
    brain: type[Playbook], profile: Profile, recipes: tuple[Recipe, ...]
) -> None:
    player, again = brain(recipes, PLAIN), brain(recipes, PLAIN)
    script = first_script(player, profile, 1)
    target = player.play(roles.ChooseTarget(profile, seed=1, script=script))
    plan = player.play(roles.MakePlan(profile, seed=1, script=script, target=target))
    requests: list[roles.Request[object]] = [
        roles.Retrieve(profile, seed=1, branch=1, count=5),
        roles.CheckDataUsage(profile, seed=1, script=script, unread=("other.csv",)),
        roles.CheckLeakage(profile, seed=1, script=script),
        roles.Ablate(profile, seed=1, script=script),
        roles.ChooseTarget(profile, seed=1, script=script),
        roles.Look(profile, seed=1),
        roles.MakePlan(profile, seed=1, script=script, target=target),
        roles.WriteCell(profile, seed=1, script=script, plan=plan),
        roles.Debug(profile, seed=1, script=script, state="timeout", error="", cell="model"),
        roles.PlanBlend(profile, seed=1, members=("a::model",), chosen=(("a::model", 0.5), ("b::model", 0.5))),
        roles.WriteBlend(profile, seed=1, plan=roles.BlendPlan("none", "none")),
        roles.Finalise(profile, seed=1, script=script),
    ]  # type: ignore[list-item]
    for request in requests:
        reply = player.play(request)
        assert isinstance(reply, request.reply)
        assert reply == again.play(request)


@EVERY
def test_nothing_is_named_that_is_not_installed(profile: Profile, recipes: tuple[Recipe, ...]) -> None:
    needs = {(r.name, r.cell): r.needs for r in recipes}
    brain = Playbook(recipes, PLAIN)
    for branch in (0, 1):
        for idea in brain.play(roles.Retrieve(profile, seed=1, branch=branch, count=30)).ideas:
            assert set(needs[idea.recipe, "model"]) <= PLAIN
            script = brain.play(roles.WriteCandidate(profile, seed=1, idea=idea)).script
            assert not {"lightgbm", "xgboost-cpu", "catboost"} & set(scripts.dependencies(script))


@pytest.mark.parametrize(
    ("kind", "rows", "first"),
    [("list", 20_000, "text-kernel"), ("list", 90_000, "text-members-words"), ("text", 20_000, "text-members"),
     ("number", 1_000, "members"), ("number", 90_000, "lightgbm")],
)  # fmt: skip
def test_the_kind_and_size_of_the_data_say_what_is_tried_first(
    kind: str, rows: int, first: str, recipes: tuple[Recipe, ...]
) -> None:
    profile = replace(PROFILES["probabilities"], rows=rows, columns=(Column("x", kind, 0.0, rows),))  # type: ignore[arg-type]
    ideas = Playbook(recipes, ALL).play(roles.Retrieve(profile, seed=1, count=2, quick=True)).ideas
    assert [idea.name for idea in ideas] == ["text-quick" if kind in ("list", "text") else "quick", first]


def test_a_plan_names_no_model_that_was_a_candidate(recipes: tuple[Recipe, ...]) -> None:
    brain, named = Playbook(recipes, ALL), set[str]()
    about = {"script": first_script(brain, TABLE, 1), "standing": (Standing("lightgbm", None, 1.0, 1),)}
    ledger: tuple[Attempt, ...] = ()
    while (
        plan := brain.play(roles.MakePlan(TABLE, seed=1, target=Target("model", ""), ledger=ledger, **about))
    ).cell == "model":
        named.add(plan.recipe)
        ledger = (*ledger, Attempt("a", "model", plan, None, None, False, 0.0, "too dear"))
    assert {"xgboost", "catboost"} <= named
    assert not {"lightgbm", "quick"} & named


def test_branches_begin_alike_and_go_different_ways(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, ALL)
    one, two = (
        [idea.name for idea in brain.play(roles.Retrieve(TABLE, seed=1, branch=b, count=4)).ideas] for b in (0, 1)
    )
    assert one[0] == two[0] == "quick"
    assert not set(one[1:3]) & set(two[1:3])


@pytest.mark.parametrize("kind", ["label", "probabilities", "two values"])
def test_plans_are_new_until_none_is_left(kind: str, recipes: tuple[Recipe, ...]) -> None:
    brain, profile = Playbook(recipes, PLAIN), PROFILES[kind]
    script, ledger, seen = first_script(brain, profile, 1), list[Attempt](), set[tuple[str, str]]()
    for k in range(60):
        target = brain.play(roles.ChooseTarget(profile, seed=k, script=script, ledger=tuple(ledger)))
        plan = brain.play(roles.MakePlan(profile, seed=k, script=script, target=target, ledger=tuple(ledger)))
        if not plan.text:
            break
        assert (plan.cell, plan.recipe or plan.text) not in seen
        seen.add((plan.cell, plan.recipe or plan.text))
        cells = brain.play(roles.WriteCell(profile, seed=k, script=script, plan=plan)).cells
        new = scripts.replace(script, dict(cells))
        assert new != script
        assert scripts.problems(new) == []
        assert spots.unknown_names(new) == set()
        ledger.append(Attempt("a", plan.cell, plan, None, -0.1, False, 1.0))
    else:
        pytest.fail("the library never runs out")
    assert len(seen) >= 5


def two_in_one(brain: Playbook, profile: Profile) -> str:
    """The first two models' scripts, composed."""
    members = [
        composing.Part(name, first_script(brain, profile, place), {"model": name})
        for place, name in ((1, "first one"), (2, "second"))
    ]
    return composing.compose(members, {"blend": "def blend(parts):\n    return sum(parts.values()) / 2"}, "two")


def test_composed_scripts_are_refined_part_by_part(recipes: tuple[Recipe, ...], tmp_path: Path) -> None:
    brain, profile = Playbook(recipes, PLAIN), TABLE
    script = two_in_one(brain, profile)
    for k, recipe in enumerate(("extra-trees", "svm", "logistic")):
        plan = Plan("try it", "model: second", recipe)
        reply = brain.play(roles.WriteCell(profile, seed=k, script=script, plan=plan))
        new = scripts.replace(script, dict(reply.cells))
        assert spots.unknown_names(new) == set()
        assert scripts.parse(new)["model: first one"] == scripts.parse(script)["model: first one"]
    make_data(profile, tmp_path)
    run(new, tmp_path)


def test_neutral_forms_are_whole_and_run(recipes: tuple[Recipe, ...], tmp_path: Path) -> None:
    brain, profile = Playbook(recipes, PLAIN), TABLE
    script = two_in_one(brain, profile)
    forms = brain.play(roles.Ablate(profile, seed=1, script=script, most=30)).forms
    names = {spots.base(name) for name, _ in forms}
    assert {"numbers", "categories", "model"} <= names
    make_data(profile, tmp_path)
    for name, source in forms:
        variant = scripts.replace(script, {name: source})
        assert spots.unknown_names(variant) == set()
    run(variant, tmp_path)


def test_unread_row_files_get_a_cell(recipes: tuple[Recipe, ...], tmp_path: Path) -> None:
    brain, profile = Playbook(recipes, PLAIN), PROFILES["two values"]
    blind = scripts.parse(first_script(brain, profile, 1))
    features = spots.joining(blind["features"], ["numbers"])
    script = scripts.replace(blind.text(), {"row_files": "", "features": features})
    reply = brain.play(roles.CheckDataUsage(profile, seed=1, script=script, unread=("files/{key}.txt",)))
    assert reply.script is not None
    assert "row_files" in scripts.parse(reply.script)
    make_data(profile, tmp_path)
    run(reply.script, tmp_path)


def test_a_suspected_column_is_taken_out(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, PLAIN)
    script = first_script(brain, TABLE)
    reply = brain.play(roles.CheckLeakage(TABLE, seed=1, script=script, suspicions=("column 'planet' tells all",)))
    assert reply.script is not None
    assert "planet" not in reply.script
    assert scripts.problems(reply.script) == []


def test_the_target_follows_the_effects(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, PLAIN)
    script = first_script(brain, TABLE, 1)
    effects = (Effect("categories", 0.05, 0.03, 0.07), Effect("model", 0.001, -0.01, 0.01))
    target = brain.play(roles.ChooseTarget(TABLE, seed=1, script=script, effects=effects))
    assert target.cell == "categories"


def test_a_role_is_played_by_the_brain_that_is_named_for_it(recipes: tuple[Recipe, ...]) -> None:
    playbook, effects = Playbook(recipes, PLAIN), (Effect("categories", 0.05, 0.03, 0.07),)
    script = first_script(playbook, TABLE, 1)
    retrieve = roles.Retrieve(TABLE, seed=3, count=4)

    def cast(*assignments: str) -> Any:
        store: Any = None  # nobody is asked in words
        return casting.cast(store, config.load([*assignments]), recipes, PLAIN, Surroundings())

    def targets(*assignments: str) -> set[str]:
        asked = [roles.ChooseTarget(TABLE, seed=seed, script=script, effects=effects) for seed in range(8)]
        return {cast(*assignments).play(request, None).cell for request in asked}

    assert targets() == targets("roles.planner=random") == {"categories"}
    assert targets("brain=random", "roles.target_chooser=playbook") == {"categories"}
    assert len(targets("roles.target-chooser=random")) > 1
    shared = cast("roles.target_chooser=random")
    assert (shared.name, shared.play(retrieve, None)) == ("playbook", playbook.play(retrieve))


def test_findings_move_the_planner(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, PLAIN)
    script = first_script(brain, TABLE, 1)
    findings = tuple(f"category planet: Mars y n=40 residual=+0.2 z=+{k}" for k in range(5, 12))
    plan = brain.play(roles.MakePlan(TABLE, seed=1, script=script, target=Target("none", ""), findings=findings))
    assert plan.cell in ("groups", "categories")


def test_the_analysis_finds_a_planted_error(recipes: tuple[Recipe, ...], tmp_path: Path) -> None:
    brain = Playbook(recipes, PLAIN)
    reply = brain.play(roles.Look(TABLE, seed=1, script="an incumbent"))
    assert reply.script is not None
    make_data(replace(TABLE, rows=600), tmp_path)
    rows = pd.read_csv(tmp_path / "input" / "train.csv", dtype=str, keep_default_na=False)
    rows["y"] = np.where(rows["planet"] == "Mars", "yes", "no")
    rows["oof:no"], rows["oof:yes"] = 0.6, 0.4
    rows.to_parquet(tmp_path / "input" / "rows.parquet")
    first = run(reply.script, tmp_path).splitlines()[0]
    assert first.startswith("finding: category planet: Mars")


def test_cures_never_change_the_family(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, ALL)
    script = brain.play(roles.WriteCandidate(TABLE, seed=1, idea=Idea("lightgbm", "", "", "lightgbm"))).script
    reply = brain.play(roles.Debug(TABLE, seed=1, script=script, state="timeout"))
    assert "LGBMClassifier" in dict(reply.cells)["model"]
    before, after = (int(re.findall(r'"n_estimators": (\d+)', s)[0]) for s in (script, dict(reply.cells)["model"]))
    assert after == round(0.3 * before)
    missing = roles.Debug(
        TABLE, seed=1, script=script, state="exception", error="No module named 'lightgbm'", cell="setup"
    )
    assert brain.play(missing).cells == ()


@BRAINS
@EVERY
def test_blends_are_planned_until_none_is_left(
    brain: type[Playbook], profile: Profile, recipes: tuple[Recipe, ...]
) -> None:
    player, tried = brain(recipes, PLAIN), list[tuple[str, str, float]]()
    about = {"members": ("a::model", "b::model", "c::model"), "chosen": (("a::model", 0.5), ("b::model", 0.5))}
    while True:
        plan = player.play(roles.PlanBlend(profile, seed=len(tried), tried=tuple(tried), **about))
        if not plan.text:
            break
        name = plan.recipe + leveltwo.ALL_MEMBERS * plan.every
        assert name not in {known for known, _, _ in tried}
        reply = player.play(roles.WriteBlend(profile, seed=0, plan=plan))
        assert {"learn", "blend"} <= set(dict(reply.cells))
        script = leveltwo.script(dict(reply.cells), profile.sample, profile.prediction_columns)
        assert spots.unknown_names(script) <= {"WEIGHTS"}
        assert reply.name == plan.recipe
        tried.append((name, plan.recipe, 0.5))
    assert len(tried) >= 3
    assert any(name.endswith(leveltwo.ALL_MEMBERS) for name, _, _ in tried) == (brain is Playbook)


def test_an_unknown_condition_is_named() -> None:
    recipe = Recipe("odd", "table", "model", "any", "why", (("model", "x = 1"),), when=("moonlight",))
    with pytest.raises(SettingsError, match=r"'odd'.*'moonlight'"):
        Playbook([recipe], ALL).play(roles.Retrieve(TABLE, seed=0))
