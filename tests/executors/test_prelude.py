"""What a script sees when it runs behind the prelude, and what the prelude tells of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlestar.executors.local import PRELUDE, LocalExecutor
from mlestar.executors.opened import fold
from mlestar.executors.streams import clean, shorten
from mlestar.records import Job, Limits, Outcome


def run(folder: Path, script: str) -> Outcome:
    view = folder / "view"
    (view / "train").mkdir(parents=True, exist_ok=True)
    (view / "table.csv").write_text("a\n1\n")
    for number in range(25):
        (view / "train" / str(number)).mkdir(exist_ok=True)
        (view / "train" / str(number) / "shape.xyz").write_text("x")
    return LocalExecutor(sys.executable, 1).run(Job("t", script, str(view), str(folder / "job"), Limits(30, 2000)))


@pytest.mark.parametrize(
    "question",
    [
        "__name__",
        "__file__",
        "sys.argv",
        "os.getcwd()",
        "sys.path[0]",
        "__doc__",
        "__package__",
        "sys.flags.hash_randomization",
    ],
)
def test_a_script_sees_what_it_sees_without_us(tmp_path: Path, question: str) -> None:
    script = f'"""Doc."""\nimport os, sys\nprint({question})'
    ours = run(tmp_path, script).output.replace("/job", str(tmp_path / "job"))  # where a wall shows the folder
    job = tmp_path / "job"
    bare = subprocess.run(
        [sys.executable, "solution.py"],
        cwd=job,
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ours == bare.stdout


def test_pickles_and_worker_processes_find_the_script(tmp_path: Path) -> None:
    script = (
        "import multiprocessing, pickle\n"
        "def double(x):\n    return 2 * x\n"
        "if __name__ == '__main__':\n    assert pickle.loads(pickle.dumps(double)) is double\n"
        "    for how in ('fork', 'spawn'):\n"
        "        with multiprocessing.get_context(how).Pool(2) as pool:\n            print(pool.map(double, [1, 2]))\n"
    )
    outcome = run(tmp_path, script)
    assert (outcome.error, outcome.output) == ("", "[2, 4]\n[2, 4]\n")


def test_opened_files_by_every_spelling(tmp_path: Path) -> None:
    script = "from pathlib import Path\nfor name in {spellings}:\n    open(name).close()\n"
    for spelling in (
        "'input/table.csv'",
        "Path('input/table.csv')",
        "b'./input/table.csv'",
        "Path('input').resolve() / 'table.csv'",
    ):
        assert run(tmp_path, script.format(spellings=f"[{spelling}]")).opened == ("table.csv",)
    assert run(tmp_path, "import pandas as pd\npd.read_csv('input/table.csv')").opened == ("table.csv",)


def test_row_files_become_a_pattern(tmp_path: Path) -> None:
    script = "from pathlib import Path\nfor p in sorted(Path('input').glob('train/*/shape.xyz')): p.read_text()"
    assert "train/*/shape.xyz (25)" in run(tmp_path, script).opened
    assert "train/" in run(tmp_path, "import os; os.listdir('input/train')").opened


def test_what_was_opened_is_known_after_a_crash_too(tmp_path: Path) -> None:
    outcome = run(tmp_path, "import os\nopen('input/table.csv')\nos.kill(os.getpid(), 9)")
    assert (outcome.state, outcome.opened) == ("signal", ("table.csv",))


def test_files_outside_are_nobodys_business(tmp_path: Path) -> None:
    assert run(tmp_path, "import json; open('mine', 'w'); open('/etc/hostname')").opened == ()


def test_a_file_open_past_the_hook_is_seen_while_it_is_open(tmp_path: Path) -> None:
    script = (
        "import ctypes, time\nlibc = ctypes.CDLL(None)\nassert libc.open(b'input/table.csv', 0) > 0\ntime.sleep(0.6)\n"
    )
    assert run(tmp_path, script).opened == ("table.csv",)


def test_errors_show_the_scripts_own_frames(tmp_path: Path) -> None:
    chained = "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('bad') from error\n"
    error = run(tmp_path, chained).error
    assert "KeyError: 'a'" in error
    assert error.endswith("ValueError: bad\n")
    assert "prelude.py" not in error
    error = run(tmp_path, "x = (\n").error
    assert 'File "solution.py", line 1' in error
    assert "prelude.py" not in error


def test_limits_that_the_kernel_keeps(tmp_path: Path) -> None:
    script = "import resource as r\nprint(r.getrlimit(r.RLIMIT_CORE)[0], r.getrlimit(r.RLIMIT_FSIZE)[0])"
    assert run(tmp_path, script).output == f"0 {2048 * 1024 * 1024}\n"


def test_the_prelude_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        f"exec(open({str(PRELUDE)!r}).read().rpartition('main()')[0])\n"
        "print(' '.join(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) <= {"__future__", "atexit", "faulthandler", "fcntl", "resource"}


def test_fold_shapes() -> None:
    flat = [f"img/{n}.png" for n in range(30)]
    deep = [f"a/{n}/x.txt" for n in range(21)]
    wild = [f"b/{n}/{n}{k}.wav" for n in range(15) for k in range(3)]
    few = ["c/1.csv", "c/2.csv", "train.csv"]
    assert fold(flat + deep + wild + few) == (
        "a/*/x.txt (21)",
        "b/*/*.wav (45)",
        "c/1.csv",
        "c/2.csv",
        "img/*.png (30)",
        "train.csv",
    )
    assert fold([f"train/{n}/" for n in range(40)]) == ("train/*/ (40)",)
    assert fold([]) == ()


@given(st.lists(st.text("ab/.", min_size=1, max_size=8)))
def test_fold_loses_nothing_that_is_few(paths: list[str]) -> None:
    assert fold(paths[:20]) == tuple(sorted(set(paths[:20])))


@given(st.text(max_size=200))
def test_clean_is_clean_and_settled(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in once)


def test_shorten_keeps_both_ends() -> None:
    text = shorten("a" * 50 + "b" * 50, 40)
    assert text.startswith("a" * 10 + "\n...")
    assert text.endswith("b" * 30)
