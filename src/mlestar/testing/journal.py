"""What every journal must do. Subclass, and say how to open one:

    class TestMine(JournalContract):
        @contextmanager
        def opened(self, run: Path) -> Iterator[Journal]: ...

`opened` is called several times with one folder: the first call begins the run, later ones take it up.
"""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from mlestar.errors import Interrupted, RunError, StaleStep, StepError, TaskError
from mlestar.ports import Journal
from mlestar.records import Outcome, Score

SCORE = Score(0.5, None, "max", (0, 1), (0.25, 0.75))


class Plays:
    """A play that counts how often it was paid for, and fails with `error` until it is None."""

    def __init__(self, answer: Any = None, error: BaseException | None = None) -> None:
        self.answer, self.error, self.count = answer, error, 0

    def __call__(self) -> Any:
        self.count += 1
        if self.error is not None:
            raise self.error
        return self.answer


class JournalContract:
    """Begin, return if known, play, store."""

    def opened(self, run: Path) -> AbstractContextManager[Journal]:
        """A journal in `run`: begun the first time, taken up after that."""
        raise NotImplementedError

    def test_a_step_is_paid_once_even_over_sittings(self, tmp_path: Path) -> None:
        play = Plays(SCORE)
        for _ in range(2):
            with self.opened(tmp_path / "run") as journal:
                assert [journal.step("a/1", "judge", (1, "x"), Score, play) for _ in range(2)] == [SCORE, SCORE]
        assert play.count == 1

    def test_the_first_answer_equals_the_replayed_one(self, tmp_path: Path) -> None:
        opened: Any = ["train.csv"]  # a list and an int, where the record says tuple and float
        loose = Plays(Outcome("ok", 1, opened=opened))
        answers = []
        for _ in range(2):
            with self.opened(tmp_path / "run") as journal:
                answers.append(journal.step("a", "execute", {}, Outcome, loose))
        assert answers[0] == answers[1] == Outcome("ok", 1.0, opened=("train.csv",))
        assert isinstance(answers[0].seconds, float)

    def test_other_inputs_are_refused(self, tmp_path: Path) -> None:
        play = Plays(1)
        with self.opened(tmp_path / "run") as journal:
            journal.step("a", "decide", {"rows": 1}, int, play)
            with pytest.raises(StaleStep, match="'a'"):
                journal.step("a", "decide", {"rows": 2}, int, play)
        assert play.count == 1

    def test_a_mistake_of_ours_names_its_step_and_is_played_again(self, tmp_path: Path) -> None:
        play = Plays(7, error=ZeroDivisionError("oh"))
        with self.opened(tmp_path / "run") as journal, pytest.raises(StepError, match=r"'a/b'.*ZeroDivisionError: oh"):
            journal.step("a/b", "decide", None, int, play)
        play.error = None
        with self.opened(tmp_path / "run") as journal:
            assert journal.step("a/b", "decide", None, int, play) == 7

    @pytest.mark.parametrize("error", [Interrupted("stop"), TaskError("broken"), KeyboardInterrupt()])
    def test_what_is_for_the_user_passes_and_leaves_no_step(self, tmp_path: Path, error: BaseException) -> None:
        with self.opened(tmp_path / "run") as journal:
            with pytest.raises(type(error)):
                journal.step("a", "decide", 1, int, Plays(error=error))
            assert journal.step("a", "decide", "other inputs", int, Plays(3)) == 3

    def test_a_full_disk_is_for_the_user_and_the_step_is_played_again(self, tmp_path: Path) -> None:
        play = Plays(4, error=OSError(errno.ENOSPC, "No space left on device"))
        with self.opened(tmp_path / "run") as journal:
            with pytest.raises(RunError, match=r"the disk is full.*resume"):
                journal.step("a", "execute", 1, int, play)
            play.error = None
            assert journal.step("a", "execute", "other inputs", int, play) == 4

    def test_an_answer_of_another_type_is_a_mistake_of_ours(self, tmp_path: Path) -> None:
        with self.opened(tmp_path / "run") as journal, pytest.raises(StepError):
            journal.step("a", "judge", None, Score, Plays("not a score"))

    def test_two_threads_at_one_address_pay_once(self, tmp_path: Path) -> None:
        play, start, answers = Plays(5), Barrier(8), []
        with self.opened(tmp_path / "run") as journal:

            def ask() -> None:
                start.wait()
                answers.append(journal.step("a", "decide", None, int, play))

            threads = [Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert answers == [5] * 8
        assert play.count == 1

    def test_blobs_come_back_and_are_named_by_content(self, tmp_path: Path) -> None:
        with self.opened(tmp_path / "run") as journal:
            names = [journal.save(data) for data in (b"", b"one", b"one")]
            assert names[1] == names[2] != names[0]
        with self.opened(tmp_path / "run") as journal:
            assert journal.load(names[1]) == b"one"
            with pytest.raises(RunError):
                journal.load("sha256:" + "0" * 64)
