"""Every attack, behind every wall, as root and as an ordinary user; and what the suite says where there is no wall."""

import json
import os
import subprocess
import sys

import pytest

from mlestar.errors import SettingsError
from mlestar.executors.local import LocalExecutor
from mlestar.testing.hostile import assault, attacks
from mlestar.testing.hostile.local import ordinary, surroundings

ATTACKS = attacks()
HARMLESS = ["a secret in the home", "a file outside", "a server on this machine", "the environment of other processes"]


@pytest.fixture(scope="module")
def world():
    with surroundings() as found:
        yield found


@pytest.fixture(scope="module", params=["bubblewrap", "landlock"])
def executor(request):
    try:
        return LocalExecutor(sys.executable, 2, request.param)
    except SettingsError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.kind}: {attack.name}")
def test_it_is_refused(executor, world, attack):
    verdict = assault(executor, attack, world)
    assert verdict.held, verdict.how


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_it_is_refused_to_an_ordinary_user_too(wall):
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user already")
    command = ordinary([sys.executable, "-m", "mlestar.testing.hostile.local", wall])
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [row for row in rows if not row["held"]] == []
    assert len(rows) == len(ATTACKS)


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.name in HARMLESS], ids=lambda attack: attack.name)
def test_without_a_wall_it_gets_in(world, attack):
    verdict = assault(LocalExecutor(sys.executable, 1, "none"), attack, world)
    assert not verdict.held


def test_every_class_has_several_members():
    kinds = [attack.kind for attack in ATTACKS]
    assert {kind: kinds.count(kind) >= 5 for kind in set(kinds)} == dict.fromkeys(set(kinds), True)
    assert len(set(kinds)) == 6
