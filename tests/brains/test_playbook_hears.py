"""The playbook and what people say and hand in: bans, models it does not know, scripts in any form."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from mlestar import roles, scripts
from mlestar.brains.playbook import Playbook
from mlestar.records import Idea, Plan, Recipe, Target

from .conftest import PLAIN, TABLE, make_data
from .test_playbook import first_script, run


def test_a_ban_is_of_whole_words(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, PLAIN)
    ask = roles.MakePlan(TABLE, seed=1, script=first_script(brain, TABLE, 1), target=Target("model", ""))
    free = brain.play(ask)
    word = re.findall(r"\w+", free.recipe or free.text)[0]
    assert brain.play(replace(ask, hints=(f"never: {word[:-1]}",))) == free
    assert brain.play(replace(ask, hints=(f"never: {word}",))) != free
    assert brain.play(replace(ask, hints=("never: -",))) == free


def test_no_forbidden_model_or_blend_stands_in(recipes: tuple[Recipe, ...]) -> None:
    brain = Playbook(recipes, PLAIN)
    ask = roles.WriteCandidate(TABLE, seed=3, idea=Idea("RealMLP", "an MLP", "me"))
    taken = brain.play(ask).name
    assert brain.play(replace(ask, hints=(f"never: {taken}",))).name != taken
    blend = roles.PlanBlend(TABLE, seed=3, members=("a::m", "b::m"), chosen=(("a::m", 0.5), ("b::m", 0.5)))
    taken = brain.play(blend).recipe
    assert brain.play(replace(blend, hints=(f"never: {taken}",))).recipe not in ("", taken)


def test_what_the_library_cannot_write_is_said(recipes: tuple[Recipe, ...]) -> None:
    brain, notes = Playbook(recipes, PLAIN), list[str]()
    desk: Any = SimpleNamespace(note=notes.append)
    known = brain.play(roles.Retrieve(TABLE, seed=3, count=1)).ideas[0]
    assert brain.play(roles.WriteCandidate(TABLE, seed=3, idea=known), desk).source == ""
    assert notes == []
    other = brain.play(roles.WriteCandidate(TABLE, seed=3, idea=Idea("RealMLP", "an MLP", "me")), desk)
    assert other.source == other.name
    plan = Plan("Use this model: RealMLP", "model")
    assert brain.play(roles.WriteCell(TABLE, seed=3, script=first_script(brain, TABLE), plan=plan), desk).cells == ()
    assert ["RealMLP" in note for note in notes] == [True, True]


@pytest.mark.parametrize("quotes", ["", "# ''' and \"\"\" and \\\n"])
@pytest.mark.parametrize("mark", ["", "# %% the rest\n"])
def test_a_script_is_adopted_however_it_is_written(
    recipes: tuple[Recipe, ...], tmp_path: Path, mark: str, quotes: str
) -> None:
    make_data(TABLE, tmp_path)
    script = (
        f'import pandas as pd\n\n{mark}{quotes}test = pd.read_csv("input/test.csv", dtype=str)\n'
        'test.assign(y="yes")[["key", "y"]].to_csv("submission.csv", index=False)\n'
    )
    made = Playbook(recipes, PLAIN).play(roles.Adopt(TABLE, seed=1, script=script, name="mine"))
    assert scripts.problems(made.script) == []
    run(made.script, tmp_path)
    assert set(pd.read_csv(tmp_path / "submission.csv")["y"]) == {"yes"}


@pytest.mark.parametrize("above", ["", "#!/usr/bin/env python\n", "# %% all\n"])
def test_an_adopted_script_s_own_head_becomes_the_whole_s(recipes: tuple[Recipe, ...], above: str) -> None:
    head = '# /// script\n# dependencies = [\n#   "Pandas>=2",\n#   "requests<3",\n# ]\n# ///\n'
    script = f'{above}{head}import pandas as pd\npd.read_csv("input/test.csv").to_csv("submission.csv")\n'
    made = Playbook(recipes, PLAIN).play(roles.Adopt(TABLE, seed=1, script=script, name="mine")).script
    assert len(re.findall(r"^# /// \w+$", made, re.MULTILINE)) == 1
    needs = scripts.dependencies(scripts.parse(made).head)
    assert {"Pandas>=2", "requests<3", "numpy"} <= set(needs)
    assert "pandas" not in needs, "what its author said of it holds"
