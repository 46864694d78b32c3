"""What calls cost when nothing comes of them, whom a key is told, and commands as brains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlestar import casting, config, overview
from mlestar.brains.spoken.voice import Prompt
from mlestar.config import Role
from mlestar.desk import Purse, Seat
from mlestar.errors import Interrupted, SettingsError, Spent, Unreachable
from mlestar.executors.command import converse
from mlestar.journal import queries
from mlestar.journal.store import Store
from mlestar.records import Exchange
from mlestar.testing.llm_server import LlmServer

from .answering import answer
from .conftest import LEAST, LONG

KEY = "sk-very-secret-4711-abcdefgh"
OTHER = "sk-another-secret-0815-hgfedcba"
PROMPT = Prompt("the stable part", "the request")
BILLED = Exchange("", "openai:any", 1000, 0, 200, 0.02)


# --- what is owed ---------------------------------------------------------------------------------------


def seat(store: Store, purse: Purse) -> Seat:
    return Seat(
        "a/coder", {}, store, purse, lambda: (None, None, 600.0), lambda: None, threading.Event(), threading.Lock()
    )


def fail(at: Seat, owed: Exchange | None, error: BaseException) -> Exchange:
    if owed is not None:
        at.owe(owed)
    raise error


@pytest.mark.parametrize("owed", [BILLED, Exchange("", "cli:any")])
def test_a_call_that_was_paid_for_in_vain_counts_in_this_sitting_and_the_next(tmp_path: Path, owed: Exchange) -> None:
    purse = Purse()
    with Store.create(tmp_path / "run", {}) as store:
        at = seat(store, purse)
        with pytest.raises(Unreachable):
            at.call(0, "", lambda: fail(at, owed, Unreachable("away")))
        with pytest.raises(Interrupted):
            at.call(1, "", lambda: fail(at, None, Interrupted("stop")))
    usd = owed.cost_usd or 0.0
    assert (purse.usd, purse.calls) == (usd, 1)
    assert queries.paid(tmp_path / "run") == (usd, 1)
    with Store.open(tmp_path / "run") as store:
        at = seat(store, purse)
        assert at.call(0, "", lambda: BILLED).by == "openai:any"
    assert queries.paid(tmp_path / "run") == (pytest.approx(usd + 0.02), 1)


def test_what_was_charged_before_a_kill_counts(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run", {}) as store:
        store._begin("a/coder/call-0", "call", "digest")
        store.charge("a/coder/call-0", 0.5, 100)
    assert queries.paid(tmp_path / "run") == (0.5, 1)


def test_a_stop_waits_for_the_answer_and_pays_once(task: Path, tool: Path, mle_star, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with LlmServer(answer, faults={3: "slow:3"}) as server:
        more = ["--brain", "openai:any", *LEAST, "--set", f"llm.base_url={server.openai}"]
        driver = subprocess.Popen(
            [str(tool), "run", str(task), "--out", str(run), *more], env={**os.environ, "OPENAI_API_KEY": KEY},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 900
        while len(server.asked) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        driver.send_signal(signal.SIGINT)
        assert driver.wait(600) == 130
        calls = [row for row in queries.steps(run) if row.verb == "call"]
        assert [row.state for row in calls] == ["ok"] * len(server.asked)
        assert mle_star("resume", run, OPENAI_API_KEY=KEY).returncode == 0
        assert set(server.digests().values()) == {1}, "nothing was asked twice"


@LONG
def test_a_request_that_is_refused_does_not_end_the_run(task: Path, mle_star, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with LlmServer(answer, faults={2: "400", 3: "413"}) as server:
        more = ["--brain", "openai:any", *LEAST, "--set", f"llm.base_url={server.openai}"]
        done = mle_star("run", task, "--out", run, *more, OPENAI_API_KEY=KEY)
        assert len(server.asked) > 3
    assert done.returncode == 0, done.stderr
    assert overview.show(run).state == "done"
    assert sum("stood in" in note.text and "take this request" in note.text for note in queries.notes(run)) == 2


# --- whom a key is told ---------------------------------------------------------------------------------


def voices(*assignments: str) -> dict[str, str]:
    """The address of each voice by its name."""
    settings = config.load(list(assignments))
    names = [settings.brain, *(role.model for role in settings.roles.values()), *settings.fallback]
    made = [casting._alone(settings, name, Role(), "coder") for name in names if name and ":" in name]
    return {voice.name: voice._at.address for voice in made}


def test_an_address_is_for_the_brains_provider_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", OTHER)
    own = "http://10.0.0.5/v1"
    found = voices("brain=mine:x", f"llm.base_url={own}", "fallback=openai:gpt,mine:y", "roles.planner=anthropic:a")
    assert found == {
        "mine:x": own, "mine:y": own, "openai:gpt": "https://api.openai.com/v1", "anthropic:a": "https://api.anthropic.com"
    }  # fmt: skip
    monkeypatch.setenv("OPENAI_BASE_URL", "http://10.0.0.6/v1")
    assert voices("brain=mine:x", f"llm.base_url={own}", "fallback=openai:gpt")["openai:gpt"] == "http://10.0.0.6/v1"
    assert voices(f"llm.base_url={own}", "roles.planner=openai:gpt") == {"openai:gpt": own}, "there is no other"
    with pytest.raises(SettingsError, match=r"whose address.*OPENAI_BASE_URL"):
        voices(f"llm.base_url={own}", "roles.planner=openai:gpt", "fallback=anthropic:a")


@pytest.mark.parametrize(
    "url", ["http://u:pw-secret@h/v1", "https://h/v1?key=pw-secret", "https://pw-secret@h", "h/#pw-secret"]
)
def test_an_address_that_is_recorded_holds_no_secret(url: str) -> None:
    with pytest.raises(SettingsError, match=r"llm\.base_url.*OPENAI_BASE_URL.*\[keys\]") as caught:
        config.load([f"llm.base_url={url}"])
    assert "pw-secret" not in str(caught.value)


def test_barring_and_the_providers_own_search_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    settings = config.load(["brain=openai:gpt", "llm.web_search=true", "search.bar_same_task=true"])
    with pytest.raises(SettingsError, match=r"llm\.web_search.*search\.bar_same_task"):
        casting._alone(settings, settings.brain, Role(), "retriever")
    assert casting._alone(settings, settings.brain, Role(), "coder")


# --- commands -------------------------------------------------------------------------------------------


def python(code: str) -> str:
    return f"{sys.executable} -c '{code}'"


def ends(process: int) -> bool:
    """Whether it is gone within a few seconds."""
    for _ in range(100):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


class Ear:
    """A desk for a command; `go` is what it says to waiting."""

    def __init__(self, go) -> None:
        self.go, self.owed = go, list[Exchange]()
        self.owe = self.owed.append

    def wait(self, seconds: float) -> bool:
        return self.go()


def stop() -> bool:
    raise Interrupted("stopped as asked")


@pytest.mark.parametrize(("go", "seconds", "error"), [
    (stop, 60.0, Interrupted), (lambda: False, 60.0, Spent), (lambda: True, 1.0, Unreachable)
])  # fmt: skip
def test_a_command_hears_a_stop_and_its_children_end_too(tmp_path: Path, go, seconds: float, error: type) -> None:
    pid = tmp_path / "pid"
    script = tmp_path / "brain.sh"
    script.write_text(f"sleep 300 & echo $! > {pid}; wait\n")
    before = time.monotonic()
    with pytest.raises(error):
        converse(f"sh {script}", "?", seconds, lambda: not pid.exists() or not pid.read_text() or go(), str)
    assert time.monotonic() - before < 20
    assert ends(int(pid.read_text()))


def test_a_command_is_given_much_and_says_much() -> None:
    code = "import sys; text = sys.stdin.read(); sys.stderr.write(text); print(len(text)); print(text)"
    said = converse(python(code), "é" * 500_000, 60.0, lambda: True, str)
    assert said == f"500000\n{'é' * 500_000}\n"


def test_no_secret_of_a_command_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    code = f'import sys; sys.stderr.write("x" * 280 + "{KEY} " + sys.argv[2]); sys.exit(3)'
    settings = config.load([f"brain=cli:{python(code)} --token tok-12345678"])
    voice, ear = casting._alone(settings, settings.brain, Role(), "coder"), Ear(lambda: True)
    with pytest.raises(Unreachable, match="ended with status 3") as caught:
        voice.say("coder", PROMPT, (), ear)
    assert KEY[:8] not in str(caught.value)
    assert "tok-" not in str(caught.value)
    assert [owed.by for owed in ear.owed] == [voice.name] == [f"cli:{Path(sys.executable).name}"]
    for bad in ("cli:a --token 'tok-12345678", "cli:/no/such --token tok-12345678"):
        with pytest.raises(SettingsError) as wrong:
            casting._alone(config.load([f"brain={bad}"]), bad, Role(), "coder").say("coder", PROMPT, (), ear)
        assert "tok-" not in str(wrong.value)
