"""The tools of the MCP server, through the protocol's own client: in memory, and over real standard streams."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("mcp")

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


def test_free_drive_from_start_to_finish_over_standard_streams(task, tool, tmp_path):
    """The server itself drives the run while it takes scripts in; one stray line on its output would break this."""

    async def play():
        transport = stdio_client(StdioServerParameters(command=str(tool), args=["mcp"], cwd=tmp_path))
        async with Client(transport, read_timeout_seconds=120) as client:
            begun = await ask(client, "run", task=str(task), brain="none", settings=QUICK)
            run = begun["run"]
            assert Path(run).parent == tmp_path / "runs"
            good = await ask(client, "add_script", run=run, text=SCRIPT, name="linear", wait=100)
            assert (good["state"], good["name"], len(good["folds"])) == ("scored", "linear", 2)
            assert 0.6 < good["score"] < 0.9999  # the judge's, not what the script says about itself
            assert good["stderr"] > 0
            bad = await ask(client, "add_script", run=run, text='raise ValueError("no such luck")', wait=100)
            assert bad["state"] == "failed"
            assert "no such luck" in bad["error"]
            text = 'import pandas as pd\nprint("rows", pd.read_parquet("input/rows.parquet").shape[0])'
            seen = await ask(client, "look", run=run, text=text, wait=0)
            assert seen["state"] == "pending"
            seen = await ask(client, "result", ticket=seen["ticket"], wait=100)
            assert (seen["state"], seen["printed"]) == ("looked", "rows 240")
            assert (await ask(client, "show", run=run))["state"] == "open"
            ended = await ask(client, "finish", run=run, wait=100)
            return Path(run), ended, await ask(client, "report", run=run)

    run, ended, report = asyncio.run(play())
    assert ended["state"] == "done"
    assert 0.6 < ended["estimate"] < 1
    assert len((run / "best" / "submission.csv").read_text().splitlines()) == 61
    assert "linear" in report["text"]
    assert Path(ended["log"]).is_file()


def test_a_run_outlives_the_server_and_its_questions_are_answered(task, tool, tmp_path):
    async def begin():
        transport = stdio_client(StdioServerParameters(command=str(tool), args=["mcp"], cwd=tmp_path))
        async with Client(transport, read_timeout_seconds=120) as client:
            return await ask(client, "run", task=str(task), settings=QUICK, out="mine")

    async def answer(run):
        async with Client(server()) as client:
            try:
                asked = await ask(client, "next_question", run=run, wait=60)
                assert asked["name"]
                assert "Classification accuracy" in asked["body"]
                wrong = await ask(client, "answer_question", run=run, name=asked["name"], text="Well.")
                again = await ask(client, "next_question", run=run, wait=20)
                steered = await ask(client, "steer", run=run, about="hint", text="red sells")
            finally:
                await ask(client, "stop", run=run)
            for _ in range(300):
                found = await ask(client, "show", run=run)
                if found["state"] != "running":
                    break
                await asyncio.sleep(0.1)
            return wrong, again, steered, found

    begun = asyncio.run(begin())
    assert (begun["run"], begun["state"], begun["brain"]) == (str(tmp_path / "mine"), "running", "relay")
    assert queries.is_running(tmp_path / "mine")
    wrong, again, steered, found = asyncio.run(answer(begun["run"]))
    assert wrong["verdict"] == "refused"
    assert again["name"] in wrong["reason"]
    assert "Well." in again["body"]
    assert "next step" in steered["text"]
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
        ("not a time span", "run", {"task": str(broken), "budget": "soon"}),
        ("train", "run", {"task": str(broken), "brain": "none", "out": str(tmp_path / "new")}),
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
