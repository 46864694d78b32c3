"""From the chosen blend to what the user gets: rehearse, refit on all rows, verify (paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from mlestar import roles, scripts
from mlestar.blending import compose, single
from mlestar.errors import NoSolution
from mlestar.evaluating import failure
from mlestar.memo import Execution
from mlestar.pooling import seconds
from mlestar.records import Blend, Final, Score, Scored
from mlestar.timing import WHOLE
from mlestar.workbench import Workbench

BLOCKS = 20  # of each fold, for the bootstrap of the bank


def finalise(bench: Workbench, best: Blend, found: Mapping[str, Scored], fallbacks: list[Scored]) -> Final:
    """Rehearse and refit the chosen blend; when that fails, the next best that is left, and say so."""
    notes: list[str] = []
    for i, choice in enumerate([best, *others(best, fallbacks)]):
        here = bench.at(str(i))
        bag = _bag(here, choice, found)
        script = last_look(here, _script(choice, found, bag))
        once = seconds((key for key, _ in choice.weights), found)
        done, sealed, lack = _rehearse_and_refit(here, script, once)
        if done.valid:
            optimism = _optimism(choice.score, sealed)
            estimate = sealed or corrected(here, choice.score)
            parts, learned = choice.weights, bool(choice.learned)
            notes += [f"{choice.name} has no sealed score: {lack}"] * bool(lack)
            final = Final(
                choice.name, script, parts, choice.score, sealed, optimism, estimate, bag, learned, tuple(notes)
            )
            bench.house.keep(choice.name, script, done.submission, choice.score, done.outcome.opened, final)
            return final
        notes.append(f"{choice.name} could not be finished: {failure(done.outcome, done.judged)}")
    raise NoSolution("no solution survived the finish: " + "; ".join(notes), budget=bench.rules.budget is not None)


def others(best: Blend, fallbacks: Sequence[Scored]) -> list[Blend]:
    """What else could be handed in: single solutions, also those that a blend which failed was made of."""
    alone = best.weights[0][0].partition("::")[0] if best.source == "single" else ""
    return [single(s) for s in fallbacks if s.score is not None and s.address != alone]


def _script(choice: Blend, found: Mapping[str, Scored], bag: int) -> str:
    """The deliverable: one script, with as many seeds as the bag has."""
    if choice.source == "single":
        text = found[choice.weights[0][0].partition("::")[0]].solution.script
    else:
        text = compose(choice, found, f"{choice.name} of {len(choice.weights)} models, found by mle-star.")
    return scripts.with_seeds(text, bag)


def _bag(bench: Workbench, choice: Blend, found: Mapping[str, Scored]) -> int:
    """How many seeds fit: rehearsal and real run are bagged alike, so that the rehearsal tells the truth."""
    needed = bench.timetable.finish(seconds((key for key, _ in choice.weights), found))
    bag = 1
    while bag < bench.rules.bag and bench.fits(f"bag-{bag + 1}", needed * (bag + 1)):
        bag += 1
    return bag


def _rehearse_and_refit(bench: Workbench, script: str, once: float) -> tuple[Execution, Score | None, str]:
    """The same script on the real folder and on the rehearsal view. `once`: what its folds took.

    What was handed in before is not rehearsed where the time is up.
    Returns the real run, the sealed score, and why there is none although rows are sealed.
    """
    sealed = bench.task.has_sealed
    late = sealed and bench.delivered(script) and not bench.fits("rehearsal-fits", WHOLE * once)
    rehearsed = sealed and not late

    def play(view: str) -> Execution:
        kept = view == "real" and bench.rules.keep_models
        return bench.execution(view, script, view, partial(bench.task.view, view), keep=kept)

    if rehearsed and bench.rules.jobs > 1:
        done, *rehearsal = bench.side_by_side([partial(play, view) for view in ("real", "rehearsal")])
    else:  # on one slot what is handed in comes first; what cannot be handed in is not rehearsed
        done = play("real")
        rehearsal = [play("rehearsal")] if rehearsed and done.valid else []
    if (fits := done.outcome.fits) is not None:
        lost = f", {fits.left} not, for want of room" * bool(fits.left)
        bench.journal.note(bench.address, f"fitted models that were kept: {fits.kept} of {fits.fits}{lost}")
    judged = [e.judged for e in rehearsal if e.valid]
    lack = "no time was left for its rehearsal" if late else ""
    lack = next((f"its rehearsal: {failure(e.outcome, e.judged)}" for e in rehearsal if not e.valid), lack)
    return done, bench.bank.join([(0, judged[0])]) if judged else None, lack


def corrected(bench: Workbench, search: Score) -> Score:
    """Without sealed rows: the search score less what choosing the best of many flattered it."""
    blocks = {f"fold-{k}": bench.task.blocks(f"fold-{k}", BLOCKS) for k in range(bench.rules.folds)}
    if any(len(found) < 2 for found in blocks.values()):
        return search
    bias = bench.decide("bias", float, lambda: bench.bank.bias(bench.task.score, blocks, bench.seed))
    return replace(search, value=search.value - bias if search.direction == "max" else search.value + bias)


def _optimism(search: Score, sealed: Score | None) -> float | None:
    """Positive: the search score promised more than the sealed rows gave."""
    if sealed is None:
        return None
    return (search.value - sealed.value) * (1.0 if search.direction == "max" else -1.0)


def last_look(bench: Workbench, script: str) -> str:
    """A_test: the finaliser may polish the script; what it returns must still be composable."""
    reply = bench.ask(roles.Finalise, roles.CheckedScript, script=script)
    return reply.script if reply.script and not scripts.problems(reply.script) else script
