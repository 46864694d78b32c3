"""When the phases of a run end, and what is kept for its finish (DESIGN.md §5).

A phase ends at its share of the budget, or sooner: whatever is the best so far must still be rehearsed and refitted
on all rows, and that is measured, not a share. Everything here reads a clock, so decisions on it are recorded steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mlestar.ports import Clock
from mlestar.records import Limits, Score, Scored
from mlestar.rules import Rules

RESERVE = 1.5  # times the measured seconds of rehearsal and real run
WHOLE = 1.5  # a run on all rows against one on a fold's training rows: 1 / (0.8 · 0.85)
MOST_WHOLE = 4.0  # more than that is the machine's noise, or a model that no finish can afford
MOST_KEPT = 0.4  # of the budget: what the finish of all branches' best may keep back
LATE = 0.05  # of the budget: what a run that is late may still spend on its finish
JOINING = 0.05  # of the budget: what is left to the ensemble where a long finish ends refinement early
GRACE = 0.1  # of the budget: by how much the finish may be late; other phases a third of it
SHORTEST = 20.0  # seconds: no job is given less
FEWEST_ROWS, ROWS_A_SECOND = 50_000, 500  # of training rows in a fold, by the seconds of the budget


@dataclass
class Pace:
    """What was measured in this sitting.

    `growth` is all training rows by those of a fold, `ratios` are seconds on the real folder by seconds on a fold,
    `best` the best of each branch, which a blend will join, and `blend` the seconds of the chosen one's folds once
    there is one. `handed` is the score of the best that has been run on the real folder.
    """

    growth: float = WHOLE
    ratios: list[float] = field(default_factory=list)
    best: dict[int, Scored] = field(default_factory=dict)
    blend: float = 0.0
    handed: Score | None = None


@dataclass(frozen=True)
class Timetable:
    """The times of one run, in seconds of its own clock; None where it has no budget.

    `sealed`: its finish rehearses on sealed rows before, or beside, the run on the real folder.
    """

    rules: Rules
    clock: Clock
    pace: Pace
    sealed: bool = True

    def rest(self) -> float | None:
        """What is left of the run."""
        return None if self.rules.budget is None else self.rules.budget - self.clock.spent()

    def left(self, phase: str) -> float | None:
        """What is left of a phase."""
        budget = self.rules.budget
        if budget is None:
            return None
        end = budget * getattr(self.rules.ends, phase, 1.0)
        if phase != "finalise":
            joining = 0.0 if phase == "ensemble" else JOINING * budget
            end = min(end, budget - self._kept(budget) - joining)
        return end - self.clock.spent()

    def limits(self, phase: str) -> Limits:
        """The limits of one job of a phase: it outlives that only by a small part of the budget."""
        left, budget, usual = self.left(phase), self.rules.budget, self.rules.limits
        if left is None or budget is None:
            return usual
        grace = max((GRACE if phase == "finalise" else GRACE / 3) * budget, SHORTEST)
        return replace(usual, seconds=min(usual.seconds, max(left, grace)), left=left, grace=grace)

    def finish(self, once: float) -> float:
        """What the finish of scripts takes whose slowest folds took `once` seconds together."""
        return RESERVE * self._whole() * once * self._in_turn()

    def affordable(self, joining: bool = False) -> float | None:
        """How many seconds the slowest folds of the final script's parts may have taken together.

        `joining`: the ensemble's other rounds come before the finish.
        """
        rest, budget = self.rest(), self.rules.budget
        if rest is None or budget is None:
            return None
        return max(rest - JOINING * budget * joining, LATE * budget) / self.finish(1.0)

    def keep_for(self, branch: int, scored: Scored) -> None:
        """Keep what the finish of a branch's best takes. One that no longer fits keeps nothing back."""
        before = self.pace.best.get(branch)
        if scored.score is None or not scored.score.beats(before.score if before else None):
            return
        best, rest = {**self.pace.best, branch: scored}, self.rest()
        if rest is not None and self.finish(_together(best)) <= rest:
            self.pace.best = best

    def keep_for_blend(self, once: float) -> None:
        """The same for the blend that was chosen."""
        self.pace.blend = once

    def _kept(self, budget: float) -> float:
        """What is kept for the finish of the blend, or of all that it may join while that leaves time to search.

        What does not leave that may have to stand alone: then it is what the dearest of them takes.
        """
        if self.pace.blend:
            return self.finish(self.pace.blend)
        alone = max((scored.seconds for scored in self.pace.best.values()), default=0.0)
        return min(self.finish(_together(self.pace.best)), max(self.finish(alone), MOST_KEPT * budget))

    def _whole(self) -> float:
        """What a run on all rows takes against one on a fold's training rows: as measured, else by the rows.

        Where it takes longer after all, there is what has been run on the real folder.
        """
        usual = max(WHOLE, self.pace.growth)
        return max((min(ratio, MOST_WHOLE / WHOLE * usual) for ratio in self.pace.ratios), default=usual)

    def _in_turn(self) -> int:
        """How many runs of the final script follow each other: rehearsal and real run, where they share a slot."""
        return 2 if self.sealed and self.rules.jobs == 1 else 1


def search_rows(asked: int | None, budget: float | None) -> int | None:
    """Most training rows of a fold: as asked, else so many that a budget allows several models of them."""
    if asked is not None or budget is None:
        return asked
    return max(FEWEST_ROWS, int(ROWS_A_SECOND * budget))


def _together(best: dict[int, Scored]) -> float:
    """The seconds of the slowest folds of distinct scripts."""
    return sum({scored.solution.script: scored.seconds for scored in best.values()}.values())
