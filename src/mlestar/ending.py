"""How a run ends: by the method's own finish, or by one that somebody asks for, with what there is.

A finish that is asked for is recorded under `finish-N/` and nowhere else, so the method can go on afterwards as if
nobody had asked. What ended a run last is what it is left at: the order of the journal's steps tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from mlestar import algorithm
from mlestar.errors import Unrecorded
from mlestar.journal import queries
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.lab import Lab
from mlestar.ports import Journal
from mlestar.records import Final, Verb
from mlestar.rules import Rules

T = TypeVar("T")
_ENDING = re.compile(r"finalise/\d+/real|finish-(\d+)/terms")


@dataclass(frozen=True)
class Terms:
    """What a finish was begun with: a replay of it, and who completes it, goes by the same."""

    rules: Rules
    found: tuple[str, ...]  # addresses of all that the method had evaluated


class Recorded:
    """A journal that plays nothing: a step without an answer raises Unrecorded."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.note, self.save, self.load, self.charge = journal.note, journal.save, journal.load, journal.charge
        self.knows, self.publish = journal.knows, journal.publish

    def step(self, address: str, verb: Verb, inputs: Any, returns: type[T], play: Callable[[], T]) -> T:
        """The recorded answer."""
        if not self.knows(address):
            raise Unrecorded(address)
        return self._journal.step(address, verb, inputs, returns, play)


def known(lab: Lab) -> Lab:
    """The opened lab with all that the method has evaluated so far; only recorded steps are replayed."""
    opened = replace(lab, found={}, acted={}).at("start").open()  # who goes on with `lab` has not seen it
    with suppress(Unrecorded):
        replayed = replace(opened.bench, journal=Recorded(opened.bench.journal))
        algorithm.search(replace(opened, bench=replayed), opened.bench.rules.size)
    return opened


def solve(store: Store, lab: Lab, free: bool) -> Final | None:
    """The method, from where it stands. A run that was finished anew since its end is left at its last finish.

    A `free` run has no method: it is opened, and stays open until somebody finishes it.
    """
    ended = _endings(store.run)
    if ended and ended[-1] and (free or 0 in ended):
        return _play(known(lab), ended[-1], None)
    if free:
        lab.at("start").open()
        return None
    return algorithm.solve(lab, lab.bench.rules.size)


def is_over(run: Path, free: bool) -> bool:
    """Whether no method goes on with a run: it has none, or that has ended. Then its time is no longer counted."""
    return free or 0 in _endings(run)


def finish(store: Store, lab: Lab, wanted: Rules, free: bool, by_hand: bool = False) -> Final:
    """End a run with what there is. With nothing new the last ending is replayed; if it was broken off, completed.

    With `by_hand` people would have to answer what a finish asks, and after the end of a run nobody waits for
    questions: none is asked. An early finish asks nobody anyway, for the method may ask the same later.
    """
    opened, ended = known(lab), _endings(store.run)
    rules = replace(wanted, folds=opened.bench.rules.folds)
    if is_over(store.run, free):
        rules = replace(rules, budget=None, closing=wanted.closing and by_hand)
    terms = Terms(rules, tuple(sorted(opened.found)))
    last = ended[-1] if ended else None
    fresh = _is_fresh(store.run, f"finish-{last}" if last else "added")
    if last == 0 and not fresh and replace(wanted, closing=False) == lab.bench.rules:
        return algorithm.solve(lab, wanted.size)
    if last and not fresh and _terms(store.run, last) == terms:
        return _play(opened, last, terms)
    return _play(opened, max(ended, default=0) + 1, terms)


def looked(facts: dict[str, Any], script: str) -> dict[str, Any]:
    """The looks at the sealed rows: a script that was rehearsed before, in a replay for example, is none more."""
    earlier = [facts["final"]["script"]] if facts.get("final") else []
    seen = {*facts.get("sealed_scripts", ()), *map(_digest, earlier)}
    now = seen | {_digest(script)}
    return {"sealed_seen": facts["sealed_seen"] + len(now - seen), "sealed_scripts": sorted(now)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _play(lab: Lab, number: int, terms: Terms | None) -> Final:
    """The finish of this number, on its terms; None: they are recorded."""
    here = lab.at(f"finish-{number}")
    begun = here.bench.decide("terms", Terms, lambda: terms or Terms(here.bench.rules, ()))
    here.take_in()
    leaders = here.rank(here.working([*here.found.values()]))
    return algorithm.finish(replace(here, bench=replace(here.bench, rules=begun.rules)), leaders, begun.rules.size)


def _endings(run: Path) -> list[int]:
    """How the run was ended so far, oldest first: 0 by the method itself, N by the N-th finish asked for."""
    found = (_ENDING.fullmatch(row.address) for row in queries.steps(run) if row.state == "ok")
    return [int(match[1] or 0) for match in found if match]


def _terms(run: Path, number: int) -> Terms | None:
    row = queries.step(run, f"finish-{number}/terms")
    return row.read(Terms) if row else None


def _is_fresh(run: Path, place: str) -> bool:
    """Whether something was handed in after `place` took in what there was."""
    row = queries.step(run, f"{place}/taken")
    if row is None or row.state != "ok":
        return False
    return bool({letter.number for letter in Mail(run).scripts()} - {*row.read(tuple[int, ...])})
