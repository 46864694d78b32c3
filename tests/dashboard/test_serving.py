"""The server of live pages: who may ask, what it answers, and that it says what is new."""

import json
import threading
from contextlib import contextmanager

import httpx
import pytest
from tests.growing import evaluated, score

from mlestar.dashboard import Server
from mlestar.errors import SettingsError
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.records import Attempt, Plan

EVIL = "<script>alert(1)</script>"


@contextmanager
def served(*places):
    server = Server(places, 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        with httpx.Client(base_url=server.address, timeout=60) as client:
            yield client
    finally:
        server.stop()
        thread.join()


@pytest.fixture
def client(growing):
    with served(growing.run) as client:
        yield client


def token(client):
    return client.get("/runs/run").text.partition('data-token="')[2].partition('"')[0]


def test_runs_are_listed_and_shown(growing, client):
    evaluated(growing, "start", 0.5)
    assert [row["name"] for row in client.get("/runs.json").json()] == ["run"]
    assert 'href="/runs/run"' in client.get("/").text
    story = client.get("/runs/run/story.json").json()
    assert story["tree"] == [
        {"step": "start", "nodes": [["start", "name", "quick", "scored", "0.50000 ± 0.0100", "", None, False]]}
    ]
    assert story["summary"]["state"] == "running"
    assert "<title>" in client.get("/runs/run/report.html").text


def test_a_node_shows_what_changed_and_what_was_printed(growing, client):
    evaluated(growing, "start", 0.5)
    here = "branch-0/refine/0/inner/0"
    evaluated(growing, here, None, ("start",))
    growing.publish(here, Attempt(here, "model", Plan(EVIL, "model"), score(0.6), -0.1, False, 1.0))
    node = client.get("/runs/run/node.json", params={"address": here}).json()
    assert node["diff"] == ["@@ -1 +1 @@", "-start", f"+{here}"]
    assert node["plan"] == EVIL
    assert node["runs"][0]["error"] == "boom\nE: no"
    assert client.get("/runs/run/node.json", params={"address": "../etc"}).status_code == 400


def test_only_this_machine_is_answered_and_nothing_foreign_is_let_in(growing, client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    answer = client.get("/runs/run")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for file in ("common.js", "run.js", "runs.js", "live.css", "page.css"):
        assert "http://" not in client.get(f"/static/{file}").text
    for path in ("/runs/other", "/runs/..%2frun", "/runs/run/best/..%2fjournal.db", "/static/..%2fserving.py"):
        assert client.get(path).status_code in (400, 404, 405)


def test_wishes_need_the_token(growing, client):
    assert client.post("/runs/run/hint", content="x").status_code == 403
    assert client.post("/runs/run/hint", content="x", headers={"x-token": "wrong"}).status_code == 403
    key = {"x-token": token(client)}
    assert (
        client.post("/runs/run/hint", content="x", headers={**key, "origin": "http://evil.example"}).status_code == 403
    )
    assert client.post("/runs/run/hint", content=iter([b"x" * 9_000] * 9), headers=key).status_code == 413
    assert Mail(growing.run).letters("steer") == []
    assert client.post("/runs/run/hint", content="look at the id", headers=key).json()["said"]
    assert client.post("/runs/run/forbid", content="catboost", headers=key).status_code == 200
    letters = Mail(growing.run).letters("steer")
    assert [(x.about, x.body) for x in letters] == [("hint", "look at the id"), ("forbid", "catboost")]
    assert "driven already" in client.post("/runs/run/resume", headers=key).json()["error"]
    assert client.post("/runs/run/stop", headers=key).status_code == 200
    assert growing.stop_asked()
    assert "one can say" in client.post("/runs/run/cell", content="x", headers=key).json()["error"]
    assert client.post("/runs/run/hint", content="x" * 20_000, headers=key).status_code == 413


def test_an_event_comes_within_a_second_of_what_is_new(growing, client):
    import time

    evaluated(growing, "start", 0.5)
    with client.stream("GET", "/runs/run/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        before = next(lines)
        evaluated(growing, "branch-0/init/candidate/0", 0.7)
        written = time.monotonic()
        assert next(lines) != before
        assert time.monotonic() - written < 6  # about 0.3 s on a machine that does nothing else
    assert len(client.get("/runs/run/story.json").json()["tree"]) == 2


def test_a_run_that_nobody_drives_any_more_says_so(tmp_path):
    run = tmp_path / "run"
    facts = {"name": "t", "state": "running", "settings": {"brain": "playbook"}, "task": ""}
    with Store.create(run, facts) as store, served(run) as client:
        evaluated(store, "start", 0.5)
        assert client.get("/runs/run/story.json").json()["summary"]["state"] == "running"
    with served(run) as client:
        assert client.get("/runs/run/story.json").json()["summary"]["state"] == "interrupted"
        wrong = client.post("/runs/run/stop", headers={"x-token": token(client)}).json()
        assert "nothing to stop" in wrong["error"]


def test_a_damaged_run_does_not_hide_the_others(growing, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "journal.db").write_bytes(b"no database at all")
    with served(tmp_path) as client:
        rows = {row["name"]: row["state"] for row in client.get("/runs.json").json()}
        assert rows == {"run": "running", "other": "damaged"}
        assert json.loads(client.get("/runs/other/story.json").text)["error"]


def test_a_port_that_is_taken_is_named():
    first = Server([], 0)
    port = int(first.address.rpartition(":")[2].strip("/"))
    with pytest.raises(SettingsError, match=f"--port {port}"):
        Server([], port)
    first.close()


def test_fifty_runs_are_listed_at_once_and_read_again_only_where_somebody_wrote(growing, tmp_path):
    evaluated(growing, "start", 0.5)
    facts = {"name": "t", "state": "done", "settings": {"brain": "playbook"}}
    for i in range(49):
        with Store.create(tmp_path / f"other-{i}", facts) as store:
            evaluated(store, "start", 0.5)
    with served(tmp_path) as client:
        page = client.get("/")
        assert page.text.count('href="/runs/') == 50
        assert page.elapsed.total_seconds() < 5  # 0.03 s on a machine at rest
        first, *others = [client.get("/runs.json") for _ in range(4)]
        again = min(others, key=lambda answer: answer.elapsed)
        assert len(first.json()) == 50
        assert again.json() == first.json()
        assert again.elapsed < first.elapsed
        evaluated(growing, "branch-0/init/candidate/0", 0.7)
        jobs = {row["name"]: row["jobs"] for row in client.get("/runs.json").json()}
        assert (jobs["run"], jobs["other-3"]) == (2, 1)


def test_a_stream_that_connects_again_hears_only_what_is_new(growing, client):
    evaluated(growing, "start", 0.5)

    def first(seen):
        with client.stream("GET", "/runs/run/events", headers={"last-event-id": seen}) as answer:
            return next(line for line in answer.iter_lines() if line.startswith("id: ")).removeprefix("id: ")

    seen = first("")
    evaluated(growing, "branch-0/init/candidate/0", 0.7)
    assert int(first(seen)) == int(seen) + 1
    assert first("not a number") == str(int(seen) + 1)
