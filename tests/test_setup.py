"""`scripts/setup.sh` where something is missing: it says the one command that mends it. Never reaches the network."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = """#!/bin/bash
# A Python without ensurepip: `-m venv` fails, without pip it {bare}; `-m pip` is missing.
case "$*" in
    "-m venv --without-pip "*) {bare_code} ;;
    "-m venv "*|"-m pip "*) echo "not available" >&2; exit 1 ;;
    *) exec {real} "$@" ;;
esac
"""


def set_up(
    folder: Path, *, bare_works: bool, libgomp: bool = True, python: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run setup.sh with a Python, an ldconfig and an apt-get of our own in front of the real ones."""
    tools = folder / "tools"
    tools.mkdir()
    real = os.path.realpath(sys.executable)
    bare_code = f'exec {real} "$@"' if bare_works else "exit 1"
    shims = {
        "ldconfig": "#!/bin/bash\n" + ("echo 'libgomp.so.1 (libc6)'\n" if libgomp else ""),
        "apt-get": f"#!/bin/bash\ntouch {folder}/asked\nexit 100\n",
        "pip": "#!/bin/bash\nexit 1\n",
    }
    fake = PYTHON.format(real=real, bare="works" if bare_works else "fails too", bare_code=bare_code)
    old = "#!/bin/bash\nexit 1\n"
    shims |= dict.fromkeys(("python3", "python3.11", "python3.12", "python3.13"), fake if python else old)
    for name, text in shims.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    env = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "VENV": str(folder / "venv")}
    script = ROOT / "scripts" / "setup.sh"
    return subprocess.run(["bash", script], env=env, capture_output=True, text=True, timeout=900)


def test_without_venv_the_one_command_is_named(tmp_path: Path) -> None:
    done = set_up(tmp_path, bare_works=False)
    assert done.returncode == 1
    assert "sudo apt install python3-venv" in done.stderr
    assert not (tmp_path / "venv" / "bin" / "python").exists()


def test_without_pip_the_one_command_is_named(tmp_path: Path) -> None:
    done = set_up(tmp_path, bare_works=True)
    assert done.returncode == 1
    assert "sudo apt install python3-pip python3-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_libgomp_it_goes_on_and_names_the_command(tmp_path: Path) -> None:
    done = set_up(tmp_path, bare_works=False, libgomp=False)
    assert "sudo apt install libgomp1" in done.stderr
    assert "python3-venv" in done.stderr  # so it went on from there
    assert (tmp_path / "asked").exists() == (os.getuid() == 0)


def test_without_a_python_that_is_new_enough_it_says_so(tmp_path: Path) -> None:
    done = set_up(tmp_path, bare_works=False, python=False)
    assert done.returncode == 1
    assert "no Python >= 3.11" in done.stderr
