"""The executor on a cluster; run by tests/test_cluster.py within the cluster's network, so its name is no test's."""

import os
import shutil
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from mlestar import records
from mlestar.errors import SettingsError, Unreachable
from mlestar.executors.ray import executor as ray_executor
from mlestar.executors.ray import parcels
from mlestar.executors.ray.executor import Needs, RayExecutor
from mlestar.records import Job, Limits
from mlestar.testing.executor import ExecutorContract, wait_until

NEEDS = Needs(gpus=1.0, memory_mb=200, resources={})
WAIT = "import time\nopen('up', 'w').close()\ntime.sleep(60)"


@cache
def shared(slots: int) -> RayExecutor:
    return RayExecutor("", slots, NEEDS, shared=True)


@cache
def shipped() -> RayExecutor:
    return RayExecutor("", 2, NEEDS)


class TestShared(ExecutorContract):
    """All that an executor promises, where every node sees the run's folder."""

    def make(self, slots: int = 1) -> RayExecutor:
        return shared(slots)

    def test_stop_ends_running_and_waiting_jobs(self, tmp_path):
        shared.cache_clear()  # a stop is final
        super().test_stop_ends_running_and_waiting_jobs(tmp_path)
        shared.cache_clear()


class TestShipped(ExecutorContract):
    """The same where views and files travel, but for what looks into the folder of a job that runs."""

    def make(self, slots: int = 1) -> RayExecutor:
        return shipped()

    test_jobs_run_side_by_side_up_to_the_slots = None
    test_stop_ends_running_and_waiting_jobs = None
    test_nothing_outlives_the_job = None
    test_the_folder_is_fresh_each_time = None


def job(folder: Path, script: str, **given) -> Job:
    view = folder / "view"
    view.mkdir(exist_ok=True)
    (view / "train.csv").write_text("a,b\n1,2\n")
    limits = {"seconds": 20.0, "memory_mb": 500, "disk_mb": 50} | given.pop("limits", {})
    return Job(given.pop("address", "test"), script, str(view), str(folder / "job"), Limits(**limits), **given)


def at(name: str) -> RayExecutor:
    """Jobs that only one node can take."""
    return RayExecutor("", 2, Needs(1.0, 200, {name: 1}))


def test_a_view_is_shipped_once_to_each_node(tmp_path):
    where = "import os\nprint(os.stat('input/train.csv').st_ino)"
    for executor in (big := at("big"), small := at("small")):
        assert len({executor.run(job(tmp_path, where)).output for _ in range(3)}) == 1
    assert big.run(job(tmp_path, where)).output != small.run(job(tmp_path, where)).output
    assert big.run(job(tmp_path, where)).node != small.run(job(tmp_path, where)).node


def test_all_files_come_back_however_many(tmp_path):
    script = (
        "import os\nfor i in range(300):\n    open(f'a{i}', 'w').close()\nos.mkdir('deep')\n"
        "open('deep/x', 'w').write('y')\nopen('submission.csv', 'w').write('last')\nopen('odd  name\\n', 'w').close()"
    )
    assert shipped().run(job(tmp_path, script)).ok
    left = tmp_path / "job"
    assert (left / "deep" / "x").read_text() == "y"
    assert (left / "submission.csv").read_text() == "last"
    assert (left / "a299").exists()
    assert (left / "odd  name\n").exists()


def test_large_files_come_back_whole(tmp_path):
    size = 2 * parcels.BATCH + 5
    done = shipped().run(job(tmp_path, f"open('big', 'wb').write(b'b' * {size})", limits={"disk_mb": 200}))
    assert done.ok, done
    assert (tmp_path / "job" / "big").stat().st_size == size


def test_a_job_sees_the_graphics_processors_that_ray_gave_it(tmp_path):
    shown = "import os\nprint(os.environ.get('CUDA_VISIBLE_DEVICES'))\n"
    assert at("big").run(job(tmp_path, shown)).output == "-1\n"
    with_torch = shown + "try:\n    import torch\nexcept ImportError:\n    pass\n"
    assert at("big").run(job(tmp_path, with_torch)).output in ("0\n", "1\n")


def test_links_do_not_come_back(tmp_path):
    (tmp_path / "secret").write_text("key")
    script = (
        f"import os\nos.symlink({str(tmp_path / 'secret')!r}, 'link')\nos.mkfifo('pipe')\nopen('real', 'w').close()"
    )
    assert shipped().run(job(tmp_path, script)).ok
    left = [path.name for path in (tmp_path / "job").iterdir() if path.is_symlink() or not path.is_dir()]
    assert sorted(left) == ["real", "solution.py"]


def test_where_a_job_ran_is_told_and_its_memory_is_learned(tmp_path):
    script = "kept = bytearray(os.urandom(1000)) * 100_000".join(["import os\n", "\n"])
    outcome = shipped().run(job(tmp_path, script))
    assert outcome.node
    assert outcome.peak_mb > 100
    again = job(tmp_path, script)
    assert outcome.peak_mb < shipped()._memory(again) < 500
    assert shipped()._memory(job(tmp_path, "pass")) == 200


def test_models_are_kept_and_found_again(tmp_path):
    script = (
        "import numpy as np\nfrom sklearn.linear_model import Ridge\n"
        "X = np.arange(400.0).reshape(200, 2) ** 0.5\nprint(Ridge().fit(X, X.sum(axis=1)).predict(X[:1]))\n"
    )
    kept = tmp_path / "models"
    first = shipped().run(job(tmp_path, script, keep=str(kept)))
    assert first.fits
    assert first.fits.kept == 1, first
    assert any(kept.iterdir())
    second = shipped().run(job(tmp_path, script, models=str(kept)))
    assert second.fits
    assert (second.fits.taken, second.output) == (1, first.output)


