"""What a branch writes down of its attempts, and what a run publishes of its solutions for pages and reports."""

from __future__ import annotations

from mlestar.records import Attempt, Plan, Scored, Tried
from mlestar.workbench import Workbench

TOO_DEAR = "too dear for the time that is left"


def drafted(bench: Workbench, plan: Plan, fits: bool) -> Attempt:
    """The line of a plan without a result: open, or passed over for want of time, so that the next one is cheaper."""
    return Attempt(bench.address, plan.cell, plan, None, None, False, 0.0, None if fits else TOO_DEAR)


def line(bench: Workbench, plan: Plan, challenger: Scored, start: Scored, accepted: bool) -> Attempt:
    """One line of the ledger. `gain` is positive when the challenger beat what it was made from."""
    gain = None
    if challenger.score is not None and start.score is not None and not challenger.dropped:
        difference = challenger.score.value - start.score.value
        gain = difference if challenger.score.direction == "max" else -difference
    score, seconds = challenger.score, challenger.seconds
    attempt = Attempt(challenger.address, plan.cell, plan, score, gain, accepted, seconds, challenger.reason)
    told = TOO_DEAR if attempt.reason == TOO_DEAR else "taken" if accepted else "not taken"
    bench.journal.note(attempt.address, f"plan for `{plan.cell}`, {told}: {plan.text}")
    bench.journal.publish(attempt.address, attempt)
    return attempt


def publish(bench: Workbench, scored: Scored) -> Scored:
    """Let pages and reports know of an evaluation, with its script."""
    solution = scored.solution
    script = bench.journal.save(solution.script.encode())
    found = (scored.score, scored.reason, scored.dropped, scored.seconds)
    tried = Tried(solution.name, solution.source, script, solution.parents, *found)
    bench.journal.publish(scored.address, tried)
    return scored
