"""The probe tells what can really be imported."""

import sys
from pathlib import Path

import numpy
import pytest

from mlestar.errors import SettingsError
from mlestar.executors.probe import Found, machine, probe


@pytest.fixture
def interpreter(tmp_path: Path) -> str:
    """Our interpreter, with a folder of ill modules on its path."""
    ill = tmp_path / "ill"
    ill.mkdir()
    (ill / "ill_crash.py").write_text("import ctypes; ctypes.string_at(0)")
    (ill / "ill_exit.py").write_text("import os; os._exit(3)")
    (ill / "ill_library.py").write_text("import ctypes; ctypes.CDLL('libnowhere.so.1')")
    (ill / "ill_talker.py").write_text('print(\'["json", "9", ""]\'); __version__ = \'1.2\'')
    (ill / "ill_sleeper.py").write_text("import time; time.sleep(60)")
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={ill} exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)


def test_versions_and_reasons(interpreter: str) -> None:
    found = probe(interpreter, ["numpy", "ill_library", "no_such_module", "ill_talker", "json"])
    assert list(found) == ["numpy", "ill_library", "no_such_module", "ill_talker", "json"]
    assert found["numpy"] == Found(numpy.__version__)
    assert "libnowhere.so.1" in found["ill_library"].error
    assert found["no_such_module"].error == "ModuleNotFoundError: No module named 'no_such_module'"
    assert found["ill_talker"] == Found("1.2")
    assert found["json"].version == "2.0.9"


def test_a_crash_does_not_end_the_probe(interpreter: str) -> None:
    found = probe(interpreter, ["ill_crash", "json", "ill_exit", "csv"])
    assert "SIGSEGV" in found["ill_crash"].error
    assert "status 3" in found["ill_exit"].error
    assert found["json"].ok
    assert found["csv"].ok


def test_an_import_that_hangs_is_named(interpreter: str) -> None:
    found = probe(interpreter, ["ill_sleeper", "json"], seconds=0.7)
    assert "within 0.7 seconds" in found["ill_sleeper"].error
    assert found["json"].ok


def test_no_interpreter() -> None:
    with pytest.raises(SettingsError):
        probe("/nowhere/python", ["json"])


def test_machine(tmp_path: Path) -> None:
    facts = machine(tmp_path)
    assert facts.cores >= 1
    assert facts.memory_mb > 100
    assert 0 < facts.memory_free_mb <= facts.memory_mb
    assert facts.disk_free_mb >= 0
    assert facts.python == sys.version.split()[0]
