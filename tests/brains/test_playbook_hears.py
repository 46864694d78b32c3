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
