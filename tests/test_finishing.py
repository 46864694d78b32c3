"""What is handed in when the best of all cannot be finished."""

from mlestar.finishing import others
from mlestar.records import Blend, Score, Scored, Solution

SCORE = Score(0.5, 0.1, "min", (0,), (0.5,))


def scored(address):
    return Scored(Solution(address, "", ""), address, SCORE, None, ())


def names(blend):
    return [found.name for found in others(blend, [scored("a/0"), scored("a/01"), scored("b")])]


def test_a_part_of_a_blend_that_failed_may_stand_alone():
    assert names(Blend("both", "greedy", (("a/01::model", 0.5), ("b::model", 0.5)), SCORE, ())) == ["a/0", "a/01", "b"]


def test_a_single_one_that_failed_is_not_tried_again():
    assert names(Blend("one", "single", (("a/01::submission", 1.0),), SCORE, ())) == ["a/0", "b"]
