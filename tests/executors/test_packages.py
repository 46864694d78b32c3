"""Packages that a script names: only those that may be, only wheels, and nothing of them runs outside the wall."""

import json
import os
import shutil
import sys
import tarfile
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from mlestar.errors import SettingsError, Unreachable
from mlestar.executors.local import LocalExecutor
from mlestar.executors.packages import Packages, Policy
from mlestar.executors.uv import find_uv, pip_settings, settings
from mlestar.executors.walls.interpreter import ask
from mlestar.records import Job, Limits, Outcome

OURS = os.path.abspath(sys.executable)


def _uv() -> str:
    try:
        return find_uv("uv")
    except SettingsError:
        return ""


needs_uv = pytest.mark.skipif(not _uv(), reason="uv is not installed")


@pytest.fixture
def fake(tmp_path: Path) -> str:
    """A uv that only says that it was called."""
    path = tmp_path / "fake-uv"
    path.write_text(
        '#!/bin/sh\necho "error: called"\necho "  cause: https://me:a-password@example.org/simple/ said no"\nexit 2\n'
    )
    path.chmod(0o755)
    return str(path)


def packages(tmp_path: Path, uv: str, *allow: str, **more) -> Packages:
    return Packages(Policy(allow, tmp_path / "run" / "env", uv, **more), ask(OURS))


