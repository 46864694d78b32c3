"""A job reads its assets behind every wall, writes none of them, and sees nothing of them where there are none."""

import sys
from pathlib import Path

import pytest

from mlestar.assets import entries, shelf
from mlestar.assets.adding import add
from mlestar.errors import SettingsError
from mlestar.executors.local import LocalExecutor
from mlestar.records import Job, Limits

WALLS = ["bubblewrap", "landlock", "none"]
WRITES = """
import os, shutil
for act in (
    lambda: open("assets/tiny/deep/w.bin", "w").write("changed"),
    lambda: open("assets/tiny/new", "w").write("new"),
    lambda: open("assets/new", "w").write("new"),
    lambda: os.chmod("assets/tiny/deep/w.bin", 0o777),
    lambda: os.remove("assets/tiny/deep/w.bin"),
    lambda: os.rename("assets/tiny", "assets/mine"),
    lambda: os.rename("assets/tiny/deep", "mine"),
    lambda: os.symlink("/etc", "assets/tiny/etc"),
    lambda: shutil.rmtree("assets/tiny"),
):
    try:
        act()
        print("GOT in")
    except OSError:
        pass
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    model = tmp_path / "model" / "deep"
    model.mkdir(parents=True)
    (model / "w.bin").write_text("weights")
    add(tmp_path / "store", str(tmp_path / "model"), "tiny")
    (tmp_path / "store" / "drafts" / "half").mkdir()
    return tmp_path / "store"


def executor(wall: str, assets: Path | None) -> LocalExecutor:
    try:
        return LocalExecutor(sys.executable, 1, wall, assets)
    except SettingsError as error:
        pytest.skip(str(error))


def job(folder: Path, script: str) -> Job:
    (folder / "view").mkdir(exist_ok=True)
    (folder / "view").chmod(0o755)
    (folder / "view" / "train.csv").write_text("a\n")
    return Job("t", script, str(folder / "view"), str(folder / "job"), Limits(30, 1000, disk_mb=5))


@pytest.mark.parametrize("wall", WALLS)
def test_a_job_reads_its_assets_and_they_are_neither_input_nor_its_own(wall: str, store: Path, tmp_path: Path) -> None:
    script = (
        "import os\nfrom pathlib import Path\nopen('input/train.csv').close()\nopen('mine', 'w').close()\n"
        "print(sorted(os.listdir()), os.listdir('assets'), os.listdir('assets/tiny/deep'))\n"
        "print(open('assets/tiny/deep/w.bin').read(), Path('assets/tiny/deep/w.bin').resolve().read_text())\n"
        "import sqlite3\nos.scandir('assets/tiny').close()"
    )
    outcome = executor(wall, shelf(store)).run(job(tmp_path, script))
    assert (outcome.state, outcome.error) == ("ok", "")
    assert outcome.output.splitlines() == [
        "['assets', 'input', 'mine', 'solution.py', 'tmp'] ['tiny'] ['w.bin']",
        "weights weights",
    ]
    assert (outcome.opened, outcome.files) == (("train.csv",), ("mine",))


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_a_job_cannot_change_them(wall: str, store: Path, tmp_path: Path) -> None:
    outcome = executor(wall, shelf(store)).run(job(tmp_path, WRITES))
    assert (outcome.state, outcome.output, outcome.files) == ("ok", "", ())
    assert [entry.name for entry in entries(store, verify=True)] == ["tiny"]


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_a_job_sees_nothing_else_of_the_store(wall: str, store: Path, tmp_path: Path) -> None:
    script = (
        f"import os\nstore = {str(store)!r}\n"
        "for look, path in [(os.listdir, store), (os.listdir, store + '/drafts'), (os.listdir, 'assets/../drafts'),\n"
        "                   (open, store + '/entries/tiny.json'), (open, 'assets/../entries/tiny.json')]:\n"
        "    try:\n        print('GOT', look(path))\n    except OSError:\n        pass\n"
    )
    assert executor(wall, shelf(store)).run(job(tmp_path, script)).output == ""


@pytest.mark.parametrize("wall", WALLS)
def test_without_assets_there_are_none(wall: str, tmp_path: Path) -> None:
    (tmp_path / "empty" / "ready").mkdir(parents=True)
    (tmp_path / "empty" / "ready" / "stray").touch()
    script = "import os\nprint(sorted(os.listdir()))\nopen('assets', 'w').close()"
    for assets in (None, tmp_path / "nowhere", tmp_path / "empty" / "ready"):
        outcome = executor(wall, assets).run(job(tmp_path, script))
        assert outcome.output == "['input', 'solution.py', 'tmp']\n"
        assert outcome.files == ("assets",)  # its own then


@pytest.mark.parametrize("wall", ["landlock", "none"])
def test_what_takes_their_place_is_the_scripts_own(wall: str, store: Path, tmp_path: Path) -> None:
    script = "import os\nos.remove('assets')\nos.mkdir('assets')\nopen('assets/mine', 'w').close()"
    outcome = executor(wall, shelf(store)).run(job(tmp_path, script))
    assert outcome.files == ("assets/mine",)
    assert [entry.name for entry in entries(store, verify=True)] == ["tiny"]


def test_large_assets_do_not_count_as_written(store: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(20 * 2**20))
    add(store, str(tmp_path / "large"), "large")
    for wall in WALLS:
        outcome = executor(wall, shelf(store)).run(job(tmp_path, "import time; time.sleep(0.5)"))
        assert outcome.state == "ok", (wall, outcome)


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_a_run_among_the_assets_is_refused(wall: str, store: Path, tmp_path: Path) -> None:
    inside = job(shelf(store) / "tiny", "")
    with pytest.raises(SettingsError, match="--out"):
        executor(wall, shelf(store)).run(inside)
