"""A process killed at any moment of building views leaves a run folder from which the same views are built."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlestar.tasks.splits import cut
from mlestar.tasks.views import Views

NOBODY = 65534
CHANGES = {"open", "os.mkdir", "os.link", "os.rename", "os.chmod", "os.utime"}
BUILT = ("fold-1", "real", "fold-4")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user may write to: root can overwrite what is read-only, others cannot."""
    with tempfile.TemporaryDirectory() as there:
        os.chmod(there, 0o777)
        yield Path(there)


def in_a_child(work: Callable[[], object], killed_at: int = 0) -> int:
    """The exit status of an ordinary user's process that does `work`; SIGKILL before its n-th change of a file."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seen = 0

    def watch(event: str, _: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES:
            seen += 1
            if seen == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    status = 1
    try:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        sys.addaudithook(watch)
        work()
        status = 0
    except BaseException:  # printed, for this process must not go on into pytest
        traceback.print_exc()
    finally:
        os._exit(status)


def everything(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Text, time and rights of all files, by path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in sorted(found)}


def test_views_are_whole_after_a_kill_at_any_moment(folders: Any, place: Path) -> None:
    train, test = folders.frames(12, 4)
    task = folders.source(place / "task", train, test)
    task = replace(task, assets=folders.row_files(place / "task", train, test))
    (place / "task" / "notes.csv").write_text("k,v\n1,2\n")
    (place / "task" / "extra").mkdir()
    for name in [*train["id"][:5], "all"]:
        (place / "task" / "extra" / f"{name}.bin").write_bytes(os.urandom(50))
    made = cut(task, 0)

    def build(root: Path) -> None:
        views = Views(task, made, root, 3)
        for name in BUILT:
            views.folder(name)

    build(place / "whole")
    expected = {name: everything(place / "whole" / name) for name in BUILT}
    killed = moments = 0
    for moment in range(1, 10_000, 23):
        root = place / "run"
        root.mkdir(mode=0o777)
        root.chmod(0o777)
        status = in_a_child(lambda root=root: build(root), killed_at=moment)  # type: ignore[misc]
        killed, moments = killed + (status == -signal.SIGKILL), moments + 1
        assert status in (0, -signal.SIGKILL)
        for name in BUILT:  # what has its name is whole already
            assert not (root / name).exists() or everything(root / name) == expected[name]
        assert in_a_child(lambda root=root: build(root)) == 0  # type: ignore[misc]
        assert {name: everything(root / name) for name in BUILT} == expected
        assert not list(root.rglob("*.building"))
        shutil.rmtree(root)
        if status == 0:
            break
    assert killed == moments - 1 >= 12


def test_an_ordinary_user_can_build_a_view_whose_sample_stands_in_for_the_test(folders: Any, place: Path) -> None:
    train, test = folders.frames(12, 4)
    task = folders.source(place / "task", train, test)
    (place / "task" / "test.csv").unlink()
    listed = replace(task, test=replace(task.sample, frame=task.sample.frame[["id"]]))
    views = Views(listed, cut(task, 0), place / "run", 0)
    assert in_a_child(lambda: views.folder("fold-0")) == 0
    assert len((place / "run" / "fold-0" / task.sample.name).read_text().splitlines()) == 1 + len(views.held("fold-0"))
