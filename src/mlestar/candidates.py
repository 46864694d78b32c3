"""The candidates of algorithm 1: retrieved models, each written, then evaluated (paper, section 3.1).

Somebody who thinks for a minute must not leave the cores idle: what is asked is asked ahead, in threads, while the
candidates before it run. The library's best model needs no call, so it is the first to run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

from mlestar import evaluating, roles, searching, steering
from mlestar.records import Idea, Letter, Scored, Solution
from mlestar.workbench import Workbench

T = TypeVar("T")
Findings = Callable[[], tuple[str, ...]]  # what a look at the data saw; looked at when first called


class Once(Generic[T]):
    """A call whose answer several threads want: made by the first, awaited by the others."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call, self._lock, self._known = call, Lock(), list[T]()

    def __call__(self) -> T:
        with self._lock:
            if not self._known:
                self._known.append(self._call())
        return self._known[0]


def candidates(
    bench: Workbench,
    first: Scored,
    heard: tuple[Letter, ...],
    count: int,
    findings: Findings,
    known: Callable[[Scored], Scored],
) -> list[Scored]:
    """At most `count` candidates, each with its score, in the order of their ideas; each is `known` at once."""
    ready = _ready(bench.at("library"), first, heard) if count > 1 else ()
    asked = Once(partial(_asked, bench, first, heard, count, findings, {i.recipe for i in ready}))
    done: list[Scored] = []

    def named(i: int) -> Idea | None:
        ideas = (ready if i < len(ready) else (*ready, *asked()))[:count]
        return ideas[i] if i < len(ideas) else None

    def written(i: int) -> tuple[Idea, Solution] | None:
        idea, here = named(i), bench.at(f"candidate/{i}")
        if idea is None or not time_for(here.at("write"), idea.cost, [first], first, late=not i):
            return None
        return idea, write(here, idea)

    def scored(i: int, draft: tuple[Idea, Solution] | None) -> None:
        here = bench.at(f"candidate/{i}")
        # What a brain was paid for may still begin in the next phase, and so may what there is nothing better than.
        alone = all(s.score is None or s.dropped for s in done)
        late = alone or not (draft and draft[0].recipe)
        if draft is not None and time_for(here, draft[0].cost, [first, *done], first, late):
            done.append(known(evaluating.evaluate(here, draft[1])))

    bench.in_turn([partial(written, i) for i in range(count)], scored)
    return done


def _ready(bench: Workbench, first: Scored, heard: tuple[Letter, ...]) -> tuple[Idea, ...]:
    """The library's best model after the one that the run began with, as the base brain names it without a call."""
    found = searching.library(bench, 6)
    ideas = bench.ask(roles.Retrieve, roles.Ideas, count=2, quick=True, found=found).ideas[1:]
    return tuple(i for i in ideas if i.recipe not in ("", first.solution.source) and not _banned(heard, i))


def _asked(
    bench: Workbench, first: Scored, heard: tuple[Letter, ...], count: int, findings: Findings, known: set[str]
) -> tuple[Idea, ...]:
    """A_retriever: models that suit the task, besides `known` recipes and the one the run began with."""
    found = searching.library(bench, 4 * count)
    alone = bench.rules.size.company_plays(bench.branch)  # it does not wait for the first look of those who think
    about = {"found": found, "findings": () if alone else findings(), "pages": searching.pages(bench)}
    ideas = steering.wanted(heard, bench.ask(roles.Retrieve, roles.Ideas, count=count + 1, **about).ideas, found)
    others = (i for i in ideas if searching.origin(i) != first.solution.source and i.recipe not in known)
    likely = first.solution.cost  # what the brain's own ideas will take is a guess: a first fold tells
    return tuple(i if i.recipe else replace(i, cost=min(i.cost, likely)) for i in others)


def _banned(heard: tuple[Letter, ...], idea: Idea) -> bool:
    return bool(steering.banned(heard, idea.name, idea.recipe, idea.why))


def write(bench: Workbench, idea: Idea) -> Solution:
    """A_init: a solution with this one model."""
    reply = bench.ask(roles.WriteCandidate, roles.WrittenScript, idea=idea)
    return Solution(reply.name, reply.script, reply.source or searching.origin(idea), reply.cost)


def time_for(bench: Workbench, cost: float, like: list[Scored], first: Scored, late: bool = False) -> bool:
    """Whether something of this cost fits into the phase, and its finish into the run, by what these took for theirs.

    Nothing fits when none of them worked: there would be nothing to go on from.
    """
    done = [s for s in like if s.score is not None]
    if not done:
        return like[0] is first
    once = evaluating.expected_seconds(bench.task.profile, cost, done)
    return bench.fits("fits", once * evaluating.turns(bench, max(len(s.results) for s in done)), late, once)
