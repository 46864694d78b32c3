"""Language models as voices, against a real server on loopback that speaks each provider's protocol."""

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlestar.brains.spoken import keys as keys_module
from mlestar.brains.spoken.llm import LanguageModel, known_price
from mlestar.brains.spoken.voice import Prompt
from mlestar.errors import Interrupted, Refused, SettingsError, Spent, Unreachable
from mlestar.records import Left
from mlestar.testing.llm_server import LlmServer, Reply, Source

KEY = "sk-secret/0123456789+ABCDEF"
PROMPT = Prompt("the stable part", "the request")
CHAT, RESPONSES, GEMINI, CLAUDE = (
    "openai:gpt-4o-mini",
    "openai:gpt-5",
    "google:gemini-2.5-pro",
    "anthropic:claude-opus-5-5",
)
ALL = (CHAT, RESPONSES, GEMINI, CLAUDE)
SOURCES = (Source("A paper", "https://a.org/paper", "it works"), Source("Its solution", "https://barred.org/x"))


class FakeDesk:
    """Records what it was asked to wait for, and waits next to nothing."""

    def __init__(self, over=False, stop=False):
        self.waits, self.notes, self.owed, self.over, self.stop = [], [], [], over, stop
        self.owe = self.owed.append

    def left(self):
        return Left()

    def wait(self, seconds):
        if self.stop:
            raise Interrupted("stop")
        self.waits.append(seconds)
        time.sleep(min(seconds, 0.005))
        return not self.over

    def note(self, text):
        self.notes.append(text)

    @property
    def pauses(self):
        return [seconds for seconds in self.waits if seconds >= 1]


@pytest.fixture
def speak(monkeypatch):
    """Make voices that are closed in the end. OpenAI's Responses API is spoken at its own address only."""
    made = []

    def make(model, server, **more):
        base = server.url if model.startswith(("google", "anthropic")) else server.openai
        if model == RESPONSES:
            monkeypatch.setitem(keys_module.HOMES, "openai", base)
            base = ""
        name = {"google": "GEMINI"}.get(model.split(":")[0], model.split(":")[0].upper())
        options = {"keys": {f"{name}_API_KEY": KEY}, "base_url": base, "attempts": 3, "timeout": 20.0} | more
        made.append(LanguageModel(model, **options))
        return made[-1]

    yield make
    for voice in made:
        voice.close()


def ask(voice, desk=None, past=()):
    return voice.say("coder", PROMPT, past, desk or FakeDesk())


@pytest.mark.parametrize(("model", "cost"), [(CHAT, 0.00024), (RESPONSES, 0.0028), (GEMINI, 0.0028), (CLAUDE, 0.00648)])
def test_an_answer_with_tokens_and_price(speak, model, cost):
    with LlmServer(lambda text, number: Reply(f"answer {number}")) as server:
        said = ask(speak(model, server))
    assert (said.text, said.by, said.requests) == ("answer 1", model, 1)
    assert (said.input_tokens, said.cached_tokens, said.output_tokens) == (1000, 400, 200)
    assert said.cost_usd == pytest.approx(cost)
    assert said.most_usd == 0
    assert KEY in server.asked[0].key


@pytest.mark.parametrize("model", ALL)
def test_the_stable_part_is_first_and_the_same_and_the_past_is_told(speak, model):
    past = (("first answer", "no code in it"), (" ", "empty"))
    with LlmServer() as server:
        voice = speak(model, server)
        ask(voice)
        ask(voice, past=past)
    one, two = (asked.text.split("\n") for asked in server.asked)
    assert one == ["the stable part", "the request"]
    assert two == [*one, "first answer", "no code in it", "(no answer)", "empty"]
    parts = [asked.body.get("system") or asked.body.get("instructions") for asked in server.asked]
    assert parts[0] == parts[1]
    if model == CLAUDE:
        assert parts[0][0]["cache_control"]["type"] == "ephemeral"


FAULTS = ["429:7", "500", "503", "529", "408", "drop", "cut", "truncated", "schema", "empty"]


@pytest.mark.parametrize("model", ALL)
def test_a_passing_fault_is_retried(speak, model):
    with LlmServer(faults={2 * n + 1: fault for n, fault in enumerate(FAULTS)}) as server:
        voice = speak(model, server)
        for n, fault in enumerate(FAULTS):
            desk = FakeDesk()
            said = voice.say("coder", Prompt("the stable part", f"the request with {fault}"), (), desk)
            assert (said.text, said.requests, len(server.asked)) == ("fine", 2, 2 * n + 2), fault
            assert desk.pauses == [7.0 if fault == "429:7" else 1.0]
            assert len(desk.notes) == 1
            billed = 2 if fault == "empty" or (fault, model) == ("truncated", CLAUDE) else 1
            assert said.output_tokens == 200 * billed
    assert set(server.digests().values()) == {2}  # the very same bytes


