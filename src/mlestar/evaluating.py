"""h(s): from a solution to a score with its error, by racing over folds, with repairs (DESIGN.md §4, §5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import median

from mlestar import composing, ledger, roles, scripts
from mlestar.errors import NoSolution
from mlestar.plain import word
from mlestar.records import FoldResult, Judged, Outcome, Plan, Profile, Score, Scored, Solution
from mlestar.workbench import Workbench

MANY, FEW = 20, 6  # evaluations of a strong model that must fit; few where folds are small, for their noise hurts more
MOST_REASON, MOST_NAME = 300, 100  # characters
LARGE_FOLD = 2000  # rows
TELLING = 5.0  # seconds of a fold from which on its ratio to the real run tells more than start-up times
ROWS_A_SECOND, CELLS_A_SECOND = 1_500, 20_000  # that a model of cost 1 is trained on, where it is slow
PIXELS_A_SECOND = 100_000
START_UP = 1.0  # seconds of imports that a job takes whatever it does
SLOW, MANY_ROWS = 30.0, 8_000  # seconds of the incumbent's fold, rows: from there on learning curves pay
PARTS, AHEAD = ("-of-8", "-of-4"), 2.0  # two doublings of the rows lead from a quarter to all
FEW_MEMBERS = 2  # a usual script has its model and its submission
UNORDERED = ("random", "stratified", "group")
LINE = re.compile(r'File ".*solution\.py", line (\d{1,9})\b')  # of a script, in its traceback


def evaluate(bench: Workbench, solution: Solution, against: Scored | None = None) -> Scored:
    """Score a solution on the run's folds.

    The first fold is drawn from the address's seed. A script that fails there is mended by the
    debugger at most D times; one that cannot plausibly beat `against` stops there.
    """
    fold = bench.seed % bench.rules.folds
    if against is not None and _slow(bench, against):
        solution, ended = _by_learning_curve(bench, solution, fold, against)
        if ended is not None:
            return ended
    solution, first = first_fold(bench, solution, fold)
    more = bench.rules.folds > 1
    if more and first.judged.reason is None and against is not None and _hopeless(bench, first, against):
        rival = next(r.judged.value for r in against.results if r.fold == fold)
        return scored(bench, solution, [first], f"behind on fold {fold}, where the incumbent has {rival:.5g}")
    if more and first.judged.reason is None and not _time_for_others(bench, first):
        return scored(bench, solution, [first], f"no time for the folds after fold {fold}")
    return other_folds(bench, solution, first)


def first_fold(bench: Workbench, solution: Solution, fold: int, part: str = "") -> tuple[Solution, FoldResult]:
    """One fold, with up to D repairs; returns the solution as mended. What cannot be composed does not run."""
    problems = scripts.problems(solution.script)
    result = _refused(fold, problems[0]) if problems else run_fold(bench, solution, fold, part)
    for d in range(bench.rules.size.debug):
        if result.judged.reason is None or result.outcome.state == "late":
            break
        here = bench.at(f"debug-{d + 1}")
        mended = _mend(here, solution, result)
        if mended is None:
            break
        solution, result = mended, run_fold(here, mended, fold, part)
    return solution, result


def other_folds(bench: Workbench, solution: Solution, first: FoldResult) -> Scored:
    """The folds that are left, side by side, then the score."""
    if first.judged.reason is not None:
        return scored(bench, solution, [first])
    others = [partial(run_fold, bench, solution, k) for k in range(bench.rules.folds) if k != first.fold]
    results = [first, *bench.side_by_side(others)]
    return scored(bench, solution, sorted(results, key=lambda result: result.fold))


def scored(bench: Workbench, solution: Solution, results: list[FoldResult], dropped: str = "") -> Scored:
    """Join folds into a score; bank the predictions of what went the whole way. `dropped`: why it did not."""
    broken = sorted((r for r in results if r.judged.reason is not None), key=lambda r: r.outcome.state == "late")
    if broken:
        late = broken[0].outcome.state == "late"  # that is no fault of the script's
        reason = failure(broken[0].outcome, broken[0].judged)
        bench.journal.note(bench.address, f"{solution.name}: no score, {reason}")
        return ledger.publish(bench, Scored(solution, bench.address, None, reason, tuple(results), dropped=late))
    score = bench.bank.join([(r.fold, r.judged) for r in results])
    why = f"dropped: {dropped}" if dropped else None
    whole = Scored(solution, bench.address, score, why, tuple(results), bool(dropped))
    lost = f", {why}" if why else ""
    bench.journal.note(bench.address, f"{solution.name}: {score}{lost}, {whole.seconds:.1f} s")
    if not dropped:
        bench.bank.add(whole)
        bench.show(whole)
    return ledger.publish(bench, whole)


def run_fold(bench: Workbench, solution: Solution, fold: int, part: str = "") -> FoldResult:
    """One execution on one fold, or with a part of its training rows."""
    return FoldResult(fold, *bench.execute(f"fold-{fold}{part}", solution.script, f"fold-{fold}{part}"))


def _refused(fold: int, problem: str) -> FoldResult:
    return FoldResult(fold, Outcome("exception", 0.0, error=problem), Judged("it is no composable script"))


def submit(bench: Workbench, solution: Solution, score: Score | None = None, once: float = 0.0) -> None:
    """Run on the real folder and keep what comes out, if it is valid. `once`: what a fold took, in seconds."""
    done = bench.refit("real", solution.script, once)
    if done.valid:
        pace = bench.memo.pace
        if once >= TELLING:
            pace.ratios.append(done.outcome.seconds / once)
        pace.handed = score if score is not None and score.beats(pace.handed) else pace.handed
        bench.house.keep(solution.name, solution.script, done.submission, score, done.outcome.opened)


def deliver_first(bench: Workbench, solution: Solution, result: FoldResult) -> None:
    """The first submission of a run. Raises NoSolution where a cluster had no time for its first script."""
    if result.outcome.state == "late":
        raise NoSolution("the time was up before the cluster had done a first script", budget=True)
    if result.judged.reason is None:
        submit(bench, solution, once=result.outcome.seconds)


def failure(outcome: Outcome, judged: Judged) -> str:
    """Why an execution did not score, in one line."""
    if not outcome.ok:
        last = outcome.error.strip().splitlines()[-1:] or [outcome.output.strip()[-200:]]
        return f"{outcome.state}: {word(last[0], MOST_REASON)}"
    return judged.reason or "no score"


def folds(found: Scored | tuple[FoldResult, ...]) -> list[tuple[int, Judged]]:
    """The judged folds of something, as the bank compares them."""
    results = found.results if isinstance(found, Scored) else found
    return [(r.fold, r.judged) for r in results]


def expected_seconds(profile: Profile, cost: float, like: Sequence[Scored]) -> float:
    """What a fold of something of this cost takes, by what these took for theirs."""
    return _a_job(profile, cost, [(s.seconds, s.solution.cost) for s in like])


def turns(bench: Workbench, folds: int) -> int:
    """How often a branch's share of the slots is filled by so many folds of each that it evaluates at a time."""
    return -(-folds * bench.rules.abreast // bench.slots)


def fits_again(bench: Workbench, name: str, *parts: Scored, times: float = 1.0) -> bool:
    """Whether evaluating a script of these parts fits, by what each took; `times` over, where more is to follow."""
    once = sum(part.seconds for part in parts)
    return bench.fits(name, times * once * turns(bench, max(len(part.results) for part in parts)), once=once)


def fits_the_finish(bench: Workbench, best: Scored) -> bool:
    """Whether a solution can be run on the real folder and rehearsed in what is left of the run, and should be.

    What is run on the real folder now is not run again at the finish, so it may use what that keeps back. Where another
    branch has handed in a better one, the time is better spent on the search.
    """

    def play() -> bool:
        ahead = best.score is not None and best.score.beats(bench.memo.pace.handed)
        return ahead and bench.timetable.finish(best.seconds) <= (bench.timetable.rest() or 0.0)

    return bench.rules.budget is None or bench.decide("fits", bool, play)


def _a_job(profile: Profile, cost: float, known: Sequence[tuple[float, float]]) -> float:
    """The seconds of a job of this cost, by the seconds and costs of others.

    A unit of cost takes no longer than such data can explain: what is beyond that goes into reading and features,
    and a dearer model does not do those again.
    """
    start = min([START_UP, *(0.8 * seconds for seconds, _ in known)])
    most = max(profile.rows / ROWS_A_SECOND, profile.rows * len(profile.columns) / CELLS_A_SECOND)
    most = max(most, profile.pixel_count / PIXELS_A_SECOND)
    unit = min(median((seconds - start) / max(c, 0.1) for seconds, c in known), most)
    fixed = median(max(seconds - unit * c, start) for seconds, c in known)
    return fixed + unit * cost


def affordable_folds(bench: Workbench, one: float, cost: float, likely: float) -> int:
    """m: as set, or so many folds that some MANY evaluations of a strong model fit, or FEW (DESIGN.md §4).

    `one` is the seconds of the first job, `cost` its cost, `likely` a strong model's.
    """
    there, budget = len(bench.task.folds), bench.rules.budget
    least = 1 if len(bench.task.blocks("fold-0", 2)) > 1 else 2  # a fold that is one group tells of that one only
    if bench.rules.folds or budget is None:
        return min(max(bench.rules.folds or there, least), there)
    each = max(_a_job(bench.task.profile, likely, [(one, cost)]), 0.01)
    wanted = MANY if bench.task.rows("fold-0") >= LARGE_FOLD and least == 1 else FEW
    room = budget * bench.rules.ends.refine * bench.rules.jobs / (wanted * each)
    return bench.decide("folds", int, lambda: max(least, min(there, int(room))))


def changed(start: Solution, plan: Plan, reply: roles.RewrittenCells, text: str) -> Solution:
    """The solution with a cell rewritten. Another model gives it another cost; and another name, if it has one."""
    own = reply.name or plan.title or "rewritten"
    origin, cost = plan.recipe or "brain", reply.cost if plan.cell == "model" else max(start.cost, reply.cost)
    name = own if plan.cell == "model" and (reply.name or plan.recipe) else _named(start.name, own)
    script = text if scripts.problems(text) else composing.headed(text, f"{name}, found by mle-star.")
    return Solution(name, script, origin, cost)


def _named(before: str, change: str) -> str:
    """`forest with dates, lags`: what it was, and what was changed; of a long row the last change."""
    base, _, earlier = before.partition(" with ")
    name = f"{base} with {earlier}, {change}" if earlier else f"{base} with {change}"
    return word(name if len(name) <= MOST_NAME else f"{base} with …, {change}")


def _mend(bench: Workbench, solution: Solution, result: FoldResult) -> Solution | None:
    """Ask the debugger for the failing cell; None when it gives up or breaks the script."""
    lines: list[str] = LINE.findall(result.outcome.error)
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


def _time_for_others(bench: Workbench, first: FoldResult) -> bool:
    """Whether the folds that are left fit into the phase, at what the first one took."""
    once = first.outcome.seconds
    return bench.fits("others-fit", once * turns(bench, bench.rules.folds - 1), late=True, once=once)


def _slow(bench: Workbench, against: Scored) -> bool:
    """Whether a learning curve is worth its jobs: there is one long fold, where nothing else races, and no order."""
    split = bench.task.profile.split.partition(":")[0]
    if bench.rules.budget is None or bench.rules.folds > 1 or split not in UNORDERED:
        return False
    return bench.decide("slow", bool, lambda: against.seconds >= SLOW and bench.task.profile.rows >= MANY_ROWS)


def _by_learning_curve(
    bench: Workbench, solution: Solution, fold: int, against: Scored
) -> tuple[Solution, Scored | None]:
    """The solution, mended where it failed; and what ends it, when its curve will not reach the incumbent's."""
    solution, small = first_fold(bench, solution, fold, PARTS[0])
    if small.judged.reason is not None:
        return solution, scored(bench, solution, [small])
    rival = bench.at("incumbent")
    others = [partial(run_fold, rival, against.solution, fold, part) for part in PARTS]
    more, *theirs = bench.side_by_side([partial(run_fold, bench, solution, fold, PARTS[1]), *others])
    if any(one.judged.reason is not None for one in (more, *theirs)):
        return solution, None
    curve, other = [small.judged, more.judged], [one.judged for one in theirs]
    if bench.bank.outlook(curve, other, AHEAD) >= bench.rules.race:
        return solution, None
    reason = f"behind on a quarter of the rows ({more.judged.value:.5g}), and its learning curve does not catch up"
    bench.journal.note(bench.address, f"{solution.name}: dropped, {reason}")
    lost = Scored(solution, bench.address, None, reason, (small, more), dropped=True)
    return solution, ledger.publish(bench, lost)


def _hopeless(bench: Workbench, first: FoldResult, against: Scored) -> bool:
    """Whether it will hardly win. Many members are not dropped so: their worth is what a blend makes of them."""
    if len(first.judged.members) > FEW_MEMBERS:
        return False
    return bench.bank.better(folds((first,)), folds(against)) < bench.rules.race
