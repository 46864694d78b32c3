"""h(s): from a solution to a score with its error, by racing over folds, with repairs (DESIGN.md §4, §5)."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from mlestar import roles, scripts
from mlestar.records import FoldResult, Judged, Outcome, Score, Scored, Solution
from mlestar.workbench import Workbench

_LINE = re.compile(r'File ".*solution\.py", line (\d+)')


def evaluate(bench: Workbench, solution: Solution, against: Scored | None = None) -> Scored:
    """Score a solution on the run's folds.

    The first fold is drawn from the address's seed. A script that fails there is mended by the
    debugger at most D times; one that cannot plausibly beat `against` stops there.
    """
    fold = bench.seed % bench.rules.folds
    solution, first = first_fold(bench, solution, fold)
    if first.judged.reason is None and against is not None and _hopeless(bench, first, against):
        return scored(bench, solution, [first], dropped=True)
    return other_folds(bench, solution, first)


def first_fold(bench: Workbench, solution: Solution, fold: int) -> tuple[Solution, FoldResult]:
    """One fold, with up to D repairs; returns the solution as mended."""
    result = run_fold(bench, solution, fold)
    for d in range(bench.rules.size.debug):
        if result.judged.reason is None:
            break
        here = bench.at(f"debug-{d + 1}")
        mended = _mend(here, solution, result)
        if mended is None:
            break
        solution, result = mended, run_fold(here, mended, fold)
    return solution, result


def other_folds(bench: Workbench, solution: Solution, first: FoldResult) -> Scored:
    """The folds that are left, side by side, then the score."""
    if first.judged.reason is not None:
        return scored(bench, solution, [first])
    others = [partial(run_fold, bench, solution, k) for k in range(bench.rules.folds) if k != first.fold]
    results = [first, *bench.side_by_side(others)]
    return scored(bench, solution, sorted(results, key=lambda result: result.fold))


def scored(bench: Workbench, solution: Solution, results: list[FoldResult], dropped: bool = False) -> Scored:
    """Join folds into a score; bank the predictions of what went the whole way."""
    broken = next((r for r in results if r.judged.reason is not None), None)
    if broken is not None:
        return Scored(solution, bench.address, None, failure(broken.outcome, broken.judged), tuple(results))
    score = bench.bank.join([(r.fold, r.judged) for r in results])
    whole = Scored(solution, bench.address, score, None, tuple(results), dropped)
    if not dropped:
        bench.bank.add(whole)
        bench.show(whole)
    return whole


def run_fold(bench: Workbench, solution: Solution, fold: int) -> FoldResult:
    """One execution on one fold."""
    return FoldResult(fold, *bench.execute(f"fold-{fold}", solution.script, f"fold-{fold}"))


def submit(bench: Workbench, solution: Solution, score: Score | None = None) -> None:
    """Run on the real folder and keep what comes out, if it is valid."""
    done = bench.refit("real", solution.script)
    if done.valid:
        bench.house.keep(solution.name, solution.script, done.submission, score)


def failure(outcome: Outcome, judged: Judged) -> str:
    """Why an execution did not score, in one line."""
    if not outcome.ok:
        last = outcome.error.strip().splitlines()[-1:] or [outcome.output.strip()[-200:]]
        return f"{outcome.state}: {last[0]}"
    return judged.reason or "no score"


def folds(found: Scored | tuple[FoldResult, ...]) -> list[tuple[int, Judged]]:
    """The judged folds of something, as the bank compares them."""
    results = found.results if isinstance(found, Scored) else found
    return [(r.fold, r.judged) for r in results]


def seconds(found: Scored, jobs: int) -> float:
    """What evaluating this again would take: its slowest fold, as often as the slots need."""
    rounds = -(-len(found.results) // max(jobs, 1))
    return max((r.outcome.seconds for r in found.results), default=0.0) * rounds


def affordable_folds(bench: Workbench, one: float, typical: float) -> int:
    """m: so many folds that some 20 evaluations of `typical` times the first job's seconds fit (DESIGN.md §4)."""
    if bench.rules.budget is None:
        return 5
    slots = bench.rules.jobs
    room = bench.rules.budget * 0.5 * slots / (20 * max(one * typical, 0.1))
    return bench.decide("folds", int, lambda: max(1, min(5, int(room))))


def _mend(bench: Workbench, solution: Solution, result: FoldResult) -> Solution | None:
    """Ask the debugger for the failing cell; None when it gives up or breaks the script."""
    lines: list[str] = _LINE.findall(result.outcome.error)
    reply = bench.ask(
        roles.Debug,
        roles.RewrittenCells,
        script=solution.script,
        state="submission" if result.outcome.ok else result.outcome.state,
        error=f"{failure(result.outcome, result.judged)}\n{result.outcome.error}",
        cell=scripts.cell_of_line(solution.script, int(lines[-1])) if lines else "",
    )
    text = scripts.replace(solution.script, dict(reply.cells)) if reply.cells else solution.script
    return None if text == solution.script or scripts.problems(text) else replace(solution, script=text)


def _hopeless(bench: Workbench, first: FoldResult, against: Scored) -> bool:
    return bench.bank.better(folds((first,)), folds(against)) < bench.rules.race