@pytest.mark.parametrize("model", [CHAT, GEMINI])
def test_a_slow_answer_is_given_up_and_asked_for_again(speak, model):
    with LlmServer(faults={1: "slow:2"}) as server:
        said = ask(speak(model, server, timeout=0.4))
    assert (said.text, said.requests) == ("fine", 2)


@pytest.mark.parametrize("model", [CHAT, GEMINI])
def test_who_stays_away_is_unreachable(speak, model):
    with LlmServer() as server:
        voice = speak(model, server)
        for n, fault in enumerate(("500", "drop", "schema", "truncated", "429:100000")):
            server.always, desk = fault, FakeDesk()
            with pytest.raises(Unreachable, match=r"stayed away: 3 .*nothing is lost, resume goes on"):
                ask(voice, desk)
            assert len(server.asked) == 3 * (n + 1)
            assert desk.pauses == ([300, 300] if fault.startswith("429") else [1, 2])


def test_nobody_at_the_address(speak):
    with LlmServer() as server:
        pass
    with pytest.raises(Unreachable, match="http://127"):
        ask(speak("ollama:qwen3:8b", server, keys={}))


def test_an_account_without_credit_is_not_asked_again(speak):
    with LlmServer(always="402") as server, pytest.raises(Unreachable, match="nothing left"):
        ask(speak(CHAT, server))
    assert len(server.asked) == 1


@pytest.mark.parametrize("model", ALL)
def test_what_no_retry_mends_says_what_to_do(speak, model):
    faults = ("echo", "403", "404", "400")
    with LlmServer(faults=dict(enumerate(faults, start=1))) as server:
        voice = speak(model, server)
        for number, fault in enumerate(faults, start=1):
            with pytest.raises(SettingsError, match="check the") as caught:
                ask(voice)
            assert len(server.asked) == number
            assert ("_API_KEY" in str(caught.value)) == (fault in ("echo", "403"))
            assert len(str(caught.value)) < 700
            assert KEY not in "".join(traceback.format_exception(caught.value))
            assert caught.value.__context__ is None  # no exception with headers hangs on it


@pytest.mark.parametrize("model", ALL)
def test_a_refusal_is_an_answer(speak, model):
    with LlmServer(always="refusal") as server:
        said = ask(speak(model, server))
    assert said.text.startswith("The provider refused to answer: ")
    assert said.requests == 1


@pytest.mark.parametrize("model", [CHAT, GEMINI])
def test_what_stays_empty_is_paid_for_and_said(speak, model):
    with LlmServer(always="empty") as server:
        said = ask(speak(model, server))
    assert (said.text, said.requests, said.input_tokens) == ("", 3, 3000)


def test_a_huge_answer_is_cut(speak):
    with LlmServer(always="huge") as server:
        said = ask(speak(CHAT, server))
    assert len(said.text) < 1_001_000
    assert said.text.endswith("[cut: the answer has 5000000 characters]")


def test_unknown_prices(speak):
    with LlmServer(lambda text, number: Reply("abc", counted=number < 3)) as server:
        unknown = ask(speak("house:some/model", server, ceiling=(10, 50)))
        given = ask(speak("house:some/model", server, price=(1, 2)))
        uncounted = ask(speak("house:some/model", server, price=(1, 2)))
    assert (unknown.cost_usd, unknown.most_usd) == (None, pytest.approx(0.02))
    assert (given.cost_usd, given.most_usd) == (pytest.approx(0.0014), 0)
    assert uncounted.cost_usd is None
    assert uncounted.most_usd > 0
    assert known_price(CHAT) == pytest.approx((0.15, 0.6))
    assert known_price("openai:gpt-99", (1, 2)) == (1, 2)
    assert known_price("ollama:qwen3:8b") is None


@pytest.mark.parametrize("model", [RESPONSES, GEMINI, CLAUDE])
def test_sources_of_a_web_search(speak, model):
    with LlmServer(lambda text, number: Reply("It works!", sources=SOURCES)) as server:
        voice = speak(model, server, web_search=True, max_tokens=4000, barred=lambda text: "barred.org" in text)
        said = ask(voice)
    (page,) = said.pages
    assert (page.title, page.address, page.provider) == ("A paper", "https://a.org/paper", model.split(":")[0])
    assert page.text.lower().startswith("it works")
    assert len(page.date.split("-")) == 3
    assert "search" in str(server.asked[0].body["tools"]).lower()


def test_no_search_where_the_provider_has_none(speak):
    with LlmServer() as server:
        assert ask(speak(CHAT, server, web_search=True)).pages == ()
    assert "tools" not in server.asked[0].body


