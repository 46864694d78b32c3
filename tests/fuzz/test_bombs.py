"""Files left to hurt whoever reads them: bounded memory, no wait, nothing followed, a named reason."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import resource
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlestar import plain

MEMORY = 2 * 2**30
READ = """
import json
import sys
from pathlib import Path
from mlestar.tasks.submission import Form, read_members, read_submission
rows = 20_000
form = Form(("id", "y"), rows, ("y",), "value", (), ("id",), (tuple(map(str, range(rows))),))
for folder in map(Path, sys.argv[1:]):
    print(json.dumps([folder.name, str(read_submission(folder, form)), read_members(folder, form).skipped]), flush=True)
"""
ROWS = 20_000


def sparse(folder: Path) -> None:
    (folder / "submission.csv").touch()
    os.truncate(folder / "submission.csv", 10 * 2**30)


def packed(folder: Path) -> None:
    block = gzip.compress(b"\0" * 2**26)
    (folder / "submission.csv.gz").write_bytes(block * 64)


def wide_header(folder: Path) -> None:
    (folder / "submission.csv").write_text("id,y" + "," * 1_000_000 + "\n")


def many_names(folder: Path) -> None:
    pq.write_table(pa.table({f"c{n}": pa.array([0], pa.int8()) for n in range(30_000)}), folder / "submission.parquet")


def fixed_width(folder: Path) -> None:
    """One value of 256 KiB, told 20,000 times by its place in a dictionary: 5 GB in a file of a few kB."""
    values = pa.array([b"x" * 2**18] * 500, pa.binary(2**18))
    schema = pa.schema({"id": pa.int64(), "y": values.type})
    with pq.ParquetWriter(folder / "submission.parquet", schema, compression="zstd", store_schema=False) as writer:
        for start in range(0, ROWS, 500):
            writer.write_table(pa.table({"id": np.arange(start, start + 500), "y": values}, schema))


def coded_text(folder: Path) -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(ROWS, np.int32)), pa.array(["x" * 10**6]))
    pq.write_table(pa.table({"id": np.arange(ROWS), "y": coded}), folder / "submission.parquet", compression="zstd")


def many_members(folder: Path) -> None:
    pq.write_table(pa.table({f"m{n}::y": pa.nulls(1, pa.int8()) for n in range(30_000)}), folder / "members.parquet")


def pickled(folder: Path) -> None:
    class Owned:
        def __reduce__(self):
            return os.mkdir, (str(folder / "owned"),)

    (folder / "submission.parquet").write_bytes(pickle.dumps(Owned()))
    (folder / "members.parquet").write_bytes(pickle.dumps(Owned()))


def linked(folder: Path) -> None:
    (folder / "answers").write_text("id,y\n" + "".join(f"{n},1\n" for n in range(ROWS)))
    (folder / "submission.csv").symlink_to(folder / "answers")
    (folder / "members.parquet").symlink_to("/dev/zero")


def piped(folder: Path) -> None:
    os.mkfifo(folder / "submission.csv")
    os.mkfifo(folder / "members.parquet")


def listening(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(folder / "submission.csv"))
    (folder / "members.parquet").mkdir()


def test_files_that_hurt_are_reasons(tmp_path):
    bombs = [
        sparse,
        packed,
        wide_header,
        many_names,
        fixed_width,
        coded_text,
        many_members,
        pickled,
        linked,
        piped,
        listening,
    ]
    folders = [tmp_path / leave.__name__ for leave in bombs]
    for leave, folder in zip(bombs, folders, strict=True):
        folder.mkdir()
        leave(folder)
    done = subprocess.run(
        [sys.executable, "-c", READ, *folders],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = {name: (reason, skipped) for name, reason, skipped in map(json.loads, done.stdout.splitlines())}
    assert told.keys() == {leave.__name__ for leave in bombs}
    for name, (reason, skipped) in told.items():
        assert "submission" in reason, name
        assert "malloc" not in reason + str(skipped), name
        assert bool(skipped) == os.path.lexists(tmp_path / name / "members.parquet"), name
    assert not (tmp_path / "pickled" / "owned").exists()


def test_only_a_plain_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert plain.read(tmp_path / "file", 5) == b"12345"
    assert "at most 4" in plain.read(tmp_path / "file", 4)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "link", "loop", ".", "missing"):
        assert isinstance(plain.read(tmp_path / name, 5), str)


def test_a_folder_is_removed_however_deep_and_links_in_it_are_not_followed(tmp_path):
    kept, folder = tmp_path / "kept", tmp_path / "job"
    kept.mkdir()
    (kept / "mine").write_text("mine")
    folder.mkdir()
    (folder / "link").symlink_to(kept, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    (folder / "locked").mkdir(mode=0o000)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):  # deeper than a path can be long, or Python can recurse
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    plain.remove(folder)
    assert not folder.exists()
    assert (kept / "mine").read_text() == "mine"