def test_assets_travel(tmp_path):
    (tmp_path / "assets" / "net").mkdir(parents=True)
    (tmp_path / "assets" / "net" / "weights.bin").write_bytes(b"w" * (parcels.BATCH + 5))
    executor = RayExecutor("", 1, NEEDS, assets=tmp_path / "assets")
    outcome = executor.run(job(tmp_path, "print(len(open('assets/net/weights.bin').read()))"))
    assert outcome.output == f"{parcels.BATCH + 5}\n"


def test_what_no_node_has_is_refused_with_what_was_asked_for(tmp_path):
    with pytest.raises(SettingsError, match="huge 1"):
        at("huge").run(job(tmp_path, "pass"))


def test_a_job_that_waits_for_a_place_ends_when_its_time_is_up(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "AT_ONCE", 1.0)
    monkeypatch.setattr(ray_executor, "_ROAD", 0.5)
    mark, (full, free) = f"full-{os.getpid()}", (tmp_path / "full", tmp_path / "free")
    for folder in (full, free):
        folder.mkdir()
    occupant, executor = at("small"), at("small")  # that node has one place
    ended: list = []
    jobs = [threading.Thread(target=lambda: occupant.run(job(full, f"# {mark}\n{WAIT}")))]
    jobs[0].start()
    wait_until(lambda: sandboxes(mark))
    late = executor.run(job(free, "pass", limits={"left": 1.0, "grace": 2.0}))
    assert (late.state, late.seconds) == ("late", 0.0)
    assert "the time was up" in late.error

    never = job(free, f"# {mark}-2\nimport time\ntime.sleep(50)", limits={"seconds": 60.0, "left": 15.0, "grace": 1.0})
    jobs.append(threading.Thread(target=lambda: ended.append(executor.run(never))))
    jobs[1].start()
    occupant.stop()
    wait_until(lambda: sandboxes(f"{mark}-2"), 14)
    jobs[1].join(30)
    assert ended[0].state == "late", "what it waited is not given to it once more"
    wait_until(lambda: not sandboxes(mark), 10)
    assert executor.run(job(free, "pass")).ok
    jobs[0].join()


def test_stop_ends_what_runs_and_leaves_no_process(tmp_path):
    executor = RayExecutor("", 2, NEEDS)
    mark = f"mark-{os.getpid()}"
    jobs = threading.Thread(target=lambda: ended.append(executor.run(job(tmp_path, f"# {mark}\n{WAIT}"))))
    ended: list = []
    jobs.start()
    wait_until(lambda: sandboxes(mark))
    executor.stop()
    jobs.join(10)
    assert ended[0].state == "stopped"
    assert executor.run(job(tmp_path, "pass")).state == "stopped"
    wait_until(lambda: not sandboxes(mark), 10)


def test_a_lost_worker_means_that_the_job_runs_again(tmp_path):
    mark = "lost-worker"
    ended: list = []
    it = job(tmp_path, f"# {mark}\nimport time\ntime.sleep(1.5)\nprint('done')")
    run = threading.Thread(target=lambda: ended.append(shipped().run(it)))
    run.start()
    wait_until(lambda: sandboxes(mark))
    import psutil

    victim = psutil.Process(sandboxes(mark)[0])
    while "ray::" not in " ".join(victim.cmdline()):
        victim = victim.parent()
    victim.kill()
    run.join(30)
    assert (ended[0].state, ended[0].output) == ("ok", "done\n")
    wait_until(lambda: not sandboxes(mark), 10)


def test_what_makes_a_node_unfit_is_said_when_none_is_left(tmp_path):
    executor = RayExecutor("", 1, NEEDS, shared=True)
    lost = job(tmp_path, "pass")
    shutil.rmtree(tmp_path / "view")
    with pytest.raises(FileNotFoundError):
        executor.run(lost)
    executor._named = "/nowhere/python"
    with pytest.raises(Unreachable, match="/nowhere/python"):
        executor.run(job(tmp_path, "pass"))


class Slow(RayExecutor):
    """Wherever a job runs, the other nodes are ten times as fast."""

    tried: tuple[str, ...] = ()

    def _once(self, *given):
        reply = super()._once(*given)
        self.tried += (reply.node,)
        here = {name: 1.0 if name == reply.node else 10.0 for name in self._nodes}
        self._nodes = {name: replace(facts, speed=here[name]) for name, facts in self._nodes.items()}
        return reply


@pytest.mark.parametrize(("threads", "tries"), [(1, 2), (3, 1)])
def test_a_script_that_ran_out_of_time_on_a_slow_node_gets_a_faster_one_that_can_take_it(tmp_path, threads, tries):
    executor = Slow("", 1, Needs(0, 200, {}))
    late = job(tmp_path, "import time\ntime.sleep(9)", limits={"seconds": 0.3, "threads": threads})
    assert executor.run(late).state == "timeout"
    assert len(executor.tried) == len(set(executor.tried)) == tries


def test_what_is_left_on_the_nodes_is_taken_away(tmp_path):
    executor = RayExecutor("", 1, NEEDS)
    assert executor.run(job(tmp_path, "pass")).ok
    left = list(Path(os.environ["NODES"]).glob(f"*/mle-star-{os.geteuid()}/{executor._run}"))
    assert left
    executor.close()
    assert not any(path.exists() for path in left)
    executor.close()


def sandboxes(mark: str) -> list[int]:
    """Processes of jobs whose script holds the mark."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = process.info["cmdline"] or []
        if "solution.py" in line and mark in script_of(process):
            found.append(process.info["pid"])
    return found


def script_of(process) -> str:
    try:
        return Path(f"/proc/{process.pid}/cwd/solution.py").read_text()
    except OSError:
        return ""
