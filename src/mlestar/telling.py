"""From a run's journal to its story, as often as somebody looks, also while another process writes it.

What was read is kept in a small form, so that a look costs what is new, not what there is.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlestar import overview
from mlestar.journal import codec, queries
from mlestar.journal.following import Follower, News
from mlestar.journal.queries import Note, StepRow
from mlestar.plain import word
from mlestar.records import Ablated, Attempt, Blend, Blended, Exchange, Idea, Letter, Score, Target, Tried
from mlestar.report.story import Gain, Kind, Node, Run, Seen, State, Story
from mlestar.report.story import Told as Line
from mlestar.roles import Ideas

RECORDS = {each.__name__: each for each in (Tried, Ablated, Attempt, Blended)}
MOST_SAID = 2_000  # characters of a reason or a plan
_JOB = re.compile(r"^(?P<owner>.+?)(?:/debug-\d+|/incumbent)*/(?P<view>fold-\d+[^/]*|real|rehearsal|piece-\d+|all)$")
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"start$", "quick"), (r".*\blook(-\d+)?(/|$)", "look"), (r"added/", "added"),
    (r"(finish-\d+/)?finalise", "delivery"), (r"(finish-\d+/)?ensemble", "blend"), (r".*/candidate/", "candidate"),
    (r".*/merge/", "merger"), (r".*/check/", "check"), (r".*/ablate/", "ablation"), (r".*/without-", "variant"),
    (r".*/inner/", "attempt"),
)  # fmt: skip


class Teller:
    """Tells the story of one run. Not safe from many threads."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._follower = Follower(run)
        self._runs: dict[str, Run] = {}
        self._digests: dict[str, str] = {}  # of executions that have an answer, by address
        self._asked: set[str] = set()
        self._calls: dict[str, tuple[StepRow, Exchange]] = {}
        self._charged: dict[str, float] = {}
        self._told: dict[str, dict[str, Any]] = {name: {} for name in RECORDS}
        self._when: dict[str, float] = {}  # wall times of records
        self._blends: dict[str, tuple[Blended, float]] = {}
        self._targets: dict[str, Target] = {}
        self._ideas: dict[str, tuple[Idea, ...]] = {}
        self._heard: dict[str, tuple[Letter, ...]] = {}
        self._notes: list[Note] = []
        self._opened: Counter[str] = Counter()
        self._news: News | None = None
        self._seen: set[str] = set()

    def look(self) -> bool:
        """Read what is new; whether there was anything."""
        news = self._follower.news()
        if news is None:
            return False
        for address in news.gone:
            self._runs.pop(address, None)
            self._seen.discard(address)
        for row in news.steps:
            self._seen.add(row.address)
            self._take(row)
        for note in news.told:
            name, _, text = note.text.partition(" ")
            address = note.address.rpartition("/")[0]
            if name in RECORDS:
                self._told[name][address] = codec.decode(text, RECORDS[name])
                self._when[f"{name} {address}"] = note.at
        self._notes += news.notes
        self._news = news
        return True

    def _take(self, row: StepRow) -> None:
        """Keep of a step what the story needs."""
        last = row.address.rpartition("/")[2]
        if row.cost_usd is not None:
            self._charged[row.address] = row.cost_usd
        if row.verb == "execute":
            self._runs[row.address] = self._run(row)
            if row.state == "ok":
                self._digests[row.address] = row.inputs
        if row.state != "ok" or row.result is None:
            return
        if row.verb == "brain":
            self._asked.add(row.address)
        if row.verb == "call":
            self._calls[row.address] = (row, row.read(Exchange))
        elif last == "target-chooser":
            self._targets[row.address] = row.read(Target)
        elif last == "retriever":
            self._ideas[row.address] = row.read(Ideas).ideas
        elif last == "heard":
            self._heard[row.address] = row.read(tuple[Letter, ...])
        elif row.address.endswith("ensemble/0/greedy"):
            blend = row.read(Blend)
            told = Blended(blend.name, blend.source, blend.weights, blend.score)
            self._blends[row.address.rpartition("/")[0]] = (told, row.finished or row.started)

    def _run(self, row: StepRow) -> Run:
        view = row.address.rpartition("/")[2]
        if row.result is None:
            state = "running" if row.state == "running" else "error"
            return Run(row.address, view, state, None, word(row.error or ""), 0.0, 0.0, row.started, row.finished)
        found = json.loads(row.result)
        outcome, judged = found["outcome"], found["judged"]
        self._opened.update(outcome["opened"])
        looked = _kind(row.address) == "look"  # which makes nothing that could be judged
        reason = "" if looked or judged["value"] is not None else word(judged["reason"] or "")
        if outcome["state"] != "ok":
            reason = word((outcome["error"].strip().splitlines() or [outcome["state"]])[-1], MOST_SAID)
        return Run(
            row.address, view, outcome["state"] if not reason or outcome["state"] != "ok" else "refused",
            judged["value"], reason, outcome["seconds"], outcome["peak_mb"], row.started, row.finished,
        )  # fmt: skip

    # --- the story ------------------------------------------------------------------------------------

    def story(self) -> Story:
        """The story up to the last look."""
        if self._news is None:
            self.look()
        assert self._news is not None
        facts, clock = self._news.facts, Sittings(self._news.sittings)
        usage = tuple(queries.tally(self._calls.values()))
        seconds = sum(worked for *_, worked in self._news.sittings)
        charged = sum(self._charged.values()) if self._charged else None
        jobs = len(set(self._digests.values()))
        counts = overview.Counts(jobs, len(self._asked), len(self._calls), seconds, usage, charged)
        summary = overview.summary(self.run, facts, counts)
        nodes = tuple(sorted(self._nodes(clock), key=lambda node: (node.at, node.address)))
        final = overview.FINAL.validate_python(facts["final"]) if "final" in facts else None
        told = self._told["Ablated"].items()
        return Story(
            str(self.run), summary, nodes, gains(nodes),
            ablations=tuple((address, ablated) for address, ablated in told if ablated.effects),
            targets=tuple(self._targets.items()),
            ideas=tuple((address, idea) for address, ideas in self._ideas.items() for idea in ideas),
            weights=final.parts if final else (), final=final.name if final else "",
            opened=tuple(sorted(self._opened.items())),
            notes=tuple(Line(clock.spent(n.at), n.address, n.text, "leakage suspected" in n.text) for n in self._notes),
            heard=tuple(
                Seen(clock.spent(x.at), address, x.about, x.body, x.sender)
                for address, letters in self._heard.items() for x in letters
            ),
            steps=len(self._seen), running=tuple(r.address for r in self._runs.values() if r.state == "running"),
            learned=final is not None and final.learned, bag=final.bag if final else 1,
            remarks=final.notes if final else (), size=overview.size(facts.get("settings", {})),
        )  # fmt: skip

    def _nodes(self, clock: Sittings) -> Iterator[Node]:
        owners: dict[str, list[Run]] = {}
        for run in self._runs.values():
            found = _JOB.match(run.address)
            until = None if run.until is None else clock.spent(run.until)
            timed = Run(*(*_plain(run), clock.spent(run.at), until))
            owners.setdefault(found["owner"] if found else run.address, []).append(timed)
        blends = {address: blend for address, (blend, _) in self._blends.items()} | self._told["Blended"]
        for address in {**owners, **self._told["Tried"], **self._told["Attempt"], **blends}:
            yield self._node(address, tuple(owners.get(address, ())), clock, blends.get(address))

    def _node(self, address: str, runs: tuple[Run, ...], clock: Sittings, blend: Blended | None) -> Node:
        tried: Tried | None = self._told["Tried"].get(address)
        attempt: Attempt | None = self._told["Attempt"].get(address)
        wall = [self._when[key] for name in RECORDS if (key := f"{name} {address}") in self._when]
        if address in self._blends:
            wall.append(self._blends[address][1])
        at = min([run.at for run in runs], default=clock.spent(min(wall, default=0.0)))
        ends = [clock.spent(max(wall))] if wall else [run.until for run in runs if run.until is not None]
        busy = any(run.state == "running" for run in runs)
        known = tried or blend
        score: Score | None = known.score if known else None
        reason = tried.reason if tried else attempt.reason if attempt else None
        plan = attempt.plan.text if attempt else ""
        name = known.name if known else (attempt and attempt.plan.title) or address.rpartition("/")[2]
        return Node(
            address, _kind(address), _branch(address), word(name),
            known.source if known else "", _state(tried, attempt, blend, runs, busy), score,
            word((reason or next((run.reason for run in runs if run.reason), "")).removeprefix("dropped: "), MOST_SAID),
            tried.seconds if tried else max((run.seconds for run in runs), default=0.0),
            at, None if busy else max(ends, default=at),
            tried.parents if tried else (), tried.script if tried else "",
            attempt.cell if attempt else "", word(plan, MOST_SAID),
            attempt.gain if attempt else None, attempt.accepted if attempt else None, runs,
        )  # fmt: skip


