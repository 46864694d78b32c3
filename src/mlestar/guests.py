"""Scripts that people and assistants hand in while a run goes on, or afterwards (free drive, DESIGN.md §8).

Each is made composable, evaluated on the run's folds and banked like any candidate. Looks are answered too.
What was taken in by a certain moment is one step, so that a replay knows the same members.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from mlestar import evaluating, plain, roles, studying
from mlestar.errors import SettingsError, StepError
from mlestar.records import Letter, Scored, Solution
from mlestar.workbench import Workbench

TICK = 0.25  # seconds between looks into the letters


def beside(
    bench: Workbench, branches: Sequence[Callable[[], Scored]], best: Callable[[], Scored | None]
) -> tuple[list[Scored], list[Scored]]:
    """Run the branches side by side and take in scripts meanwhile; what became of the ones and of the others."""
    over = threading.Event()

    def lead() -> list[Scored]:
        try:
            return bench.side_by_side(branches)
        finally:
            over.set()

    added = bench.at("added")
    calls: list[Callable[[], list[Scored]]] = [lead, partial(serve, added, added, over, best)]
    leaders, taken = bench.side_by_side(calls)
    return leaders, taken


def so_far(bench: Workbench, best: Callable[[], Scored | None]) -> list[Scored]:
    """Take in what was handed in up to now, and record here which."""
    over = threading.Event()
    over.set()
    return serve(replace(bench, address="added"), bench, over, best)


def serve(bench: Workbench, spot: Workbench, over: threading.Event, best: Callable[[], Scored | None]) -> list[Scored]:
    """Take in scripts until `over` is set, and record at `spot` which; what became of each, in order."""
    made: dict[int, Scored] = {}
    seen: set[int] = set()

    def play() -> tuple[int, ...]:
        while True:
            leaving = over.is_set()
            for letter in bench.house.letters("add"):
                if letter.number not in made:
                    made[letter.number] = take(bench, letter)
            for letter in bench.house.letters("look"):
                if letter.number not in seen:
                    seen.add(letter.number)
                    look(bench, letter, best())
            if leaving:
                return tuple(made)
            bench.pause()
            bench.memo.failed.wait(TICK)

    numbers = spot.decide("taken", tuple[int, ...], play)
    return [made[n] if n in made else take(bench, Letter(n, "add", "", "", "", 0.0)) for n in numbers]


def take(bench: Workbench, letter: Letter) -> Scored:
    """Evaluate one script that was handed in; its text is recorded, so the letter is not needed again."""
    here = unhurried(bench.at(str(letter.number)))
    known = here.decide("handed-in", Letter, lambda: replace(letter, body=plain.source(letter.body)))
    scored = here.decide("scored", Scored, lambda: _score(here, known))
    if scored.score is not None and not scored.dropped:
        bench.bank.add(scored)
    return scored


def _score(here: Workbench, letter: Letter) -> Scored:
    """Its score; a reason where it cannot be made composable: no letter may end a run."""
    name, sender = plain.word(letter.about, 60), letter.sender or "handed in"
    try:
        made = here.ask(roles.Adopt, roles.WrittenScript, script=letter.body, name=name)
    except (SettingsError, StepError) as error:
        reason = f"it cannot be taken: {plain.word(error.__cause__ or error, evaluating.MOST_REASON)}"
        here.journal.note(here.address, f"{name}: no score, {reason}")
        return Scored(Solution(name, letter.body, sender), here.address, None, reason, ())
    solution = Solution(made.name, made.script, sender, made.cost)
    return evaluating.evaluate(here, solution)


def look(bench: Workbench, letter: Letter, best: Scored | None) -> str:
    """Run one analysis script and record what it prints."""
    here = unhurried(bench.at(f"look-{letter.number}"))
    return here.decide("seen", str, lambda: studying.observe(here, plain.source(letter.body), best))


def unhurried(bench: Workbench) -> Workbench:
    """Who hands in a script waits for its score: no phase's end cuts it off, and it is theirs to mend."""
    return replace(bench, rules=replace(bench.rules, budget=None, size=replace(bench.rules.size, debug=0)))
