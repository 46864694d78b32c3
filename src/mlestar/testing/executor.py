"""What every executor promises, as tests: subclass, give `make`, and run it with pytest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from mlestar import plain
from mlestar.ports import Executor
from mlestar.records import Job, Limits, Outcome

LIMITS = Limits(seconds=20, memory_mb=1000, processes=16, disk_mb=50, output_kb=200)


class Patch(Protocol):
    """The part of pytest's monkeypatch that is used here."""

    def setenv(self, name: str, value: str) -> None: ...


class ExecutorContract:
    """Scripts that end in every way there is. Each test gets a fresh folder from pytest's `tmp_path`."""

    def make(self, slots: int = 1) -> Executor:
        """A new executor with `slots` places."""
        raise NotImplementedError

    def job(self, folder: Path, script: str, **limits: Any) -> Job:
        view = folder / "view"
        view.mkdir(exist_ok=True)
        (view / "train.csv").write_text("a,b\n1,2\n")
        return Job("test", script, str(view), str(folder / "job"), replace(LIMITS, **limits))

    def run(self, folder: Path, script: str, **limits: Any) -> Outcome:
        return self.make().run(self.job(folder, script, **limits))

    def test_a_script_reads_its_input_and_leaves_its_files(self, tmp_path: Path) -> None:
        script = "text = open('input/train.csv').read()\nopen('submission.csv', 'w').write(text)\nprint('done', 1)"
        outcome = self.run(tmp_path, script)
        assert (outcome.state, outcome.output, outcome.error) == ("ok", "done 1\n", "")
        assert (outcome.opened, outcome.files) == (("train.csv",), ("submission.csv",))
        assert (tmp_path / "job" / "submission.csv").read_text() == "a,b\n1,2\n"
        assert outcome.seconds > 0
        assert outcome.peak_mb > 1

    def test_the_folder_is_fresh_each_time(self, tmp_path: Path) -> None:
        self.run(tmp_path, "open('left', 'w').close()")
        outcome = self.run(tmp_path, "import os; print(sorted(os.listdir()))")
        assert outcome.output == "['input', 'solution.py', 'tmp']\n"

    def test_an_exception_comes_with_its_traceback(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "print('before')\ndef work():\n    return 1 / 0\n\nwork()\n")
        assert outcome.state == "exception"
        assert outcome.error.startswith('Traceback (most recent call last):\n  File "solution.py", line 5, in <module>')
        assert outcome.error.endswith("ZeroDivisionError: division by zero\n")
        assert "before" in outcome.output

    def test_exit_statuses(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, "raise SystemExit(0)").state == "ok"
        outcome = self.run(tmp_path, "import sys; sys.exit('no data')")
        assert outcome.state == "exception"
        assert "no data" in outcome.error

    def test_a_signal_is_named(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
        assert outcome.state == "signal"
        assert "SIGTERM" in outcome.error

    def test_a_timeout_keeps_what_was_printed(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "print('fold 1: 0.5')\nwhile True:\n    pass", seconds=0.5)
        assert (outcome.state, outcome.output) == ("timeout", "fold 1: 0.5\n")
        assert 0.5 <= outcome.seconds < 2.5

    def test_memory_is_bounded(self, tmp_path: Path) -> None:
        script = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(10_000_000))\n    time.sleep(0.002)"
        assert self.run(tmp_path, script, memory_mb=200).state == "memory"

    def test_memory_of_children_counts(self, tmp_path: Path) -> None:
        script = (
            "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n"
            "        kept = bytearray(os.urandom(1000)) * 100_000\n        time.sleep(60)\ntime.sleep(60)"
        )
        assert self.run(tmp_path, script, memory_mb=200).state == "memory"

    def test_an_endless_printer_is_ended(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path, "print('first')\nwhile True:\n    print('x' * 500)")
        assert outcome.state == "output"
        assert outcome.output.startswith("first\n")
        assert len(outcome.output) < 300 * 1024

    def test_one_big_file(self, tmp_path: Path) -> None:
        script = "with open('big', 'wb') as file:\n    while True:\n        file.write(bytes(1_000_000))"
        assert self.run(tmp_path, script, disk_mb=5).state == "disk"

    def test_many_small_files(self, tmp_path: Path) -> None:
        script = "i = 0\nwhile True:\n    i += 1\n    open(f'f{i}', 'w').close()"
        assert self.run(tmp_path, script, disk_mb=5).state == "disk"

    def test_many_processes(self, tmp_path: Path) -> None:
        script = "import os, time\nfor _ in range(60):\n    if os.fork() == 0:\n        time.sleep(60)\ntime.sleep(60)"
        assert self.run(tmp_path, script).state == "processes"

    def test_nothing_outlives_the_job(self, tmp_path: Path) -> None:
        daemon = (
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
            "        open('up', 'w').close()\n        while True:\n"
            "            open('pulse', 'a').write('.')\n            time.sleep(0.01)\n    os._exit(0)\n"
            "while not os.path.exists('up'):\n    time.sleep(0.01)"
        )
        executor = self.make()
        assert executor.run(self.job(tmp_path, daemon)).state == "ok"
        pulse = tmp_path / "job" / "pulse"
        before = pulse.stat().st_size if pulse.exists() else 0
        threading.Event().wait(0.3)
        assert (pulse.stat().st_size if pulse.exists() else 0) == before

    def test_the_environment_is_clean(self, tmp_path: Path, monkeypatch: Patch) -> None:
        monkeypatch.setenv("API_KEY", "a-secret")
        outcome = self.run(tmp_path, "import os; print(dict(os.environ))", threads=3)
        assert "a-secret" not in outcome.output
        assert "'OMP_NUM_THREADS': '3'" in outcome.output
        assert "'GOMP_SPINCOUNT'" in outcome.output, "threads that spin keep others from their turn"

    def test_jobs_run_side_by_side_up_to_the_slots(self, tmp_path: Path) -> None:
        script = "import os, time\nopen('up', 'w').close()\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"
        jobs = [replace(self.job(tmp_path, script), folder=str(tmp_path / f"job-{place}")) for place in range(3)]
        executor = self.make(slots=2)
        with ThreadPoolExecutor(3) as pool:
            outcomes = [pool.submit(executor.run, job) for job in jobs]
            wait_until(lambda: sum(Path(job.folder, "up").exists() for job in jobs) == 2)
            first = [job for job in jobs if Path(job.folder, "up").exists()]
            for job in first:
                Path(job.folder, "go").touch()
            wait_until(lambda: all(Path(job.folder, "up").exists() for job in jobs))
            for job in jobs:
                Path(job.folder, "go").touch()
            assert [future.result(timeout=20).state for future in outcomes] == ["ok"] * 3

    def test_stop_ends_running_and_waiting_jobs(self, tmp_path: Path) -> None:
        job = self.job(tmp_path, "import time\nopen('up', 'w').close()\ntime.sleep(60)")
        jobs = [replace(job, folder=f"{job.folder}-{number}") for number in range(2)]
        executor = self.make(slots=1)
        with ThreadPoolExecutor(2) as pool:
            outcomes = [pool.submit(executor.run, job) for job in jobs]
            wait_until(lambda: any(Path(job.folder, "up").exists() for job in jobs))
            executor.stop()
            executor.stop()
            assert [future.result(timeout=5).state for future in outcomes] == ["stopped", "stopped"]

    def test_what_it_leaves_can_be_taken_away(self, tmp_path: Path) -> None:
        script = (
            "import os\nos.mkdir('locked')\nopen('locked/x', 'w').close()\nos.chmod('locked', 0)\n"
            "for _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"
        )
        job = self.job(tmp_path, script, disk_mb=200)
        assert self.make().run(job).state == "disk", "folders too deep to be looked at are too much"
        plain.remove(Path(job.folder))
        assert not Path(job.folder).exists()

    def test_what_is_locked_or_named_like_ours_can_be_taken_away_too(self, tmp_path: Path) -> None:
        for script in (
            "import os\nos.makedirs('tmp/.1.removing/x')\nos.makedirs('tmp/a/b')\nos.makedirs('tmp/b/c')",
            "import os\nos.makedirs('tmp/a/b/c')\nos.chmod('tmp/a/b', 0)",
            "import os\nopen('x', 'w').close()\nos.chmod('.', 0)",
        ):
            job = self.job(tmp_path, script)
            assert self.make().run(job).state in ("ok", "disk")
            plain.remove(Path(job.folder))
            assert not Path(job.folder).exists()


def wait_until(ready: Callable[[], bool], seconds: float = 120) -> None:
    """Look again and again; AssertionError when it takes too long."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
