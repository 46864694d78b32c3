"""Which wall works here? Found by trying each one on a script that tries to get out."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from mlestar.errors import SettingsError
from mlestar.executors.walls.bubblewrap import Bubblewrap
from mlestar.executors.walls.interpreter import Interpreter
from mlestar.executors.walls.landlock import Landlock
from mlestar.executors.walls.wall import Launch, Place, Wall, counts_processes, environment
from mlestar.records import Limits

NAMES = ("auto", "bubblewrap", "landlock", "none")
_PATIENCE = 60.0
# What every wall must stop, and what it must let through. Says each failing by name.
_TRIAL = """
import ctypes, os, socket, sys
secret, view, port, neighbour = sys.argv[1:5]
open("written", "w").close()
os.listdir(view)
def stopped(name, act):
    try:
        act()
    except OSError:
        return
    sys.exit(name)
def find(word):
    for name in filter(str.isdigit, os.listdir("/proc")):
        if "neighbour-" + word in open(f"/proc/{name}/cmdline").read():
            return
    raise OSError
def apart():
    if ctypes.CDLL(None).unshare(0x10000000):
        raise OSError
stopped("files outside can be read", lambda: open(secret).close())
stopped("the input can be written", lambda: open(os.path.join(view, "x"), "w").close())
stopped("the network can be reached", lambda: socket.create_connection(("127.0.0.1", int(port)), 1))
stopped("other processes can be seen", lambda: find(neighbour))
stopped("new user namespaces can be made", apart)
"""


def choose(interpreter: Interpreter, reads: tuple[Path, ...], wanted: str = "auto") -> Wall:
    """The strongest wall that works on this machine, or the one that is wanted.

    Raises SettingsError when the one that is wanted does not work here.
    """
    if wanted not in NAMES:
        raise SettingsError(f"setting 'wall': there is no wall {wanted!r}; there are {', '.join(NAMES)}")
    lacking: list[str] = []
    for name, make in (("bubblewrap", _bubblewrap), ("landlock", _landlock)):
        if wanted in (name, "auto"):
            wall = make(interpreter, reads)
            if isinstance(wall, Wall):
                return replace(wall, about="; ".join([wall.about, *lacking]))
            lacking.append(f"{name}: {wall}")
    if wanted in ("auto", "none"):
        return Wall(about="; ".join(lacking) or "none was wanted")
    raise SettingsError(f"setting 'wall': {lacking[0]}; `mle-star doctor` says which walls work here")


def _bubblewrap(interpreter: Interpreter, reads: tuple[Path, ...]) -> Wall | str:
    program = shutil.which("bwrap")
    if program is None:
        return "not installed (one command mends it: sudo apt install bubblewrap)"
    root = os.geteuid() == 0
    if root and shutil.which("setpriv") is None:
        return "setpriv is missing (one command mends it: apt install util-linux)"
    wall = Bubblewrap(
        about=_version(program) + (", a user id of its own" if root else ", a user namespace of its own"),
        processes_bound=root or counts_processes(),
        program=program,
        interpreter=interpreter,
        reads=reads,
    )
    return _tried(wall, interpreter.path)


def _landlock(interpreter: Interpreter, reads: tuple[Path, ...]) -> Wall | str:
    if shutil.which("unshare") is None:
        return "unshare is missing (one command mends it: sudo apt install util-linux)"
    bound = os.geteuid() != 0 and counts_processes()
    about = "Landlock and unshare" + (", uid 0 without capabilities" if os.geteuid() == 0 else "")
    return _tried(Landlock(about=about, processes_bound=bound, interpreter=interpreter, reads=reads), interpreter.path)


def _version(program: str) -> str:
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, timeout=10, start_new_session=True
    )
    return done.stdout.strip()


def _tried(wall: Wall, python: str) -> Wall | str:
    """The wall, or why it does not hold here."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mle-star-wall-"))).resolve()
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        word = f"neighbour-{secrets.token_hex(8)}"
        neighbour = subprocess.Popen(
            ["/bin/sh", "-c", "read line", word], stdin=subprocess.PIPE, start_new_session=True
        )
        stack.enter_context(neighbour)
        stack.callback(neighbour.kill)
        place = Place(home / "job", home / "view", Limits(_PATIENCE, 256))
        (place.folder / "tmp").mkdir(parents=True)
        place.view.mkdir()
        place.view.chmod(0o755)
        (home / "secret").write_text("secret")
        (place.folder / "trial.py").write_text(_TRIAL)
        wall.lay(place)
        inside, view = wall.inside(place)
        told = ["trial.py", str(home / "secret"), view, str(server.getsockname()[1]), word[10:]]
        return _ended(wall, wall.launch([python, *told], place, environment(python, inside, 1)), place.folder)


def _ended(wall: Wall, launch: Launch, folder: Path) -> Wall | str:
    try:
        done = subprocess.run(
            launch.argv, cwd=folder, env=launch.environment, pass_fds=launch.descriptors, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return f"it does not start ({error})"
    finally:
        for number in launch.descriptors:
            os.close(number)
    if done.returncode == 0:
        return wall
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or [f"status {done.returncode}"])[-1][:300]
