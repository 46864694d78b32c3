"""Choosing a wall, and what lies inside it."""

import os
import struct
import sys
import venv
from pathlib import Path

import pytest

from mlestar.errors import RunError, SettingsError
from mlestar.executors import walls
from mlestar.executors.local import LocalExecutor
from mlestar.executors.service import Service, SilentError
from mlestar.executors.walls import filters
from mlestar.executors.walls.interpreter import ask
from mlestar.records import Job, Limits


def run(executor: LocalExecutor, folder: Path, script: str):
    (folder / "view").mkdir(exist_ok=True)
    (folder / "view").chmod(0o755)
    return executor.run(Job("t", script, str(folder / "view"), str(folder / "job"), Limits(30, 1000)))


def test_the_strongest_wall_that_works_is_chosen_and_says_how_it_is_made(monkeypatch, tmp_path):
    interpreter = ask(sys.executable)
    best = walls.choose(interpreter, ())
    assert best.name == "bubblewrap", best.about
    assert best.about.startswith("bubblewrap ")
    monkeypatch.setenv("PATH", str(_tools(tmp_path / "some", "unshare", "setpriv", "sh")))
    second = walls.choose(interpreter, ())
    assert second.name == "landlock"
    assert "apt install bubblewrap" in second.about
    monkeypatch.setenv("PATH", str(_tools(tmp_path / "none")))
    last = walls.choose(interpreter, ())
    assert last.name == "none"
    assert "apt install bubblewrap" in last.about
    with pytest.raises(SettingsError, match="apt install bubblewrap"):
        walls.choose(interpreter, (), "bubblewrap")


def test_a_wall_that_does_not_hold_is_not_chosen(monkeypatch, tmp_path):
    """A bwrap that only runs what it is given: the trial gets out, and says how."""
    tools = _tools(tmp_path / "some", "unshare", "setpriv", "sh", "env")
    fake = tools / "bwrap"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 9 && exit\n'
        'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    chosen = walls.choose(ask(sys.executable), ())
    assert chosen.name == "landlock"
    assert "bubblewrap:" in chosen.about


def _tools(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        found = next(p for p in (Path("/usr/bin", name), Path("/bin", name)) if p.exists())
        (folder / name).symlink_to(found)
    return folder


def test_a_project_that_is_a_virtual_environment_does_not_show_its_files(tmp_path):
    project = tmp_path / "project"
    venv.create(project, symlinks=True)
    (project / ".env").write_text("API_KEY=1")
    (project / "runs").mkdir()
    executor = LocalExecutor(str(project / "bin" / "python"), 1)
    script = f"import os, sys\nprint(sys.prefix, sorted(os.listdir({str(project)!r})))"
    outcome = run(executor, tmp_path, script)
    assert outcome.output.startswith(str(project)), outcome.error
    assert "runs" not in outcome.output
    assert ".env" not in outcome.output


def test_nothing_of_the_current_folder_is_run(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    ask.cache_clear()
    assert run(LocalExecutor(sys.executable, 1), tmp_path, "print(1)").output == "1\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_a_run_where_jobs_may_read_is_refused(wall):
    executor = LocalExecutor(sys.executable, 1, wall)
    with pytest.raises(SettingsError, match="--out"):
        executor.run(Job("t", "", "/usr/share", "/usr/local/no-such-run/job", Limits(30, 1000)))


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_a_wall_that_fails_is_no_fault_of_the_scripts(wall, tmp_path, monkeypatch):
    executor = LocalExecutor(sys.executable, 1, wall)
    monkeypatch.setattr(executor, "interpreter", "/usr/bin/no-such-python")
    with pytest.raises(RunError, match="let no job begin"):
        run(executor, tmp_path, "print(1)")


@pytest.mark.parametrize("wall", ["bubblewrap", "landlock", "none"])
def test_a_service_answers_behind_every_wall_within_its_limits(wall):
    echo = (
        "import os, struct, sys\n"
        "while True:\n"
        "    head = os.read(0, 8)\n"
        "    data = os.read(0, struct.unpack('<Q', head)[0])\n"
        "    if data == b'read':\n        data = open('input/note').read().encode()\n"
        "    if data == b'eat':\n        [open(n, 'wb').write(bytes(60_000_000)) for n in 'fg']\n"
        "    os.write(int(sys.argv[1]), struct.pack('<Q', len(data)) + data)\n"
    )
    service = Service(echo, {"note": b"hello"}, wall)
    assert [service.ask(b"x"), service.ask(b"read")] == [b"x", b"hello"]
    with pytest.raises(SilentError, match="wrote more than"):
        service.ask(b"eat")
    assert service.ask(b"again") == b"again"
    service.close()


def test_a_private_umask_keeps_nobody_out(tmp_path):
    before = os.umask(0o077)
    try:
        executor = LocalExecutor(sys.executable, 1)
        assert executor.wall == "bubblewrap", executor.about
        outcome = run(executor, tmp_path, "open('x', 'w').write('1')\nprint(open('x').read())")
    finally:
        os.umask(before)
    assert outcome.output == "1\n", outcome.error


def test_libraries_work_inside(tmp_path):
    script = (
        "import multiprocessing, numpy, pandas, sklearn.ensemble, lightgbm, xgboost, catboost, joblib, tempfile\n"
        "import pyarrow.parquet\n"
        "x = numpy.random.default_rng(0).normal(size=(200, 3))\n"
        "print(lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(x, x[:, 0]).predict(x).shape)\n"
        "print(joblib.Parallel(2)(joblib.delayed(abs)(-i) for i in range(3)))\n"
        "with multiprocessing.Pool(2) as pool:\n    print(pool.map(abs, [-1, -2]))\n"
        "pandas.DataFrame(x, columns=list('abc')).to_parquet('x.parquet')\n"
        "print(len(pandas.read_parquet('x.parquet')), tempfile.NamedTemporaryFile().name.startswith('/'))\n"
    )
    for wall in ("bubblewrap", "landlock"):
        outcome = run(LocalExecutor(sys.executable, 1, wall), tmp_path, script)
        assert outcome.output.splitlines()[-4:] == ["(200,)", "[0, 1, 2]", "[1, 2]", "200 True"], outcome


def test_the_filter_is_whole_and_only_for_known_machines():
    assert filters.program("riscv64", unix=True) == b""
    for machine in ("x86_64", "aarch64"):
        steps = list(struct.iter_unpack("HBBI", filters.program(machine, unix=True)))
        for place, (code, yes, no, _) in enumerate(steps):
            if code & 0x07 == 0x05:  # a jump: both ways must lead somewhere
                assert place + 1 + max(yes, no) < len(steps)
        assert steps[-1][0] == 0x06
        assert len(filters.program(machine, unix=False)) < len(filters.program(machine, unix=True))