class Sittings:
    """Wall times as seconds worked on the run: what lies between two sittings does not count."""

    def __init__(self, sittings: tuple[tuple[float, float, float], ...]) -> None:
        self._starts = [started for started, _, _ in sittings]
        self._worked = [seconds for _, _, seconds in sittings]

    def spent(self, wall: float) -> float:
        """Seconds worked before this moment."""
        i = bisect_right(self._starts, wall) - 1
        if i < 0:
            return 0.0
        now = wall - self._starts[i]
        return sum(self._worked[:i]) + (now if i == len(self._worked) - 1 else min(now, self._worked[i]))


def gains(nodes: tuple[Node, ...]) -> tuple[Gain, ...]:
    """When the best search score became better, by whole scores only; a blend counts as any other."""
    found: list[Gain] = []
    for node in sorted(nodes, key=lambda node: (node.until or node.at, node.address)):
        if node.state != "scored" or node.score is None or node.kind in ("ablation", "delivery", "look"):
            continue
        if node.score.beats(found[-1].score if found else None):
            found.append(Gain(node.until or node.at, node.address, node.name, node.kind, node.score))
    return tuple(found)


def _plain(run: Run) -> tuple[Any, ...]:
    return (run.address, run.view, run.state, run.value, run.reason, run.seconds, run.peak_mb)


@lru_cache(maxsize=20_000)
def _kind(address: str) -> Kind:
    return next((kind for pattern, kind in _KINDS if re.match(pattern, address)), "delivery")


def _branch(address: str) -> str:
    return address.partition("/")[0]


def _state(
    tried: Tried | None, attempt: Attempt | None, blend: Blended | None, runs: tuple[Run, ...], busy: bool
) -> State:
    if busy:
        return "running"
    if tried is not None:
        return "dropped" if tried.dropped else "failed" if tried.score is None else "scored"
    if blend is not None:
        return "scored"
    if attempt is not None and not runs:
        return "not tried"
    return "failed" if any(run.reason for run in runs) and not any(run.state == "ok" for run in runs) else "done"
