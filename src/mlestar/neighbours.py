"""What branches know of each other: what has been found elsewhere, as it was at one moment, recorded.

How far another branch is depends on the clock. So what a branch sees of it is a step at the place where letters are
heard too (steering.py), and a replay sees the same. Only brains in words are told: with one that chooses by rule the
same seed must give the same run, so nothing is read or recorded for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from mlestar import studying
from mlestar.records import Elsewhere, Score, Scored
from mlestar.workbench import Workbench

Rank = Callable[[Iterable[Scored]], list[Scored]]
MOST_SOLUTIONS, MOST_LOOKED = 8, 1_500  # of each kind in one branch; characters


def found_elsewhere(
    bench: Workbench, found: Sequence[Scored], rank: Rank, looked: Mapping[str, Sequence[str]]
) -> tuple[Elsewhere, ...]:
    """What other branches have found by now. `found`: all that was evaluated, in turn; `looked`: what looks saw.

    To be asked before letters are heard at this address: where those were heard by a brain that did not want to know,
    or by an earlier version, a replay by one that does is told nothing either.
    """
    journal, size = bench.journal, bench.rules.size
    others = [i for i in range(size.abreast) if i != bench.branch]
    if not others or size.company_plays(bench.branch) or not bench.address.startswith("branch-"):
        return ()
    wanted = bench.rules.spoken and not journal.knows(f"{bench.address}/heard")
    if not (wanted or journal.knows(f"{bench.address}/elsewhere")):
        return ()
    told = (_of_branch(bench, i, found, rank, looked) for i in others)
    return bench.decide(
        "elsewhere", tuple[Elsewhere, ...], lambda: tuple(one for one in told if one != Elsewhere(one.branch, ()))
    )


def _of_branch(
    bench: Workbench, i: int, found: Sequence[Scored], rank: Rank, looked: Mapping[str, Sequence[str]]
) -> Elsewhere:
    prefix, sign = f"branch-{i}/", 1.0 if bench.task.profile.direction == "max" else -1.0
    scores = {s.address: s.score for s in found if s.score is not None and not s.dropped}
    solutions: list[tuple[str, Score, float | None]] = []
    for s in rank(found):
        if s.address.startswith(prefix) and s.address in scores and len(solutions) < MOST_SOLUTIONS:
            score = scores[s.address]
            before = [sign * scores[parent].value for parent in s.solution.parents if parent in scores]
            solutions.append((s.solution.name, score, sign * score.value - max(before) if before else None))
    lost = [s.solution.name for s in found if s.address.startswith(prefix) and s.address not in scores]
    seen = [findings for address, findings in list(looked.items()) if address.startswith(prefix) and findings]
    said = studying.printed(seen[-1])[:MOST_LOOKED] if seen else ""
    return Elsewhere(i, tuple(solutions), said, tuple(lost[-MOST_SOLUTIONS:]))
