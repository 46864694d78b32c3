"""The probe tells what can really be imported."""

import sys
import venv
from pathlib import Path

import numpy
import pytest

from mlestar.executors.local import LocalExecutor
from mlestar.executors.probe import Found, machine, probe


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> LocalExecutor:
    """An interpreter with ill modules among its libraries."""
    folder = tmp_path_factory.mktemp("ill") / "venv"
    venv.create(folder, symlinks=True)
    (libraries,) = folder.glob("lib/python*/site-packages")
    (libraries / "ill_crash.py").write_text("import ctypes; ctypes.string_at(0)")
    (libraries / "ill_exit.py").write_text("import os; os._exit(3)")
    (libraries / "ill_library.py").write_text("import ctypes; ctypes.CDLL('libnowhere.so.1')")
    (libraries / "ill_talker.py").write_text('print(\'["json", "9", ""]\'); __version__ = "1.2\\x1b[2J"')
    (libraries / "ill_sleeper.py").write_text("import time; time.sleep(60)")
    return LocalExecutor(str(folder / "bin" / "python"), 1)


def test_versions_and_reasons(ill: LocalExecutor) -> None:
    found = probe(ill, ["ill_library", "no_such_module", "ill_talker", "json"])
    assert list(found) == ["ill_library", "no_such_module", "ill_talker", "json"]
    assert "libnowhere.so.1" in found["ill_library"].error
    assert found["no_such_module"].error == "ModuleNotFoundError: No module named 'no_such_module'"
    assert found["ill_talker"] == Found("1.2")
    assert found["json"].version == "2.0.9"
    assert probe(LocalExecutor(sys.executable, 1), ["numpy"]) == {"numpy": Found(numpy.__version__)}


def test_a_crash_does_not_end_the_probe(ill: LocalExecutor) -> None:
    found = probe(ill, ["ill_crash", "json", "ill_exit", "csv"])
    assert "SIGSEGV" in found["ill_crash"].error
    assert "status 3" in found["ill_exit"].error
    assert found["json"].ok
    assert found["csv"].ok


def test_an_import_that_hangs_is_named(ill: LocalExecutor) -> None:
    found = probe(ill, ["ill_sleeper", "json"], seconds=0.7)
    assert "0.7 seconds" in found["ill_sleeper"].error
    assert found["json"].ok


def test_machine(tmp_path: Path) -> None:
    facts = machine(tmp_path)
    assert facts.cores >= 1
    assert facts.memory_mb > 100
    assert 0 < facts.memory_free_mb <= facts.memory_mb
    assert facts.disk_free_mb >= 0
    assert facts.python == sys.version.split()[0]
