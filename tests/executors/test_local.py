"""The local executor: the contract, and what only it promises."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mlestar.errors import SettingsError
from mlestar.executors.local import LocalExecutor
from mlestar.executors.watchdog import folder_bytes
from mlestar.records import Limits
from mlestar.testing.executor import ExecutorContract, wait_until


class OnThisMachine(ExecutorContract):
    """What only the local executor promises; the classes below run it behind each wall."""

    wall = "auto"

    def make(self, slots: int = 1) -> LocalExecutor:
        try:
            return LocalExecutor(sys.executable, slots, self.wall)
        except SettingsError as error:
            pytest.skip(str(error))

    def test_a_timeout_says_where_it_was(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "def spin():\n    while True:\n        pass\n\nspin()", seconds=0.3)
        assert 'File "solution.py", line' in outcome.error
        assert "in spin" in outcome.error
        assert "prelude.py" not in outcome.error

    def test_a_native_crash_says_where_it_was(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "import ctypes\nctypes.string_at(0)")
        assert outcome.state == "signal"
        assert "SIGSEGV" in outcome.error
        assert 'File "solution.py", line 2' in outcome.error

    def test_memory_error_of_python_is_memory(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "raise MemoryError('50 GB')")
        assert outcome.state == "memory"
        assert "50 GB" in outcome.error

    def test_the_same_failure_reads_the_same(self, tmp_path: Path) -> None:
        script = "import numpy\nnumpy.zeros(3).reshape(2)"
        first, second = (self.run(tmp_path / name, script) for name in _folders(tmp_path, "a", "b"))
        assert first.error == second.error

    def test_a_child_that_drops_its_environment_is_ended(self, tmp_path: Path) -> None:
        script = (
            "import subprocess, sys, time\n"
            f"code = 'import os, time; os.setsid(); time.sleep(60)  # {tmp_path}'\n"
            "subprocess.Popen([sys.executable, '-c', code], env={})\ntime.sleep(0.5)"
        )
        assert self.run(tmp_path, script).state == "ok"
        assert not _alive(str(tmp_path))

    def test_an_orphan_without_mark_and_parent_is_ended(self, tmp_path: Path) -> None:
        script = (
            "import subprocess, sys, time\n"
            "code = 'import os, time; os.setpgid(0, 0); os.fork() and os._exit(0); "
            f"time.sleep(60)  # {tmp_path}'\n"
            "subprocess.run([sys.executable, '-c', code], env={})\ntime.sleep(0.5)"
        )
        assert self.run(tmp_path, script).state == "ok"
        assert not _alive(str(tmp_path))

    def test_a_view_that_is_not_there_is_our_mistake(self, tmp_path: Path) -> None:
        job = self.job(tmp_path, "")
        (tmp_path / "view" / "train.csv").unlink()
        (tmp_path / "view").rmdir()
        with pytest.raises(FileNotFoundError):
            self.make().run(job)

    def test_nothing_grows(self, tmp_path: Path) -> None:
        executor, me = self.make(), psutil.Process()
        executor.run(self.job(tmp_path, "print(1)"))
        before, memory = (me.num_fds(), me.num_threads(), _groups()), me.memory_info().rss
        for _ in range(15):
            executor.run(self.job(tmp_path, "print(1)"))
        assert (me.num_fds(), me.num_threads(), _groups()) == before
        assert me.children() == []
        assert me.memory_info().rss < memory + 5_000_000
        assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "view"]

    def test_an_outcome_has_no_control_characters(self, tmp_path: Path) -> None:
        outcome = self.run(
            tmp_path, r"print('\x1b[31mred\x1b[0m \x07\x00 10%\r 50%\r100%'); raise ValueError('\x1b]0;t\x07')"
        )
        assert outcome.output.startswith("100%\n")
        assert not any(ord(c) < 32 and c != "\n" for c in outcome.output + outcome.error)


class TestBubblewrap(OnThisMachine):
    wall = "bubblewrap"


class TestLandlock(OnThisMachine):
    wall = "landlock"


class TestNoWall(OnThisMachine):
    wall = "none"


def _groups() -> list[Path]:
    """Control groups of this process's; those of others come and go meanwhile."""
    mine = f"mle-star-{os.getpid()}-"
    return sorted(
        Path(at, name) for at, names, _ in os.walk("/sys/fs/cgroup") for name in names if name.startswith(mine)
    )


def _folders(parent: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (parent / name).mkdir()
    return names


def _alive(word: str) -> bool:
    """Whether a process lives on this machine with `word` in its command line."""
    return any(word in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))


def test_an_unknown_interpreter_is_refused() -> None:
    with pytest.raises(SettingsError, match="no-such-python"):
        LocalExecutor("no-such-python", 1)


@pytest.mark.parametrize("wall", ["auto", "landlock", "none"])
def test_a_job_dies_with_its_driver(tmp_path: Path, wall: str) -> None:
    (tmp_path / "view").mkdir()
    word = f"seven-{wall}-{os.getpid()}"  # put together by the script, so that only its child's command line holds it
    script = (
        "import sys, subprocess\n"
        f"subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)  # ' + 'seven' + '-{wall}-{os.getpid()}'])"
    )
    code = (
        "import sys; from mlestar.executors.local import LocalExecutor; from mlestar.records import Job, Limits\n"
        f"LocalExecutor(sys.executable, 1, {wall!r}).run(Job('a', {script!r}, {str(tmp_path / 'view')!r}, "
        f"{str(tmp_path / 'job')!r}, {Limits(60, 500)!r}))"
    )
    driver = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: _alive(word))
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    wait_until(lambda: not _alive(word), 30)


def test_folder_bytes_counts_empty_files_and_no_link_targets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "empty").touch()
    (tmp_path / "a" / "ten").write_bytes(bytes(10_000))
    (tmp_path / "a" / "out").symlink_to("/usr", target_is_directory=True)
    assert folder_bytes(tmp_path / "a", 10**9) == 10_000 + 2 * 4096
