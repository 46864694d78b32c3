"""A journal with a flipped byte or a missing end: named, or the same answer; and the earlier steps stay usable."""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlestar.errors import RunError
from mlestar.journal import queries
from mlestar.journal.fork import fork
from mlestar.journal.store import Store

WRITER = """
import os, signal, sys
from pathlib import Path
from mlestar.journal.store import Store

facts = {"task": "somewhere", "settings": {"seed": 0}, "name": "x"}
store = Store.create(Path(sys.argv[1]), facts)
for n in range(40):
    place = f"branch-{n % 2}/refine/{n}"
    store.step(place, "execute", n, str, lambda: str(n) * 700)
    store.note(place, f"note {n}")
    if n == 25:
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
store.close()
"""


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where that can be had: hundreds of journals are written here, each with its waits for the disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="module", params=["closed", "killed"])
def written(request, tmp_path_factory):
    """A journal at rest, and one whose driver was killed: half of it is in the write-ahead log."""
    run = tmp_path_factory.mktemp("written") / "run"
    done = subprocess.run([sys.executable, "-c", WRITER, str(run), request.param], check=False, timeout=900)
    assert done.returncode == (-signal.SIGKILL if request.param == "killed" else 0)
    return run


def everything(run):
    return queries.facts(run), queries.steps(run), queries.notes(run), queries.counts(run), queries.spent(run)


def damaged(written, tmp_path, file, damage):
    run = tmp_path / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(written, run)
    data = bytearray((run / file).read_bytes())
    (run / file).write_bytes(damage(data))
    return run


def flip(place, bits):
    def change(data):
        data[place] ^= bits
        return data

    return change


def same_or_named(run, whole, target):
    """Reads like the whole one, or is refused with a way out that keeps true steps. True when it was refused."""
    try:
        assert everything(run) == whole
        Store.open(run).close()
    except RunError as error:
        said = str(error)
    else:
        return False
    assert str(run / "journal.db") in said
    with pytest.raises(RunError):
        Store.open(run)
    found = re.search(r"--from (\S+)`", said)
    if not found:
        assert "start a new run" in said or "nothing of it can be read" in said
        return True
    shutil.rmtree(target, ignore_errors=True)
    fork(run, target, found[1])
    known = {row.address: row for row in whole[1]}
    kept = queries.steps(target)
    assert all(row == known[row.address] for row in kept)
    assert queries.facts(target)["settings"] == {"seed": 0}
    with Store.open(target) as store:
        for row in kept:
            n = int(row.address.rpartition("/")[2])
            assert store.step(row.address, "execute", n, str, lambda: "never") == str(n) * 700
    return True


@pytest.mark.parametrize("seed", range(2))
def test_a_flipped_byte_anywhere(written, tmp_path, seed):
    rng, whole, refused = random.Random(seed), everything(written), 0
    for file in ("journal.db", "journal.db-wal", "journal.mark"):
        if (written / file).exists():
            size = (written / file).stat().st_size
            for _ in range(20):
                place = rng.choice([rng.randrange(size), rng.randrange(min(size, 4096))])
                run = damaged(written, tmp_path, file, flip(place, 1 << rng.randrange(8)))
                refused += same_or_named(run, whole, tmp_path / "fork")
    assert refused > 5


def test_every_byte_of_the_header(written, tmp_path):
    whole = everything(written)
    for place in range(100):
        same_or_named(damaged(written, tmp_path, "journal.db", flip(place, 0x10)), whole, tmp_path / "fork")


def test_a_missing_end(written, tmp_path):
    rng, whole = random.Random(0), everything(written)
    for file in ("journal.db", "journal.db-wal"):
        if (written / file).exists():
            size = (written / file).stat().st_size
            for end in (0, 50, 4096, *(rng.randrange(size) for _ in range(12))):
                run = damaged(written, tmp_path, file, lambda data, end=end: data[:end])
                assert same_or_named(run, whole, tmp_path / "fork"), (file, end)


@pytest.mark.parametrize("column", ["result", "inputs", "state", "address"])
def test_what_sqlite_does_not_notice_names_the_step(written, tmp_path, column):
    run = tmp_path / "run"
    shutil.copytree(written, run)
    other = {"result": "'\"x\"'", "inputs": "'sha256:0'", "state": "'error'", "address": "'branch-0/x'"}[column]
    with sqlite3.connect(run / "journal.db") as db:
        db.execute(f"UPDATE steps SET {column} = {other} WHERE address = 'branch-0/refine/20'")
    db.close()
    named = "branch-0/x" if column == "address" else "branch-0/refine/20"
    with pytest.raises(RunError, match=rf"Step '{named}' is damaged, 20 steps before are whole.*--from {named}`"):
        queries.steps(run)
    fork(run, tmp_path / "fork", named)
    assert len(queries.steps(tmp_path / "fork")) == 20
    with pytest.raises(RunError, match="no step at 'branch-1/refine/31'"):
        fork(run, tmp_path / "other", "branch-1/refine/31")


def test_a_log_that_was_thrown_away_is_missed(written, tmp_path):
    if not (written / "journal.db-wal").exists():
        pytest.skip("a closed journal has no log")
    run = tmp_path / "run"
    shutil.copytree(written, run)
    os.unlink(run / "journal.db-wal")
    with pytest.raises(RunError, match=r"its last \d+ writes are missing.*What came after step 'branch-1/refine/25'"):
        Store.open(run)


def test_a_journal_of_an_older_version_is_opened_and_sealed(written, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(written, run)
    with sqlite3.connect(run / "journal.db") as db:
        for table in ("steps", "facts", "notes", "sittings"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        db.execute("ALTER TABLE notes DROP COLUMN tick")
        db.execute("ALTER TABLE sittings DROP COLUMN writes")
        db.execute("DELETE FROM applied WHERE name = 'row_checksums'")
    db.close()
    assert everything(run) == everything(written)  # read as it is, then migrated by the driver
    (run / "journal.mark").unlink()
    Store.open(run).close()
    assert everything(run)[:3] == everything(written)[:3]
    with sqlite3.connect(run / "journal.db") as db:
        db.execute("UPDATE facts SET value = '1' WHERE name = 'name'")
    db.close()
    with pytest.raises(RunError, match="a row of its facts is not what was recorded"):
        queries.facts(run)
