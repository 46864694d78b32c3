"""The tools of the MCP server, through the protocol's own client: in memory, and over real standard streams."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from mlestar.journal import queries
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.mcp import server

QUICK = {"jobs": 2, "judging.folds": 2, "branches": 1, "init.candidates": 1, "ensemble.rounds": 1, "bag": 1}
SCRIPT = """
import pandas as pd
from sklearn.linear_model import LogisticRegression

print("validation: 0.9999")
train, test = pd.read_csv("input/train.csv"), pd.read_csv("input/test.csv")
numbers = lambda d: d[["spent", "visits"]].fillna(0).assign(red=d.colour == "red")
found = LogisticRegression().fit(numbers(train), train.buys).predict(numbers(test))
pd.DataFrame({"id": test.id, "buys": found}).to_csv("submission.csv", index=False)
"""
TOOLS = {
    "run", "show", "stop", "resume", "steer", "next_question", "answer_question", "questions", "add_script", "look",
    "result", "finish", "report",
}  # fmt: skip


async def ask(client: Client, tool: str, **given: object) -> dict:
    """The structured answer of a call that must succeed."""
    found = await client.call_tool(tool, given)
    assert not found.is_error, found.content
    return found.structured_content


async def refused(client: Client, tool: str, **given: object) -> str:
    """The text of a call that must fail: for the user to mend, without a traceback."""
    found = await client.call_tool(tool, given)
    assert found.is_error
    assert "Traceback" not in found.content[0].text
    return found.content[0].text


@pytest.fixture
def made(tmp_path):
    """A run folder as a driver has it that waits for answers: it holds the lock."""
    with Store.create(tmp_path / "run", {"name": "shop", "state": "running", "settings": {"brain": "relay"}}) as store:
        yield store


def test_an_assistant_reads_how_to_work():
    async def play():
        async with Client(server()) as client:
            return client.instructions, (await client.list_tools()).tools

    instructions, tools = asyncio.run(play())
    assert "judge" in instructions
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert len(tool.description) > 60, tool.name
        assert tool.output_schema["properties"], tool.name
    contract = next(tool.description for tool in tools if tool.name == "add_script")
    assert all(word in contract for word in ("input/", "submission.csv", "members.parquet"))


def over_streams(tool: Path, folder: Path) -> Client:
    """A client of a server process of its own, which ends with it."""
    transport = stdio_client(StdioServerParameters(command=str(tool), args=["mcp"], cwd=folder))
    return Client(transport, read_timeout_seconds=120)


@pytest.fixture(scope="module")
def driven(task, tool, tmp_path_factory):
    """A free drive from start to finish; the server itself drives the run while it takes in scripts."""
    home = tmp_path_factory.mktemp("free")

    async def play():
        async with over_streams(tool, home) as client:
            begun = await ask(client, "run", task=str(task), brain="none", settings=QUICK)
            run = begun["run"]
            good = await ask(client, "add_script", run=run, text=SCRIPT, name="linear", wait=100)
            bad = await ask(client, "add_script", run=run, text='raise ValueError("no such luck")', wait=100)
            text = 'import pandas as pd\nprint("rows", pd.read_parquet("input/rows.parquet").shape[0])'
            pending = await ask(client, "look", run=run, text=text, wait=0)
            seen = await ask(client, "result", ticket=pending["ticket"], wait=100)
            between = await ask(client, "show", run=run)
            ended = await ask(client, "finish", run=run, wait=100)
            report = await ask(client, "report", run=run)
            return home, begun, good, bad, pending, seen, between, ended, report["text"]

    return asyncio.run(play())


def test_free_drive_from_start_to_finish(driven):
    home, begun, good, bad, pending, seen, between, ended, report = driven
    assert Path(begun["run"]).parent == home / "runs"
    assert (good["state"], good["name"], len(good["folds"])) == ("scored", "linear", 2)
    assert 0.6 < good["score"] < 0.9999  # the judge's, not what the script says about itself
    assert good["stderr"] > 0
    assert bad["state"] == "failed"
    assert "no such luck" in bad["error"]
    assert pending["state"] == "pending"
    assert (seen["state"], seen["printed"]) == ("looked", "rows 240")
    assert between["state"] == "open"
    assert "add_script" in between["next"]
    assert ended["state"] == "done"
    assert 0.6 < ended["estimate"] < 1
    assert len((Path(ended["best"]) / "submission.csv").read_text().splitlines()) == 61
    assert "done" in Path(ended["log"]).read_text()
    assert report.startswith("# shop")


def test_a_run_outlives_its_server_and_another_answers_its_questions(driven, tool):
    run = driven[1]["run"]

    async def begin():
        async with over_streams(tool, driven[0]) as client:
            return await ask(client, "resume", run=run, brain="relay")

    async def answer():
        async with Client(server()) as client:
            asked = await ask(client, "next_question", run=run, wait=60)
            wrong = await ask(client, "answer_question", run=run, name=asked["name"], text="Well.")
            again = await ask(client, "next_question", run=run, wait=20, name=f"{asked['name'][:-1]}1")
            return asked, wrong, again

    async def end():
        async with Client(server()) as client:
            stopped = await ask(client, "stop", run=run)
            for _ in range(300):
                found = await ask(client, "show", run=run)
                if found["state"] != "running":
                    break
                await asyncio.sleep(0.1)
            return stopped, found

    try:
        begun = asyncio.run(begin())
        outlives = queries.is_running(Path(run))
        asked, wrong, again = asyncio.run(answer())
    finally:
        stopped, found = asyncio.run(end())
    assert (begun["state"], begun["brain"], outlives) == ("running", "relay", True)
    assert "Classification accuracy" in asked["body"]
    assert wrong["verdict"] == "refused"
    assert again["name"] in wrong["reason"]
    assert "Well." in again["body"]
    assert "was asked to stop" in stopped["text"]
    assert found["state"] == "interrupted"
    assert "resume" in found["next"]


def test_a_question_is_waited_for_answered_and_taken(made):
    run, mail = str(made.run), Mail(made.run)

    def drive():
        """What the relay brain does: ask, wait, record."""
        time.sleep(0.7)
        mail.ask("start/retriever/call-0", "retriever", "# Which models?\x1b[31m")
        while mail.answer_to("start/retriever/call-0") is None:
            time.sleep(0.02)
        made.step("start/retriever/call-0", "call", {}, str, lambda: "Trees.")
        made.step("start/retriever", "brain", {}, str, lambda: "done")

    async def play():
        async with Client(server()) as client:
            waiting = asyncio.create_task(ask(client, "next_question", run=run, wait=20, who="first"))
            empty = await ask(client, "questions", run=run)  # while the other call waits
            assert not waiting.done()
            asked = await waiting
            taken = await ask(client, "questions", run=run)
            second = await ask(client, "next_question", run=run, wait=0, who="second")
            verdict = await ask(client, "answer_question", run=run, name=asked["name"], text="Trees.", who="first")
            late = await refused(client, "answer_question", run=run, name=asked["name"], text="Forests.")
            return empty, asked, taken, second, verdict, late

    driver = threading.Thread(target=drive)
    driver.start()
    empty, asked, taken, second, verdict, late = asyncio.run(play())
    driver.join()
    assert empty == {"questions": []}
    assert (asked["role"], asked["body"]) == ("retriever", "# Which models?")
    assert taken["questions"] == [{"name": asked["name"], "role": "retriever", "taken_by": "first"}]
    assert (second["name"], second["note"]) == ("", "no question waits; the run is running")
    assert verdict == {"verdict": "taken", "reason": ""}
    assert "no open question" in late
    letter = mail.answer_to(asked["name"])
    assert (letter.body, letter.sender) == ("Trees.", "first")


def test_words_reach_the_run_and_an_answer_is_kept_while_nobody_drives(tmp_path):
    Store.create(tmp_path / "run", {"name": "shop", "state": "running", "settings": {"brain": "relay"}}).close()
    run, mail = str(tmp_path / "run"), Mail(tmp_path / "run")
    mail.ask("x/call-0", "coder", "Which?")

    async def play():
        async with Client(server()) as client:
            shown = await ask(client, "show", run=run)
            kept = await ask(client, "answer_question", run=run, name="x/call-0", text="This.")
            none = await ask(client, "next_question", run=run, wait=60)
            await ask(client, "steer", run=run, about="cell", cell="post", text="def post(p): return p", who="me")
            return shown, kept, none, await ask(client, "stop", run=run)

    begun = time.monotonic()
    shown, kept, none, stopped = asyncio.run(play())
    assert time.monotonic() - begun < 20  # no question can come, so it is not waited for
    assert (shown["state"], shown["questions"]) == ("interrupted", 1)
    assert kept["verdict"] == "kept"
    assert none["note"] == "no question waits; the run is interrupted"
    assert [(said.about, said.sender) for said in mail.letters("steer")] == [("cell:post", "me")]
    assert "nobody drives" in stopped["text"]


def test_mistakes_come_back_as_one_text(made, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "description.md").write_text("# Nothing here\n")
    run = str(made.run)
    cases = [
        ("there is no such task folder", "run", {"task": str(tmp_path / "none")}),
        ("refine.outr", "run", {"task": str(broken), "settings": {"refine.outr": 2}}),
        ("is the user's to set", "run", {"task": str(broken), "settings": {"unsafe": True}}),
        ("is the user's to set", "run", {"task": str(broken), "settings": {"roles.planner": "cli:x"}}),
        ("is the user's to choose", "resume", {"run": run, "brain": "cli:x"}),
        ("not a time span", "run", {"task": str(broken), "budget": "soon"}),
        ("has no sample submission", "run", {"task": str(broken), "brain": "none", "out": str(tmp_path / "new")}),
        ("none", "show", {"run": str(tmp_path / "none")}),
        ("and not both", "add_script", {"run": run}),
        ("and not both", "look", {"run": run, "text": "print(1)", "path": "x.py"}),
        ("cannot be read", "add_script", {"run": run, "path": str(tmp_path / "none.py")}),
        ("only none", "result", {"ticket": "script-7"}),
        ("name of the cell", "steer", {"run": run, "about": "cell", "text": "x = 1"}),
        ("nothing said", "steer", {"run": run, "about": "hint", "text": " "}),
        ("open in process", "finish", {"run": run}),
        ("less than or equal to 600", "next_question", {"run": run, "wait": 1e6}),
    ]

    async def play():
        async with Client(server()) as client:
            return await asyncio.gather(*(refused(client, name, **given) for _, name, given in cases))

    for (said, name, given), text in zip(cases, asyncio.run(play()), strict=True):
        assert said in text, (name, given)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.log").exists()


def test_without_the_extra_it_says_what_to_install():
    lacking = (
        "import sys; sys.modules['mcp'] = None; sys.argv = ['mle-star', 'mcp']; from mlestar.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", lacking], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 2
    assert 'pip install "mle-star[mcp]"' in done.stderr
    assert "Traceback" not in done.stderr
