"""When phases end: by their share of the budget, or by what the finish of the best so far takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from mlestar.records import Breadths, FoldResult, Judged, Limits, Outcome, Score, Scored, Solution
from mlestar.rules import Ends, Rules
from mlestar.timing import RESERVE, WHOLE, Pace, Timetable, search_rows

BUDGET = 600.0
LIMITS, ENDS = Limits(600.0, 8192, 64, 2048, 1024), Ends(0.25, 0.85, 0.95)
RULES = Rules(Breadths(4, 2, 4, 4, 5, 2, 1), 0, 2, LIMITS, BUDGET, 3, 0.75, 0.1, 12, 3, ENDS)


@dataclass
class Clock:
    seconds: float = 0.0

    def spent(self) -> float:
        return self.seconds


def table(spent: float = 0.0, **rules: object) -> Timetable:
    return Timetable(replace(RULES, **rules), Clock(spent), Pace())  # type: ignore[arg-type]


def scored(value: float, seconds: float, script: str = "") -> Scored:
    score = Score(value, None, "min", (0,), (value,))
    results = (FoldResult(0, Outcome("ok", seconds), Judged(None, value, 10)),)
    return Scored(Solution("a model", script or f"script {value}", ""), "", score, None, results)


def test_phases_end_at_their_shares_while_the_finish_is_short() -> None:
    times = table()
    times.keep_for(0, scored(0.5, 1.0))
    assert [times.left(phase) for phase in ("init", "refine", "ensemble", "finalise")] == [150.0, 510.0, 570.0, 600.0]


def test_the_best_of_each_branch_ends_refinement_and_the_ensemble_earlier() -> None:
    times = table()
    times.keep_for(0, scored(0.5, 60.0))
    times.keep_for(0, scored(0.6, 1.0))  # not better
    times.keep_for(1, scored(0.5, 60.0))  # the same script
    times.keep_for(2, scored(0.4, 40.0))
    assert times.left("refine") == BUDGET - 225.0 - 30.0
    assert times.left("ensemble") == BUDGET - 225.0
    assert times.left("finalise") == BUDGET
    times.keep_for_blend(80.0)
    assert times.left("ensemble") == BUDGET - 180.0


def test_the_finish_is_what_was_measured_on_the_real_folder() -> None:
    times = table()
    assert times.finish(10.0) == pytest.approx(10.0 * WHOLE * RESERVE)
    times.pace.ratios.extend([2.0, 99.0])  # the second is noise
    assert times.finish(10.0) == pytest.approx(10.0 * 4.0 * RESERVE)
    assert table(jobs=1).finish(10.0) == pytest.approx(2 * 10.0 * WHOLE * RESERVE)


def test_one_measured_run_tells_more_than_the_number_of_rows() -> None:
    times = table()
    times.pace.ratios.append(1.1)
    assert times.finish(10.0) == pytest.approx(10.0 * 1.1 * RESERVE)


def test_the_finish_of_all_bests_does_not_end_the_search_where_each_can_be_finished_alone() -> None:
    times = table()
    times.keep_for(0, scored(0.5, 100.0))
    times.keep_for(1, scored(0.4, 90.0))  # 427 s together, 225 s the dearest, 40 % of the budget are 240 s
    assert times.left("refine") == BUDGET - 240.0 - 30.0
    times.keep_for_blend(190.0)
    assert times.left("ensemble") == pytest.approx(BUDGET - 427.5)


def test_the_finish_on_one_slot_is_shorter_where_nothing_is_rehearsed() -> None:
    times = replace(table(jobs=1), sealed=False)
    assert times.finish(10.0) == pytest.approx(10.0 * WHOLE * RESERVE)


def test_the_finish_trains_on_all_rows_where_folds_hold_a_part_of_them() -> None:
    times = Timetable(RULES, Clock(), Pace(growth=6.0))
    assert times.finish(10.0) == pytest.approx(10.0 * 6.0 * RESERVE)
    times.pace.ratios.append(7.0)
    assert times.finish(10.0) == pytest.approx(10.0 * 7.0 * RESERVE)


def test_a_budget_bounds_the_rows_that_are_searched_on() -> None:
    assert search_rows(None, None) is None
    assert search_rows(70, 600.0) == 70
    assert search_rows(None, 60.0) == 50_000
    assert search_rows(None, 600.0) == 300_000


def test_what_can_no_longer_be_finished_keeps_nothing_back() -> None:
    times = table(spent=500.0)
    times.keep_for(0, scored(0.5, 10.0))
    times.keep_for(0, scored(0.4, 60.0))  # 135 s, and 100 s are left
    assert times.pace.best[0].seconds == 10.0


def test_the_ensemble_chooses_what_the_finish_can_afford_after_its_rounds() -> None:
    times = table(spent=375.0)
    assert times.affordable() == pytest.approx(225.0 / (WHOLE * RESERVE))
    assert times.affordable(joining=True) == pytest.approx(195.0 / (WHOLE * RESERVE))
    assert table(spent=9_999.0).affordable() == pytest.approx(30.0 / (WHOLE * RESERVE))  # late: a twentieth


def test_a_job_may_outlive_its_phase_a_little() -> None:
    assert table(spent=0.0).limits("refine").seconds == 510.0
    assert table(spent=505.0).limits("refine").seconds == 20.0
    assert table(spent=595.0).limits("finalise").seconds == 60.0


def test_without_a_budget_nothing_ends() -> None:
    times = table(budget=None)
    times.keep_for(0, scored(0.5, 1e9))
    assert times.left("refine") is times.rest() is times.affordable() is None
    assert times.limits("refine").seconds == 600.0
