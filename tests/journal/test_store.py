import json
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlestar.errors import RunError, StepError
from mlestar.journal import queries
from mlestar.journal.checksums import read_mark
from mlestar.journal.clock import RunClock
from mlestar.journal.store import Store, ask_stop
from mlestar.testing.clock import FakeClock


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=900, check=False
    )


def test_facts_and_notes(run):
    with Store.create(run, {"seed": 3, "task": {"name": "t", "files": ("a", "b")}}) as store:
        store.set_fact("state", "done")
        store.note("a/b", "first")
        store.note("a/b", "first")
        store.note("ab", "second")
    with Store.open(run) as store:
        assert store.facts == {"seed": 3, "task": {"name": "t", "files": ["a", "b"]}, "state": "done"}
    assert [note.text for note in queries.notes(run)] == ["first", "second"]
    assert [note.text for note in queries.notes(run, "a")] == ["first"]


def test_a_second_driver_is_refused_and_told_who_has_it(run):
    code = "import sys, pathlib; from mlestar.journal.store import Store; Store.open(pathlib.Path(sys.argv[1]))"
    with Store.create(run, {}):
        pid = str(os.getpid())
        with pytest.raises(RunError, match=pid):
            Store.open(run)
        other = run_python(code, run)
        assert f"the run is open in process {pid}" in other.stderr
        assert queries.is_running(run)
    assert not queries.is_running(run)
    assert run_python(code, run).returncode == 0


def test_folders_that_are_no_runs_are_refused(run, tmp_path):
    with pytest.raises(RunError, match="no such run folder"):
        Store.open(run)
    run.mkdir()
    with pytest.raises(RunError, match="not a run folder"):
        Store.open(run)
    with sqlite3.connect(run / "journal.db") as db:
        db.execute("CREATE TABLE steps (a)")
    db.close()
    with pytest.raises(RunError, match="another program"):
        queries.steps(run)
    (run / "journal.db").write_text("hello")
    with pytest.raises(RunError, match=r"journal\.db.*not a journal"):
        Store.open(run)
    assert not (run / "lock").exists()


def test_a_truncated_journal_is_refused_and_the_run_not_left_locked(run):
    with Store.create(run, {}) as store:
        for number in range(50):
            store.step(f"s/{number}", "decide", number, str, lambda: "x" * 5000)
    whole = (run / "journal.db").read_bytes()
    (run / "journal.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"journal\.db"):
        Store.open(run)
    (run / "journal.db").write_bytes(whole)
    Store.open(run).close()


def test_a_run_is_not_begun_twice(run):
    Store.create(run, {"a": 1}).close()
    with pytest.raises(RunError, match="there is a run already"):
        Store.create(run, {})
    assert queries.facts(run) == {"a": 1}


def test_of_two_that_begin_at_once_one_is_refused(run):
    def one(_):
        try:
            return Store.create(run, {"a": 1})
        except RunError as error:
            return str(error)

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(one, range(3)))
    (store,) = [found for found in made if isinstance(found, Store)]
    assert all(f"the run is open in process {os.getpid()}" in found for found in made if found is not store)
    store.close()


def test_what_a_killed_start_left_is_swept_away_and_nothing_else(run):
    run.mkdir()
    (run / "journal.db.new").write_text("half")
    (run / "lock").touch()
    Store.create(run, {}).close()
    other = run.with_name("other")
    other.mkdir()
    (other / "mine").touch()
    with pytest.raises(RunError, match="not empty, it has mine"):
        Store.create(other, {})
    assert [path.name for path in other.iterdir()] == ["mine"]


def test_a_journal_of_a_newer_version_is_refused(run):
    Store.create(run, {}).close()
    with sqlite3.connect(run / "journal.db") as db:
        db.execute("INSERT INTO applied VALUES ('of_tomorrow')")
    db.close()
    with pytest.raises(RunError, match="of_tomorrow"):
        Store.open(run)


def test_a_flipped_byte_in_a_blob_is_found(run):
    with Store.create(run, {}) as store:
        digest = store.save(b"predictions")
        (file,) = [path for path in (run / "blobs").rglob("*") if path.is_file()]
        file.write_bytes(b"predictionz")
        with pytest.raises(RunError, match="damaged"):
            store.load(digest)
        file.unlink()
        with pytest.raises(RunError, match="cannot be read"):
            store.load(digest)
        assert store.save(b"predictions") == digest
        file.write_bytes(b"predictionz")
        assert store.load(store.save(b"predictions")) == b"predictions", "saving anew mends it"
        store.step("s/1", "execute", 1, str, lambda: digest)
        file.unlink()
        with pytest.raises(RunError, match=r"step 's/1'.*--from s/1"):
            store.load(digest)
        with pytest.raises(RunError, match="not the name of a blob"):
            store.load("sha256:../../etc/passwd")


def test_a_step_with_blobs_from_many_threads(run):
    def one(number):
        return store.step(f"s/{number}", "execute", number, str, lambda: store.save(str(number % 7).encode()))

    with Store.create(run, {}) as store, ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(one, range(100)))
    with Store.open(run) as store:
        assert [store.load(digest) for digest in digests] == [str(number % 7).encode() for number in range(100)]
    assert queries.counts(run)["execute"] == 100
    assert len(set(digests)) == 7


