"""Cells of a bench side by side on a cluster: shares, order, what is refused, and how a failure ends the others.

The whole of it on a real cluster is in test_cluster.py.
"""

import json
import threading

import pytest

from mlestar import casting, config
from mlestar.bench import benching, competitors
from mlestar.bench.records import Asked
from mlestar.bench.sharing import Share, share, side_by_side
from mlestar.errors import SettingsError, UsageError
from mlestar.housekeeping import Stopping

from .test_bench import constant, data, folder, quick  # noqa: F401


@pytest.mark.parametrize(
    ("places", "runs", "lanes", "jobs", "found"),
    [
        (16, 3, None, None, (3, 5)),
        (16, 100, None, None, (8, 2)),  # a place for each of two branches
        (1, 5, None, None, (1, 1)),
        (16, 9, None, 4, (4, 4)),
        (16, 2, None, 4, (2, 4)),
        (16, 9, 3, None, (3, 5)),
        (16, 9, 3, 2, (3, 2)),
        (3, 9, None, 3, (1, 3)),
    ],
)
def test_places_are_divided_evenly(places, runs, lanes, jobs, found):
    assert share(places, runs, 2, lanes, jobs) == Share(*found, places)


@pytest.mark.parametrize(("lanes", "jobs"), [(9, None), (2, 3), (None, 5)])
def test_what_would_fill_the_queue_is_refused(lanes, jobs):
    with pytest.raises(SettingsError, match="the cluster has 4"):
        share(4, 2, 2, lanes, jobs)


@pytest.fixture
def places(monkeypatch):
    there = [4]
    monkeypatch.setattr(casting, "places", lambda settings: there[0])
    return there


def bench(folder, out, *others, lanes=None, said=None, **settings):  # noqa: F811
    settings = config.load(None, budget="20s", **{"executor": "ray", **settings})
    asked = Asked((1, 2), others, side_by_side=lanes)
    return benching.bench(folder, out, settings, asked, ([] if said is None else said).append, lambda seen: None)


def test_own_cells_come_first_and_competitors_here_with_as_many_cores(folder, constant, quick, places, tmp_path):  # noqa: F811
    said: list[str] = []
    bench(folder, tmp_path / "out", competitors.named(str(constant)), jobs=1, said=said)
    begun = [line.split(", ")[1] for line in said if ", seed " in line]
    assert begun == ["mle-star"] * 4 + ["constant"] * 4
    found = {(one["executor"], one["jobs"], one["cores"]) for one in data(tmp_path / "out")["cells"]}
    assert found == {("ray", 1, 1), ("local", None, 1)}
    page = (tmp_path / "out" / "bench.md").read_text()
    assert "its jobs on a Ray cluster" in page
    assert "1 of 4 places of a Ray cluster" in page


def test_competitors_with_fewer_cores_are_refused_before_anything_begins(folder, constant, quick, places, tmp_path):  # noqa: F811
    places[0] = 900
    with pytest.raises(UsageError, match="core count"):
        bench(folder, tmp_path / "out", competitors.named(str(constant)), lanes=1)
    with pytest.raises(UsageError, match="core count"):
        bench(folder, tmp_path / "out", competitors.named(str(constant)), jobs=1, cluster={"cpus": 900})
    assert quick == []
    bench(folder, tmp_path / "out", lanes=1)
    assert len(quick) == 4


def test_the_share_is_what_the_bench_began_with(folder, quick, places, tmp_path):  # noqa: F811
    bench(folder, tmp_path / "out", lanes=2)
    places[0] = 16
    bench(folder, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "plan.json").read_text())["settings"]["jobs"] == 2
    places[0] = 1
    with pytest.raises(SettingsError, match="2 jobs each"):
        bench(folder, tmp_path / "out")


def test_this_machine_has_no_cells_side_by_side(folder, quick, tmp_path):  # noqa: F811
    with pytest.raises(SettingsError, match="--executor ray"):
        bench(folder, tmp_path / "out", lanes=2, executor="local")


def test_when_one_cell_cannot_go_on_the_others_are_stopped_and_waited_for():
    stopping, ended, up = Stopping(), [], threading.Barrier(2)

    def fails():
        up.wait(120)
        raise SettingsError("oh")

    def works():
        up.wait(120)
        ended.append(stopping.asked.wait(120))

    with pytest.raises(SettingsError, match="oh"):
        side_by_side([fails, works], lambda i, got: None, 2, stopping)
    assert ended == [True]
