import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlestar.errors import RunError
from mlestar.journal import queries
from mlestar.journal.fork import fork
from mlestar.journal.store import Store

ORDER = [
    "cut", "branch-1/init/0", "branch-2/init/0", "branch-1/refine/0/plan", "branch-2/refine/0/plan",
    "branch-1/refine/0/fold-0", "branch-1/refine/1/plan", "branch-10/init/0", "ensemble/0", "final",
]  # fmt: skip


def play_all(store, played):
    def play(address):
        played.append(address)
        return store.save(address.encode())

    return [store.step(address, "execute", address, str, lambda address=address: play(address)) for address in ORDER]


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def source(tmp_path):
    run = tmp_path / "source"
    with Store.create(run, {"seed": 1}) as store:
        play_all(store, [])
        store.note("branch-2/init/0", "early")
        store.note("final", "late")
    (run / "views" / "fold-0").mkdir(parents=True)
    (run / "views" / "fold-0" / "train.csv").write_text("a\n1\n")
    (run / "best").mkdir()
    (run / "best" / "submission.csv").write_text("x")
    return run


def test_a_fork_in_a_branch_redoes_what_could_depend_on_it(source, tmp_path):
    before, target = contents(source), tmp_path / "target"
    fork(source, target, "branch-1/refine/0", {"state": "forked"})
    assert contents(source) == before
    kept = [row.address for row in queries.steps(target)]
    assert kept == ["cut", "branch-1/init/0", "branch-2/init/0", "branch-2/refine/0/plan", "branch-10/init/0"]
    assert queries.facts(target) == {
        "seed": 1, "state": "forked", "forked_from": {"run": str(source), "from": "branch-1/refine/0"},
    }  # fmt: skip
    assert (target / "views/fold-0/train.csv").read_text() == "a\n1\n"
    assert not (target / "best").exists()
    played: list[str] = []
    with Store.open(target) as store:
        digests = play_all(store, played)
        assert [store.load(digest).decode() for digest in digests] == ORDER
    assert played == [address for address in ORDER if address not in kept]
    assert contents(source) == before


def test_a_fork_in_the_trunk_redoes_everything_after_it(source, tmp_path):
    fork(source, tmp_path / "a", "ensemble")
    assert [row.address for row in queries.steps(tmp_path / "a")] == ORDER[:-2]
    fork(source, tmp_path / "b", "cut")
    assert queries.steps(tmp_path / "b") == []


def test_a_step_that_was_under_way_is_redone_with_what_it_led_to(tmp_path):
    with Store.create(tmp_path / "run", {}) as store:
        store.step("outer", "decide", 1, int, lambda: store.step("outer/in", "decide", 1, int, lambda: 1) + 1)
        store.step("before", "decide", 1, int, lambda: 1)
    fork(tmp_path / "run", tmp_path / "new", "outer/in")
    assert queries.steps(tmp_path / "new") == []


def test_forks_that_cannot_be(source, tmp_path):
    with pytest.raises(RunError, match="no step at 'branch-3'"):
        fork(source, tmp_path / "new", "branch-3")
    assert not (tmp_path / "new").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(RunError, match="empty folder"):
        fork(source, tmp_path / "full", "cut")
    with pytest.raises(RunError, match="no such run"):
        fork(tmp_path / "no", tmp_path / "new", "cut")


def test_a_running_source_can_be_forked(source, tmp_path):
    with Store.open(source) as store:
        store.step("more", "decide", 1, int, lambda: 1)
        fork(source, tmp_path / "new", "more")
        assert store.step("more", "decide", 1, int, lambda: 2) == 1
    with Store.open(tmp_path / "new") as store:
        assert store.spent() < 5
        assert store.step("more", "decide", 1, int, lambda: 2) == 2


def test_a_clock_that_jumps_changes_no_fork(tmp_path):
    def made(run, times):
        with Store.create(run, {}, now=lambda: next(times)) as store:
            for address in ORDER:
                store.step(address, "execute", address, int, lambda: 1)
                store.note(address, "done")
        fork(run, tmp_path / f"{run.name}-fork", "branch-1/refine/0")
        forked = tmp_path / f"{run.name}-fork"
        return [row.address for row in queries.steps(forked)], [note.address for note in queries.notes(forked)]

    forwards = made(tmp_path / "a", itertools.count(1e9))
    assert forwards == made(tmp_path / "b", itertools.count(1e9, -1000))
    assert forwards == made(tmp_path / "c", itertools.cycle([1e9, 5.0, 2e9]))
    assert forwards[0] == forwards[1]


def test_two_forks_into_one_folder(source, tmp_path):
    def one(_):
        try:
            fork(source, tmp_path / "new", "ensemble")
        except RunError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(one, range(4)))
    assert said[0] == ""
    assert all("new" in words for words in said[1:])
    assert [row.address for row in queries.steps(tmp_path / "new")] == ORDER[:-2]