def test_four_threads_at_once(speak):
    with LlmServer(lambda text, number: Reply(text.split("\n")[-1]), always="slow:0.1") as server:
        voice, other = speak(CHAT, server, parallel=2), speak(GEMINI, server)
        with ThreadPoolExecutor(8) as pool:
            said = [pool.submit(voice.say, "coder", Prompt("s", f"n {n}"), (), FakeDesk()) for n in range(6)]
            assert [one.result().text for one in said] == [f"n {n}" for n in range(6)]
            assert server.most_at_once == 2
            said = [pool.submit(v.say, "coder", Prompt("s", "x"), (), FakeDesk()) for v in (voice, other) * 2]
            assert {one.result().text for one in said} == {"x"}
    assert server.most_at_once >= 2


def test_after_a_429_everybody_waits(speak):
    told, go, polls = threading.Event(), threading.Event(), threading.Semaphore(0)

    class First(FakeDesk):
        def wait(self, seconds):
            if seconds >= 1:
                told.set()
                assert go.wait(120)
            return True

    class Second(FakeDesk):
        def wait(self, seconds):
            polls.release()
            return super().wait(seconds)

    with LlmServer(faults={1: "429:3"}) as server, ThreadPoolExecutor(2) as pool:
        one = pool.submit(ask, speak(CHAT, server), First())
        assert told.wait(120)
        two = pool.submit(ask, speak(CHAT, server), Second())
        for _ in range(5):
            assert polls.acquire(timeout=120)
        assert len(server.asked) == 1
        go.set()
        assert one.result(10).text == two.result(10).text == "fine"
    assert len(server.asked) == 3


@pytest.mark.parametrize("fault", ["500", "slow:3"])
def test_the_end_of_the_phase_and_a_stop(speak, fault):
    with LlmServer(always=fault) as server:
        voice = speak(CHAT, server, timeout=0.5)
        with pytest.raises(Spent, match="time of this phase"):
            ask(voice, FakeDesk(over=True))
        with pytest.raises(Interrupted):
            ask(voice, FakeDesk(stop=True))
        assert len(server.asked) == 2


@pytest.mark.parametrize("ending", ["over", "stop"])
def test_a_request_under_way_is_waited_for(speak, ending):
    with LlmServer(always="slow:1") as server:
        said = ask(speak(CHAT, server), FakeDesk(**{ending: True}))
    assert (said.text, said.output_tokens) == ("fine", 200)


def test_what_was_billed_is_owed_when_nothing_comes_of_it(speak):
    with LlmServer(always="500", faults={1: "empty", 3: "empty", 4: "400"}) as server:
        voice, desk = speak(CHAT, server, attempts=2), FakeDesk()
        with pytest.raises(Unreachable):
            ask(voice, desk)
        with pytest.raises(Refused):  # it has answered before: the settings are right
            ask(voice, desk)
        assert [owed.output_tokens for owed in desk.owed] == [200, 200]
        with pytest.raises(Unreachable):
            ask(voice, FakeDesk())
    assert all(owed.cost_usd == pytest.approx(0.00024) for owed in desk.owed)


@pytest.mark.parametrize("model", ALL)
def test_one_request_that_is_refused(speak, model):
    with LlmServer(always="413") as server:
        with pytest.raises(Refused, match="longer than this model"):
            ask(speak(model, server))
        server.always = "400"
        with pytest.raises(Refused, match="does not take this request"):
            ask(speak(model, server, proven=True))
        server.always = "echo"
        with pytest.raises(SettingsError, match="_API_KEY"):
            ask(speak(model, server, proven=True))


def test_no_text_carries_a_key(speak):
    echo = Reply(f"your key is {KEY}", sources=(Source(KEY, f"https://a.org/?key={KEY}", KEY),))
    with LlmServer(lambda text, number: echo, faults={1: "500", 2: "429"}) as server:
        desk = FakeDesk()
        said = ask(speak(GEMINI, server, web_search=True), desk)
        refused = Reply("", refusal="x" * 290 + KEY)  # where words are cut
        server.answer = lambda text, number: refused
        assert KEY[:8] not in ask(speak(CHAT, server)).text
    assert said.text == "your key is ***"
    assert KEY not in repr(said) + repr(desk.notes)
    assert "***" in said.pages[0].address


def test_the_environment_is_not_read(speak, monkeypatch):
    for name in ("OPENAI", "GOOGLE", "GEMINI", "ANTHROPIC", "OLLAMA", "VLLM", "HOUSE"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-of-the-environment")
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with LlmServer() as server:
        for model in (CHAT, GEMINI, CLAUDE, "ollama:q", "vllm:q", "house:q", "openrouter:a/q"):
            assert ask(speak(model, server, keys={})).text == "fine"
        named = LanguageModel(CHAT, keys={"OPENAI_BASE_URL": server.openai, "OPENAI_API_KEY": KEY})
        assert ask(named).text == "fine"
        named.close()
    assert not [asked for asked in server.asked if "environment" in asked.key]
    assert server.asked[-1].path == "/v1/chat/completions"
