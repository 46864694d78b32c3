"""What calls took: by role and answerer, with prices that are known, unknown, or both; and the paper's count."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlestar import overview, progress, reporting
from mlestar.config import Settings
from mlestar.journal import queries
from mlestar.journal.store import Store
from mlestar.records import Breadths, Exchange, Progress, Usage
from mlestar.report import costs

MODEL = "openai:some-model"
ASKED = Exchange("yes", MODEL, 1000, 400, 200, 0.02)


def made(run: Path, calls: dict[str, Exchange], brain: str = MODEL, state: str = "done", **settings: object) -> Path:
    """A run folder whose brain steps paid for these calls, by address."""
    facts = {"name": "shop", "state": state, "settings": {**Settings(brain=brain).model_dump(mode="json"), **settings}}
    ticks = iter(range(10_000))
    with Store.create(run, facts, ticks=lambda: float(next(ticks))) as store:

        def call(address: str, exchange: Exchange) -> Exchange:
            store.charge(address, exchange.cost_usd, exchange.input_tokens + exchange.output_tokens)
            return exchange

        def answer(step: str) -> str:
            for address, exchange in calls.items():
                if address.rpartition("/")[0] == step:
                    store.step(address, "call", {}, Exchange, lambda a=address, x=exchange: call(a, x))
            return "an answer"

        for step in dict.fromkeys(address.rpartition("/")[0] for address in calls):
            store.step(step, "brain", {}, str, lambda s=step: answer(s))
        store.step("branch-0/init/free/coder", "brain", {}, str, lambda: "an answer that needed no call")
    return run


def test_calls_are_summed_by_role_and_answerer(tmp_path):
    other = replace(ASKED, by="relay", cost_usd=None, input_tokens=0, cached_tokens=0, output_tokens=0)
    run = made(tmp_path / "run", {
        "branch-0/refine/0/inner/0/planner/call-0": ASKED,
        "branch-0/refine/0/inner/0/planner/call-1": replace(ASKED, requests=3, cost_usd=0.03),
        "branch-1/refine/0/inner/0/planner/call-0": other,
        "branch-0/init/check/data/data-usage-checker/call-0": ASKED,
        "branch-0/init/candidate/1/candidate-writer/call-0": ASKED,
    })  # fmt: skip
    writer, checker, planner, relay = queries.usage(run)
    assert [(u.role, u.by) for u in (writer, checker, planner, relay)] == [
        ("candidate writer", MODEL), ("data-usage checker", MODEL), ("planner", MODEL), ("planner", "relay")
    ]  # fmt: skip
    assert (planner.calls, planner.requests) == (2, 4)
    assert (planner.input_tokens, planner.cached_tokens, planner.output_tokens) == (2000, 800, 400)
    assert planner.cost_usd == planner.known_usd == pytest.approx(0.05)
    assert planner.seconds > checker.seconds > 0
    assert (relay.cost_usd, relay.known_usd) == (None, 0)


def test_a_price_is_known_only_where_all_are(tmp_path):
    known = made(tmp_path / "known", {"a/planner/call-0": ASKED, "a/coder/call-0": ASKED})
    mixed = made(tmp_path / "mixed", {"a/planner/call-0": ASKED, "a/planner/call-1": replace(ASKED, cost_usd=None)})
    unknown = made(tmp_path / "unknown", {"a/planner/call-0": replace(ASKED, cost_usd=None, most_usd=9.0)})
    free = made(tmp_path / "free", {"a/planner/call-0": replace(ASKED, cost_usd=0.0)})
    assert overview.show(known).cost_usd == pytest.approx(0.04)
    assert overview.show(mixed).cost_usd is None
    assert overview.show(unknown).cost_usd is None
    assert overview.show(free).cost_usd == 0
    last = {run: progress.summary(overview.show(run), run).split("\n  all ")[1].split("\n")[0].split("  ")[-1].strip()
            for run in (known, mixed, unknown, free)}  # fmt: skip
    assert list(last.values()) == ["$0.0400", "$0.0200 + unknown", "unknown", "$0.00"]
    assert queries.usage(mixed)[0].known_usd == pytest.approx(0.02)


def test_a_call_that_was_paid_twice_costs_both(tmp_path):
    """The process was killed after it had paid and before it wrote the answer down."""
    run, address = tmp_path / "run", "a/planner/call-0"
    with Store.create(run, {"settings": {"brain": MODEL}}) as store:

        def killed() -> Exchange:
            store.charge(address, 0.02, 10)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.step(address, "call", {}, Exchange, killed)
        assert overview.show(run).cost_usd is None

        def paid() -> Exchange:
            store.charge(address, 0.02, 10)
            return ASKED

        store.step(address, "call", {}, Exchange, paid)
    assert queries.usage(run)[0].known_usd == pytest.approx(0.04)
    assert overview.show(run).cost_usd == pytest.approx(0.04)


def test_brain_calls_are_paid_calls_where_the_brain_speaks(tmp_path):
    spoken = made(tmp_path / "spoken", {"a/planner/call-0": ASKED, "a/planner/call-1": ASKED})
    silent = made(tmp_path / "silent", {}, brain="relay")
    replayed = made(tmp_path / "replayed", {}, brain="recorded:runs/old")
    embedded = made(tmp_path / "embedded", {}, brain="playbook")
    counted = [overview.show(run).brain_calls for run in (spoken, silent, replayed, embedded)]
    assert counted == [2, 0, 1, 1]  # what needed no call is an answer of the playbook, not a call
    assert overview.show(embedded).cost_usd is None


def test_show_prints_a_table_only_where_there_were_calls(tmp_path, mle_star):
    run = made(tmp_path / "run", {
        "a/planner/call-0": ASKED, "a/coder/call-0": Exchange("yes", "relay"),
    })  # fmt: skip
    told = mle_star("show", run).stdout
    table = told[told.index("role") :].split("\n  ")
    assert re.split(r" {2,}", table[0]) == ["role", "who answered", "calls", "tokens in", "out", "price"]
    assert re.split(r" {2,}", table[1])[:5] == ["coder", "relay", "1", "–", "–"]
    assert re.split(r" {2,}", table[2])[:5] == ["planner", MODEL, "1", "1,000", "200"]
    assert re.split(r" {2,}", table[3])[:2] == ["all", "2"]
    found = json.loads(mle_star("show", run, "--json").stdout)
    assert [u["role"] for u in found["usage"]] == ["coder", "planner"]
    assert (found["brain_calls"], found["cost_usd"]) == (2, None)
    quiet = made(tmp_path / "quiet", {}, brain="playbook")
    assert "tokens in" not in mle_star("show", quiet).stdout


def test_the_paper_needs_164_calls():
    assert costs.paper_calls(Breadths()) == 164
    least = Breadths(candidates=1, branches=1, outer=0, inner=1, rounds=1)
    assert (
        costs.paper_calls(least) == (1 + 1 + 1) + 2 + 3 + 3
    )  # retrieval, model, check; two leakage checks; a round; end
    assert costs.paper_calls(replace(least, outer=1)) - costs.paper_calls(least) == 3 + 1 + 1  # one coder, its check


def test_the_report_says_what_it_cost(tmp_path):
    run = made(tmp_path / "run", {"a/planner/call-0": ASKED, "a/coder/call-0": replace(ASKED, cost_usd=None)})
    told = reporting.markdown(run)
    section = told[told.index("## What it took") :]
    assert "| planner | openai:some-model | 1 | 1,000 | 400 | 200 |" in section
    assert re.search(r"\| all \|  \| 2 \| 2,000 \| 800 \| 400 \| [\d.]+ \| \\\$0.0200 \+ unknown \|", section)
    assert "about 164 calls for T=4 K=4 L=2 M=4 R=5, before any repair; this run made 2, repairs included" in section


def test_the_report_of_a_run_without_calls_says_so(tmp_path):
    run = made(tmp_path / "run", {}, brain="playbook", state="interrupted", branches=1)
    section = reporting.markdown(run).partition("## What it took")[2]
    assert "nothing was paid" in section
    assert "about 91 calls for T=4 K=4 L=1 M=4 R=5, before any repair; this run made 0 so far" in section


@pytest.mark.parametrize(
    ("usd", "known", "told"),
    [
        (0.0, 0.0, "$0.00"),
        (12.3, 12.3, "$12.30"),
        (0.0042, 0.0042, "$0.0042"),
        (0.00001, 0.00001, "under $0.0001"),
        (None, 0.0, "unknown"),
        (None, 0.12, "$0.12 + unknown"),
    ],
)
def test_prices_as_people_read_them(usd, known, told):
    assert costs.price(Usage("planner", MODEL, 1, 1, 1, 0, 1, usd, known, 1.0)) == told


@pytest.mark.parametrize(
    ("calls", "usd", "rest", "told"),
    [
        (0, 0.0, (1.0, 5), ""),
        (1, 0.0, (None, None), ", 1 call"),
        (12, 0.125, (0.875, 3), ", 12 calls (3 left), up to $0.12 ($0.88 left)"),
        (12, 0.5, (None, None), ", 12 calls, up to $0.50"),
    ],
)
def test_the_live_line_tells_calls_and_money(calls, usd, rest, told):
    line = progress._line(Progress("init", "x", None, "", 1, 1.0, None, calls=calls, usd=usd, rest=rest))
    with (console := Console(width=200)).capture() as shown:
        console.print(line)
    assert shown.get().strip().partition("1 jobs, 1 s")[2] == told
