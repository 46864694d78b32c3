"""An interpreter is asked what it is; a signal that was meant for us does not make it a wrong one."""

import subprocess
import sys

import pytest

from mlestar.executors.walls.interpreter import answer


def killed(tmp_path, times):
    """An interpreter that is ended by a signal so often before it answers."""
    count = tmp_path / "count"
    count.write_text("0")
    script = tmp_path / "python"
    script.write_text(f"""#!/bin/sh
n=$(cat {count}); echo $((n + 1)) > {count}
[ "$n" -lt {times} ] && kill -TERM $$ && sleep 5
exec {sys.executable} "$@"
""")
    script.chmod(0o755)
    return str(script)


def test_one_that_a_signal_ended_is_asked_again(tmp_path):
    assert answer(killed(tmp_path, 1), "print([1, 2])") == [1, 2]


def test_one_that_ends_so_again_is_no_interpreter(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        answer(killed(tmp_path, 2), "print([1, 2])")


def test_one_that_fails_is_asked_once(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        answer(sys.executable, f"open({str(tmp_path / 'asked')!r}, 'x'); raise SystemExit(3)")
    assert (tmp_path / "asked").exists()