def test_what_the_rows_say(run):
    with Store.create(run, {}) as store:

        def paid():
            store.charge("a/1", 0.25, 100)
            store.charge("a/1", 0.5, 20)
            return "x"

        def paid_and_interrupted():
            store.charge("a/3", 1.0)
            raise KeyboardInterrupt

        store.step("a/1", "brain", 1, str, paid)
        with pytest.raises(StepError):
            store.step("a/2", "execute", 1, int, lambda: 1 // 0)
        with pytest.raises(KeyboardInterrupt):
            store.step("a/3", "brain", 1, int, paid_and_interrupted)
        store.step("ab", "brain", 1, int, lambda: 1)
        rows = queries.steps(run, "a")  # read while the driver is at work
    assert [(row.address, row.state, row.cost_usd, row.tokens) for row in rows] == [
        ("a/1", "ok", 0.75, 120),
        ("a/2", "error", None, None),
        ("a/3", "running", 1.0, 0),
    ]
    assert rows[0].read(str) == "x"
    assert json.loads(rows[0].result or "") == "x"
    assert "ZeroDivisionError" in (rows[1].error or "")
    assert rows[0].finished is not None
    assert queries.cost(run) == 1.75
    assert queries.step(run, "a/2") == rows[1]
    assert queries.steps(run, "a/2") == [rows[1]]


def test_a_stop_asked_by_another_process_reaches_this_sitting_only(run):
    with Store.create(run, {}) as store:
        assert not store.stop_asked()
        code = "import sys, pathlib; from mlestar.journal.store import ask_stop; ask_stop(pathlib.Path(sys.argv[1]))"
        assert run_python(code, run).returncode == 0
        assert store.stop_asked()
    with Store.open(run) as store:
        assert not store.stop_asked()
    with pytest.raises(RunError):
        ask_stop(run / "no")


def test_time_worked_counts_all_sittings_and_never_jumps(run):
    wall, ticks = FakeClock(), FakeClock(5.0)
    clocks = {"now": wall.now, "ticks": ticks.now}
    with Store.create(run, {}, **clocks) as store:
        ticks.advance(10)
        wall.advance(-3600)
        assert RunClock(store).spent() == 10
    wall.advance(86400)
    with Store.open(run, **clocks) as store:
        ticks.advance(3)
        assert store.spent() == 13
        assert queries.spent(run) == 13
        ticks.advance(0.5)
        store.step("a", "decide", 1, int, lambda: (ticks.advance(2.0), 1)[1])
        assert queries.spent(run) == 15.5
    assert queries.steps(run)[0].seconds == 2.0


def test_a_full_database_says_so_and_the_run_can_be_resumed(run):
    with Store.create(run, {}) as store:
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages + 20}")
        store.step("a", "decide", 1, str, lambda: "small")
        with pytest.raises(RunError, match=r"disk is full.*resume"):
            store.step("b", "decide", 1, str, lambda: "x" * 1_000_000)
    with Store.open(run) as store:
        assert store.step("a", "decide", 1, str, lambda: "again") == "small"
        assert store.step("b", "decide", 1, str, lambda: "y") == "y"


FULL = """
import sys, pathlib
from mlestar.errors import RunError
from mlestar.journal.store import Store
store = Store.create(pathlib.Path(sys.argv[1]) / "run", {})
store.step("a", "decide", 1, str, lambda: "kept")
try:
    store.step("b", "execute", 1, str, lambda: store.save(b"x" * 4_000_000))
except RunError as error:
    print(error)
left = [path for path in (store.run / "blobs").rglob("*") if path.is_file()]
print("left", len(left), store.step("a", "decide", 1, str, lambda: "again"))
"""


def test_a_full_disk_under_a_blob(tmp_path):
    script = 'mount -t tmpfs -o size=2m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, FULL],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no small file system may be mounted here")
    assert "the disk is full" in done.stdout, done.stderr
    assert "left 0 kept" in done.stdout


def test_reading_leaves_nothing_behind_and_needs_no_right_to_write(run):
    with Store.create(run, {"a": 1}) as store:
        store.step("a", "decide", 1, int, lambda: 1)
    before = sorted(path.name for path in run.iterdir())
    assert queries.facts(run) == {"a": 1}
    assert sorted(path.name for path in run.iterdir()) == before
    run.chmod(0o555)
    try:
        assert [row.address for row in queries.steps(run)] == ["a"]
    finally:
        run.chmod(0o755)


def test_looking_from_within_does_not_let_go_of_the_lock(tmp_path):
    """POSIX drops all locks of a process on a file that it closes: another process then removed the log in use."""
    with Store.create(tmp_path / "run", {}) as store:
        store.step("a", "decide", {}, int, lambda: 1)
        assert queries.steps(tmp_path / "run"), "the driver looks at its own journal"
        look = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT 1 FROM steps'); db.close()"
        subprocess.run([sys.executable, "-c", look, str(tmp_path / "run" / "journal.db")], check=True)
        assert (tmp_path / "run" / "journal.db-wal").exists(), "the log is still the driver's"
        store.step("b", "decide", {}, int, lambda: 2)
        assert [row.address for row in queries.steps(tmp_path / "run")] == ["a", "b"]
    assert [row.address for row in queries.steps(tmp_path / "run")] == ["a", "b"]


def test_what_is_known_is_asked_again_without_a_write(tmp_path):
    def answer(store, play):
        store.step("a", "decide", {}, int, play)
        store.note("a", "a line")

    with Store.create(tmp_path / "run", {}, ticks=lambda: 0.0) as store:
        answer(store, lambda: 1)
    with Store.open(tmp_path / "run", ticks=lambda: 0.0) as store:
        before = read_mark(tmp_path / "run")
        answer(store, lambda: 1 / 0)
        assert read_mark(tmp_path / "run") == before
        store.note("a", "another line")
        assert read_mark(tmp_path / "run") == before + 1