# --- what may be installed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "needs",
    [
        [],
        ["numpy"],
        ["NumPy>=1", "scikit_learn"],
        ["numpy", "no-such-thing; python_version < '3'"],
        ["pydantic[email]<1; python_version<'3'"],
        ["sklearn>=1", "PIL"],  # by their modules
    ],
)
def test_what_the_interpreter_has_needs_no_uv(tmp_path: Path, fake: str, needs: list[str]) -> None:
    assert packages(tmp_path, fake).resolve(needs) == ask(OURS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("needs", [["tinything"], ["numpy<1"], ["pandas[no-such-extra,aws]"], ["Tiny_Thing>=2,<3"]])
def test_what_may_be_installed_is_asked_of_uv(tmp_path: Path, fake: str, needs: list[str]) -> None:
    reason = packages(tmp_path, fake, "tinything", "tiny.thing").resolve(needs)
    assert reason == "the script's packages cannot be had: called cause: an index said no"
    assert list((tmp_path / "run" / "env").iterdir()) == []


@pytest.mark.parametrize(
    "needs", [["evilthing"], ["tinything", "evilthing>=1"], ["numpy", "tinything", "evilthing[all]"]]
)
def test_what_may_not_be_installed_is_a_reason(tmp_path: Path, fake: str, needs: list[str]) -> None:
    reason = packages(tmp_path, fake, "TinyThing").resolve(needs)
    assert reason == "packages that may not be installed: evilthing; beside what is there, these may: tinything"


@pytest.mark.parametrize(
    "need",
    [
        "tinything @ https://example.org/tinything-1.0-py3-none-any.whl", "tinything @ file:///x.whl", "./tinything",
        "--index-url=https://example.org", "-r other.txt", "tinything\n--pre", "tinything==", "", "x" * 300,
    ],
)  # fmt: skip
def test_what_is_no_package_by_name_is_a_reason(tmp_path: Path, fake: str, need: str) -> None:
    reason = packages(tmp_path, fake, "tinything").resolve(["numpy", need])
    assert isinstance(reason, str)
    assert "is no package by its name" in reason
    assert "\n" not in reason


def test_a_module_of_what_is_installed_is_asked_for_by_its_distribution(tmp_path: Path, fake: str) -> None:
    Path(fake).write_text("#!/bin/sh\necho error: $(cat requirements.in)\nexit 2\n")
    reason = packages(tmp_path, fake, "tinything").resolve(["tinything", "sklearn>=1"])
    assert reason == "the script's packages cannot be had: scikit-learn>=1 tinything"


def test_too_many(tmp_path: Path, fake: str) -> None:
    assert "at most 50" in str(packages(tmp_path, fake).resolve(["numpy"] * 51))


def test_settings_that_are_wrong(tmp_path: Path, fake: str) -> None:
    with pytest.raises(SettingsError, match="pip install uv"):
        packages(tmp_path, "no-such-uv")
    for name in ("tinything>=1", "a b", "", "tinything[all]"):
        with pytest.raises(SettingsError, match=r"packages\.allow"):
            packages(tmp_path, fake, name)


def test_a_uv_that_hangs_is_ended(tmp_path: Path, fake: str) -> None:
    Path(fake).write_text("#!/bin/sh\nsleep 60\n")
    before = time.monotonic()
    with pytest.raises(Unreachable, match=r"more than 0\.5 seconds"):
        packages(tmp_path, fake, "tinything", seconds=0.5).resolve(["tinything"])
    assert "stopped" in str(packages(tmp_path, fake, "tinything").resolve(["tinything"], lambda: True))
    assert time.monotonic() - before < 20


AWAY = [  # uv's own words
    "Failed to fetch: https://u:a-password@x.org/simple/\n  cause: error sending request for url\n  cause: dns error",
    "Failed to fetch: https://x.org/simple/\n  cause: HTTP status server error (503 Service Unavailable) for url",
    "Failed to fetch: https://x.org/simple/\n  cause: operation timed out",
    "No solution found\n\nhint: could not be queried due to a lack of valid authentication credentials (401)",
]


@pytest.mark.parametrize("said", AWAY)
def test_an_index_that_does_not_answer_is_not_the_scripts_failure(tmp_path: Path, fake: str, said: str) -> None:
    Path(fake).write_text(f"#!/bin/sh\necho 'error: {said}'\nexit 2\n")
    executor = LocalExecutor(OURS, 1, packages=Policy(("tinything",), tmp_path / "run" / "env", fake))
    with pytest.raises(Unreachable, match=r"cannot be fetched now.*packages\.resolve") as caught:
        run(tmp_path, executor, ["tinything"], "print('ran')")
    assert "a-password" not in str(caught.value)
    assert list((tmp_path / "run" / "env").iterdir()) == []


# --- what uv sees --------------------------------------------------------------------------------------------


def test_uv_sees_index_settings_and_no_keys(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin", "HOME": "/home/me", "OPENAI_API_KEY": "k", "UV_PUBLISH_TOKEN": "k", "UV_COMPILE_BYTECODE": "1",
        "AWS_SECRET_ACCESS_KEY": "k", "PIP_FIND_LINKS": "/a /b", "UV_INDEX_INTERNAL_PASSWORD": "p", "PIP_NO_INDEX": "1",
        "https_proxy": "http://proxy", "UV_DEFAULT_INDEX": "https://one",
    }  # fmt: skip
    pip = {"index-url": "https://two", "extra-index-url": "https://x\nhttps://y", "find-links": "/c"}
    environment, flags = settings(given, pip)
    assert environment == {
        "PATH": "/bin", "HOME": "/home/me", "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_FIND_LINKS": "/a,/b",
        "UV_INDEX_INTERNAL_PASSWORD": "p", "https_proxy": "http://proxy", "UV_DEFAULT_INDEX": "https://one",
        "UV_INDEX": "https://x https://y", "UV_INDEX_STRATEGY": "unsafe-best-match",
    }  # fmt: skip
    assert flags == ["--no-index"]
    assert "a-password" not in repr(Policy((), tmp_path, variables={"UV_INDEX_X_PASSWORD": "a-password"}))


def test_pips_configuration_is_read(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one\nextra-index-url =\n  https://x\n  https://y\n[install]\nno-index = true\n"
    )
    found = pip_settings(OURS, {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(config), "PATH": "/bin"})
    assert found["index-url"] == "https://one"
    assert found["extra-index-url"].split() == ["https://x", "https://y"]
    assert found["no-index"] == "true"
    assert pip_settings("/bin/true", {}) == {}


# --- the real uv, on an index in a folder -------------------------------------------------------------------


def wheel(folder: Path, name: str, version: str, files: dict[str, str], needs: str = "") -> None:
    """A wheel made by hand."""
    info = f"{name}-{version}.dist-info"
    told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    tag = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {**files, f"{info}/METADATA": told, f"{info}/WHEEL": tag}
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """tinything 1.0 and 2.0, which leave a trace when their interpreter starts; and sourcething, without a wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    trace = f"import os; open({str(tmp_path / 'trace')!r}, 'w').close()\n"
    pth = f"import contextlib; exec('with contextlib.suppress(OSError):\\n    ' + {trace!r})\n"
    for version in ("1.0", "2.0"):
        wheel(folder, "tinything", version, {"tinything.py": f"VERSION = {version!r}\n", "tiny.pth": pth}, "otherthing")
    wheel(folder, "otherthing", "1.0", {"otherthing.py": ""})
    with tarfile.open(folder / "sourcething-1.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "setup.py": trace,
            "PKG-INFO": "Metadata-Version: 2.1\nName: sourcething\nVersion: 1.0\n",
        }.items():
            member = tarfile.TarInfo(f"sourcething-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))
    return folder


def policy(tmp_path: Path, **more) -> Policy:
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_NO_INDEX": "1", "OPENAI_API_KEY": "a-key",
    }  # fmt: skip
    allow = ("tinything", "sourcething")
    return Policy(allow, tmp_path / "run" / "env", _uv(), variables=variables, **more)


def run(tmp_path: Path, executor: LocalExecutor, needs: list[str], script: str) -> Outcome:
    (tmp_path / "view").mkdir(exist_ok=True)
    (tmp_path / "view").chmod(0o755)
    head = f"# /// script\n# dependencies = {json.dumps(needs)}\n# ///\n"
    return executor.run(Job("t", head + script, str(tmp_path / "view"), str(tmp_path / "job"), Limits(30, 1000)))


@needs_uv
@pytest.mark.parametrize("wall", ["bubblewrap", "landlock", "none"])
def test_a_script_gets_its_packages_and_they_get_nothing(tmp_path: Path, index: Path, wall: str) -> None:
    before = os.umask(0o077)
    try:
        executor = LocalExecutor(OURS, 2, wall, packages=policy(tmp_path))
        script = "import importlib.util, sys, tinything, otherthing\nprint(tinything.VERSION, sys.prefix)\n"
        script += "print(importlib.util.find_spec('numpy'))"
        outcome = run(tmp_path, executor, ["tinything<2"], script)
    except SettingsError as error:
        pytest.skip(str(error))
    finally:
        os.umask(before)
    (home,) = (tmp_path / "run" / "env").iterdir()
    assert outcome.error == ""
    assert outcome.output.splitlines() == [f"1.0 {home / 'venv'}", "None"]
    lock = (home / "requirements.lock").read_text()
    assert "tinything==1.0" in lock
    assert lock.count("--hash=sha256:") == 2
    assert str(index) not in lock
    assert (tmp_path / "trace").exists() == (wall == "none"), "code of a package ran outside the wall"
    (tmp_path / "trace").unlink(missing_ok=True)
    outcome = run(tmp_path, executor, ["numpy"], "import numpy, sys; print(sys.prefix)")
    assert outcome.output == f"{sys.prefix}\n"


@needs_uv
@pytest.mark.parametrize("wall", ["bubblewrap", "landlock"])
def test_a_timeout_in_an_environment_of_its_own_says_where_it_was(tmp_path: Path, index: Path, wall: str) -> None:
    executor = LocalExecutor(OURS, 1, wall, packages=policy(tmp_path))
    (tmp_path / "view").mkdir()
    (tmp_path / "view").chmod(0o755)
    script = '# dependencies = ["tinything"]\ndef spin():\n    while True:\n        pass\nspin()'
    outcome = executor.run(Job("t", script, str(tmp_path / "view"), str(tmp_path / "job"), Limits(0.7, 1000)))
    assert outcome.state == "timeout"
    assert "in spin" in outcome.error


@needs_uv
def test_what_cannot_be_had_is_the_scripts_failure(tmp_path: Path, index: Path) -> None:
    executor = LocalExecutor(OURS, 1, packages=policy(tmp_path))
    for needs, words in (
        (["tinything==3"], "no version of tinything==3"),
        (["sourcething"], "sourcething"),
        (["evilthing"], "may not be installed: evilthing"),
    ):
        outcome = run(tmp_path, executor, needs, "print('ran')")
        assert (outcome.state, outcome.output, outcome.seconds) == ("exception", "", 0.0)
        assert words in outcome.error
        assert len(outcome.error.splitlines()) == 1
        assert len(outcome.error) < 800
    assert list((tmp_path / "run" / "env").iterdir()) == []
    assert not (tmp_path / "trace").exists(), "a source distribution was built"


@needs_uv
def test_an_environment_is_made_once_whole_and_by_its_requirements(tmp_path: Path, index: Path) -> None:
    found = Packages(policy(tmp_path), ask(OURS))
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(found.resolve(["tinything"]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    shutil.rmtree(index)  # from now on only what is there
    again = Packages(policy(tmp_path), ask(OURS))
    assert again.resolve(["tinything"]) == results[0]
    assert isinstance(again.resolve(["tinything<2"]), str)
    assert len(list((tmp_path / "run" / "env").iterdir())) == 1


@needs_uv
def test_what_a_killed_driver_left_is_swept_away(tmp_path: Path, index: Path) -> None:
    half = tmp_path / "run" / "env" / ".draft-0123" / "venv"
    half.mkdir(parents=True)
    Packages(policy(tmp_path), ask(OURS))
    assert list((tmp_path / "run" / "env").iterdir()) == []
