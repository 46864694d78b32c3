"""`run --dry-run`: calls, tokens, money and jobs from settings and prompts alone, and true of real runs."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from dataclasses import replace

import pytest

from mlestar import overview
from mlestar.config import Language, Settings, load
from mlestar.counting import calls
from mlestar.errors import SettingsError, TaskError
from mlestar.forecast import SAID, Forecast, Part, forecast, told
from mlestar.journal import queries
from mlestar.records import Breadths
from mlestar.roles import ROLES

from .conftest import LONG, SMALL

PRICED, UNPRICED = "openai:gpt-4.1", "somebody:model"
TINY = Breadths(candidates=2, branches=1, outer=1, inner=3, rounds=2, debug=1, looks=2)


@pytest.fixture(autouse=True)
def _nothing_leaves(monkeypatch, request):
    """No socket, no process, no key."""
    for name in ("OPENAI_API_KEY", "SOMEBODY_API_KEY", "SOMEBODY_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    if "mle_star" in request.fixturenames:
        return

    def refuse(*given: object, **more: object) -> None:
        raise AssertionError("a forecast reached out")

    for owner, name in ((socket, "socket"), (socket, "create_connection"), (subprocess, "Popen")):
        monkeypatch.setattr(owner, name, refuse)


def part(found: Forecast, role: str) -> Part:
    return next(p for p in found.parts if p.role == role)


def test_the_playbook_needs_no_call(task):
    found = forecast(task, Settings())
    assert found.calls == found.tokens_in == (0, 0)
    assert found.usd == (0, 0)
    assert found.jobs[0] > 5
    assert "calls     0: nobody is asked in words, nothing is paid" in told(found)
    assert found.paper_calls == 164


@pytest.mark.parametrize("brain", ["random", "none", "recorded:runs/gone"])
def test_others_that_do_not_speak_need_none_either(task, brain):
    assert forecast(task, Settings(brain=brain, fallback=("playbook",))).calls == (0, 0)


def test_a_model_is_priced_without_a_key(task):
    found = forecast(task, Settings(brain=PRICED))
    assert found.usd is not None
    assert 0 < found.usd[0] < found.usd[1]
    assert found.usd == pytest.approx(found.known_usd)
    planner = part(found, "planner")
    each = (planner.tokens_in * 2.0 + planner.tokens_out * 8.0) / 1e6  # US dollars per million: gpt-4.1
    assert planner.usd == pytest.approx((8 * each, 32 * each))
    assert found.tokens_in[1] == sum(p.calls[1] * p.tokens_in for p in found.parts)


def test_an_unknown_price_is_never_nothing(task):
    found = forecast(task, Settings(brain=UNPRICED))
    assert found.usd is None
    total = next(line for line in told(found).splitlines() if line.startswith("  all "))
    assert total.endswith("unknown")
    assert "$" not in total
    given = forecast(task, Settings(brain=UNPRICED, llm=Language(price=(1.0, 2.0))))
    assert given.usd is not None
    assert given.usd[0] > 0


def test_partly_known_prices_say_so(task):
    found = forecast(task, load(["roles.planner=relay"], brain=PRICED))
    assert (found.usd, part(found, "planner").by) == (None, "relay")
    assert found.known_usd[1] > 0
    assert next(x for x in told(found).splitlines() if x.startswith("  all ")).endswith("+ unknown")


def test_one_role_can_speak_alone(task):
    found = forecast(task, load(["roles.target_chooser=relay"]))
    assert found.calls == part(found, "target chooser").calls == (8, 8)
    assert [p.role for p in found.parts if p.by] == ["target chooser"]


def test_a_command_is_told_by_its_program_alone(task):
    found = forecast(task, Settings(brain="cli:/bin/mine --token secret"))
    assert "secret" not in str(found) + told(found)
    assert {p.by for p in found.parts} == {"cli:mine", ""}


def test_the_finaliser_is_asked_where_somebody_is_named_for_it(task):
    asked = part(forecast(task, Settings(brain=PRICED)), "finaliser")
    assert (asked.by, asked.calls) == ("", (0, 0))
    assert part(forecast(task, load(["roles.finaliser.temperature=0"], brain=PRICED)), "finaliser").by == ""
    for brain in ("playbook", PRICED):
        asked = part(forecast(task, load(["roles.finaliser=relay"], brain=brain)), "finaliser")
        assert (asked.by, asked.calls[0]) == ("relay", 1)


def test_every_role_is_counted():
    assert set(calls(Breadths())) == set(SAID) == set(ROLES)


def test_calls_of_small_loops():
    scripts = 1 + (2 + 1 + 2 + 1 * (6 + 3))  # the first; candidates, a merger, two checks; variants and plans
    assert calls(TINY) == {
        "retriever": (1, 2),
        "candidate writer": (0, 3),
        "data-usage checker": (0, 1),
        "leakage checker": (0, 1),
        "ablation": (0, 1),
        "target chooser": (1, 1),
        "analyst": (2, 4),
        "planner": (1, 3),
        "coder": (0, 3),
        "debugger": (0, scripts),
        "ensemble planner": (1, 1),
        "ensembler": (0, 1),
        "finaliser": (1, 3),
    }


def test_parts_that_are_switched_off_need_nothing(task):
    def jobs(*assignments: str) -> dict[str, int]:
        return {stage.name: stage.jobs[1] for stage in forecast(task, load([*assignments])).stages}

    whole, less = jobs(), jobs("init.mergers=0", "refine.variants=0")
    gone = {name for name in whole if less[name] == 0 < whole[name]}
    assert gone == {"mergers", "ablations", "variants without a cell that are better"}
    assert {name: less[name] for name in whole if name not in gone} == {n: whole[n] for n in whole if n not in gone}
    assert jobs("init.mergers=1")["mergers"] * 3 == whole["mergers"] == jobs("init.mergers=9")["mergers"]
    assert jobs("refine.variants=3")["ablations"] * 2 == whole["ablations"]
    assert calls(replace(TINY, variants=1))["ablation"] == (0, 0)
    assert calls(replace(TINY, mergers=0, variants=0))["debugger"] == (0, calls(TINY)["debugger"][1] - 7)


def test_prompts_are_the_real_ones(task, tmp_path):
    """What the task says is part of every prompt, and is the same in all of them."""
    longer = tmp_path / "longer"
    shutil.copytree(task, longer)
    with (longer / "description.md").open("a") as file:
        file.write("\n" + "A word about how the visits were counted. " * 50)
    short, long = (forecast(folder, load(["roles.finaliser=relay"], brain="relay")) for folder in (task, longer))
    more = 50 * len("A word about how the visits were counted. ") / 3.5
    for role in ROLES:
        assert part(long, role).stable - part(short, role).stable == pytest.approx(more, rel=0.05)
        assert part(long, role).tokens_in > part(long, role).stable
    assert len({p.stable for p in short.parts}) == 1


def test_caps_say_what_they_allow(task):
    def caps(**given: object) -> tuple[str, ...]:
        return forecast(task, Settings(**given)).caps

    least, most = forecast(task, Settings(brain=PRICED)).calls
    assert caps(brain=PRICED) == ()
    assert caps(max_calls=5, max_cost=1.0) == ()  # the playbook pays nobody
    assert "too little for the least" in caps(brain=PRICED, max_calls=least - 1)[0]
    assert "enough for the least" in caps(brain=PRICED, max_calls=least)[0]
    assert "enough for the most" in caps(brain=PRICED, max_calls=most)[0]
    assert "too little for the least" in caps(brain=PRICED, max_cost=0.01)[0]
    assert "enough for the most" in caps(brain=PRICED, max_cost=1000.0)[0]
    assert "counting as $15 in and $75 out" in caps(brain=UNPRICED, max_cost=1.0)[0]
    assert "holds nobody back" in caps(brain="relay", max_cost=1.0)[0]
    assert "budget 90 s" in caps(budget="90s")[0]


def test_wrong_names_are_refused(task, tmp_path):
    with pytest.raises(SettingsError, match=r"roles\.plumber"):
        forecast(task, load(["roles.plumber=relay"]))
    with pytest.raises(SettingsError, match="no brain 'gpt'"):
        forecast(task, Settings(brain="gpt"))
    with pytest.raises(TaskError, match="no such task folder"):
        forecast(tmp_path / "gone", Settings())


def test_the_command_makes_no_run(task, tmp_path, mle_star):
    out = tmp_path / "run"
    done = mle_star("run", task, "--dry-run", "--json", "--out", out, "--brain", PRICED, "--max-calls", "50")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not out.exists()
    assert found["calls"][0] <= 50 <= found["calls"][1]
    assert {p["role"] for p in found["parts"]} == set(ROLES)
    table = mle_star("run", task, "--dry-run", "--brain", PRICED).stdout
    assert "tokens in a call" in table
    assert mle_star("run", task, "--dry-run", "--brain", "gpt").returncode == 2


def test_a_folder_whose_tables_a_program_makes_is_forecast_too(task, mle_star, tmp_path):
    odd = shutil.copytree(task, tmp_path / "odd")
    (odd / "train.csv").rename(odd / "known.txt")
    (odd / "task.py").write_text(
        "import pandas\ndef tables(folder):\n    return pandas.read_csv(folder / 'known.txt', dtype=str), None, None\n"
    )
    done = mle_star("run", odd, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs"][0] > 5


@pytest.mark.slow
@pytest.mark.parametrize("brain", ["playbook", pytest.param("cli:echo nothing of use", marks=LONG)])
def test_a_real_run_keeps_within_it(task, tmp_path, mle_star, brain):
    """One brain without a call, and one whose every answer is refused, so that the playbook stands in."""
    given = [*SMALL, "--brain", brain, "--set", "llm.attempts=1", "--unsafe"]
    expected = json.loads(mle_star("run", task, *given, "--dry-run", "--json").stdout)
    run = tmp_path / "run"
    done = mle_star("run", task, "--out", run, *given)
    assert done.returncode == 0, done.stderr
    least, most = expected["jobs"]
    assert least <= overview.show(run).jobs <= most
    made: dict[str, int] = {}
    for used in queries.usage(run):
        made[used.role] = made.get(used.role, 0) + used.calls
    for p in expected["parts"]:
        assert p["calls"][0] <= made.pop(p["role"], 0) <= p["calls"][1], p["role"]
    assert made == {}
    assert overview.show(run).brain_calls == sum(u.calls for u in queries.usage(run)) or brain == "playbook"
