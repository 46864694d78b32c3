"""MLE-STAR: the method of Nam et al. 2025 (arXiv 2506.15692), to be read aloud.

Paper symbols: M candidate models, L parallel branches, T outer refinement steps, K plans per step,
R ensemble rounds; s is a solution, h(s) its score. What each verb means is said in `lab.py`; what a
score is, in `docs/algorithm.md`. Nothing here knows about files, processes, brains or clocks: where
the paper stops after a count, `lab.time_for` may stop earlier, and that answer is recorded.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mlestar.records import Attempt, Blend, Breadths, Final, Scored, Target

if TYPE_CHECKING:
    from mlestar.candidates import Findings
    from mlestar.lab import Lab


def solve(lab: Lab, size: Breadths) -> Final:
    """The whole way: the search, then the ensemble, then the finish."""
    lab = lab.at("start").open()
    return finish(lab, search(lab, size), size)


def search(lab: Lab, size: Breadths) -> list[Scored]:
    """L branches side by side, which share a first look at the data; their solutions, best first."""
    findings = lab.at("start").look_once(lab.first)
    branches = [partial(branch, lab.at(f"branch-{i}"), findings, size) for i in range(size.abreast)]
    return lab.rank(lab.with_guests(branches))


def finish(lab: Lab, leaders: list[Scored], size: Breadths) -> Final:
    """From the best solutions to what the user gets."""
    best = ensemble(lab.at("ensemble"), leaders, size)
    return lab.at("finalise").finalise(best, leaders)


def branch(lab: Lab, findings: Findings, size: Breadths) -> Scored:
    """One branch: an initial solution, refined."""
    return refine(lab.at("refine"), initialise(lab.at("init"), findings, size), size)


def initialise(lab: Lab, findings: Findings, size: Breadths) -> Scored:
    """Algorithm 1: M candidates from retrieved models, the best ones merged while that helps."""
    lab = lab.listen()
    best, *others = lab.rank(lab.working(lab.candidates(size.candidates, findings)))
    for i, other in enumerate(others[: size.mergers]):
        merged = lab.at(f"merge/{i}").evaluate_merged(best, other)
        if not lab.better(merged, best):
            break  # the paper's rule: the first merger that does not help ends merging
        best = merged

    best = lab.at("check/data").check_data_usage(best)
    return lab.keep(lab.at("check/leakage").check_leakage(best))


def refine(lab: Lab, best: Scored, size: Breadths) -> Scored:
    """Algorithm 2, outer loop: T times, find the cell that matters most and explore changes to it."""
    ledger: list[Attempt] = []
    for t in range(size.outer):
        here = lab.at(str(t)).listen()
        if not here.time_for(best.solution.cost, [best]):
            break
        study = here.ablate(best)
        best = here.take(study, best)
        target = here.choose_target(best, study, ledger)
        best = explore(here.at("inner"), best, target, here.look(best, ledger), ledger, size)
    return best


def explore(
    lab: Lab, start: Scored, target: Target, findings: tuple[str, ...], ledger: list[Attempt], size: Breadths
) -> Scored:
    """Algorithm 2, inner loop: K plans for one cell, in batches, all into the ledger.

    Each is a change of the same start; `onward`, of the best one so far.
    """
    best = start
    for first in range(0, size.inner, size.batch):
        start = best if size.onward else start
        batch = range(size.inner)[first : first + size.batch]
        drafts = propose(lab, batch, start, target, findings, ledger)
        abreast = sum(draft.open for _, draft in drafts)
        tries = [partial(here.abreast(abreast).implement, start, draft, best) for here, draft in drafts]
        for (here, draft), challenger in zip(drafts, lab.side_by_side(tries), strict=True):
            accepted = here.better(challenger, best)
            ledger.append(here.record(draft.plan, challenger, start, accepted))
            best = challenger if accepted else best
        if len(drafts) < len(batch):
            break
    return best


def propose(
    lab: Lab, batch: range, start: Scored, target: Target, findings: tuple[str, ...], ledger: list[Attempt]
) -> list[tuple[Lab, Attempt]]:
    """The plans of one batch, in turn: each knows which were chosen before it, but not how they will do."""
    drafts: list[tuple[Lab, Attempt]] = []
    for k in batch:
        here = lab.at(str(k)).abreast(1 + sum(draft.open for _, draft in drafts)).listen()
        if not here.time_for(start.solution.cost, [start]):
            break
        plan = here.plan(start, target, findings, [*ledger, *(draft for _, draft in drafts)])
        if plan is None:
            break
        drafts.append((here, here.draft(plan, here.at("plan").time_for(plan.cost, [start]))))
    return drafts


def ensemble(lab: Lab, leaders: list[Scored], size: Breadths) -> Blend:
    """Algorithm 3 over the bank: R strategies to join all that was ever predicted, the best one kept."""
    blends = [lab.at("0").select_greedily()]
    for r in range(1, size.rounds):
        here = lab.at(str(r)).listen()
        blend = here.blend(blends) if here.time_for_blend() else None
        if blend is None:
            break
        blends.append(blend)
    return lab.choose(leaders, blends)
