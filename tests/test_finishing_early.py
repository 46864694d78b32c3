"""A finish that is asked for freezes nothing of the method, and no replay throws the later end away. In process."""

import json
import shutil
from types import SimpleNamespace

import pytest

from mlestar import casting, config, contributing, overview, reporting, runs
from mlestar.brains.spoken.rendering import markdown
from mlestar.brains.spoken.voice import Prompt
from mlestar.errors import Interrupted, RunError, SettingsError
from mlestar.journal import queries
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.products.pinning import body
from mlestar.records import Exchange

from .test_letters import SCRIPT, SIZES, Pretender, watch


class Stopping(Pretender):
    """It stops the run before the job number `last`, or at its first job below `end`."""

    def close(self):
        pass

    last, end = 10**9, "nowhere/"

    def run(self, job):
        if len(self.ran) >= self.last or job.address.startswith(self.end):
            raise Interrupted("stopped as asked")
        return super().run(job)


@pytest.fixture
def machine(monkeypatch):
    made = Stopping()
    monkeypatch.setattr(casting, "executor", lambda settings, run: made)
    monkeypatch.setattr(casting, "probe", lambda executor, names, **given: {
        name: SimpleNamespace(ok=True, version="1.0", error="") for name in names
    })  # fmt: skip
    return made


def begin(task, run, brain="playbook", *more):
    sizes = [*SIZES, "refine.outer=2", "refine.looks=1", *more]
    runs.start(task, run, config.load(sizes, jobs=1, brain=brain), watch)
    return run


@pytest.fixture
def broken_off(task, tmp_path, machine):
    """A run that was stopped in the middle of its search."""
    machine.end = "branch-0/refine/1/"
    with pytest.raises(Interrupted):
        begin(task, tmp_path / "run", "playbook", "judging.race=0")
    machine.end = "nowhere/"
    return tmp_path / "run"


def add(run, number):
    return contributing.add_text(run, f"script {number}", SCRIPT % number, "me", watch)


def end(run):
    """How a run ended: what is final, what lies in best/, how often the sealed rows were looked at."""
    facts = queries.facts(run)
    kept = (run / "best" / "solution.py").read_text()
    assert body(kept) == body(facts["final"]["script"])
    return facts["state"], facts["final"]["search"], kept, facts["sealed_seen"]


def leaders(run):
    """What the early finish chooses from."""
    (terms,) = queries.steps(run, "finish-1/terms")
    return json.loads(terms.result or "{}")["found"]


def addresses(run):
    return {row.address for row in queries.steps(run)}


def test_an_early_finish_freezes_nothing_and_the_method_can_go_on(broken_off, machine, task, tmp_path):
    before = addresses(broken_off)
    contributing.finish(broken_off, {}, watch)
    assert end(broken_off)[0] == "done"
    made = addresses(broken_off) - before
    assert made
    assert all(address.startswith("finish-1/") for address in made), sorted(made)
    assert "branch-0/init/candidate/0" in leaders(broken_off)
    runs.resume(broken_off, {}, watch)
    runs.start(task, tmp_path / "whole", config.load([*SIZES, "refine.outer=2", "refine.looks=1", "judging.race=0"],
                                                     jobs=1, brain="playbook"), watch)  # fmt: skip
    assert end(broken_off)[:3] == end(tmp_path / "whole")[:3], "as if nobody had finished it"
    last = end(broken_off)
    for again in (contributing.finish, runs.resume):
        again(broken_off, {}, watch)
        assert end(broken_off) == last


def test_an_early_finish_stays_early_when_more_is_handed_in(broken_off, machine):
    contributing.finish(broken_off, {}, watch)
    first, paid = end(broken_off), len(machine.ran)
    contributing.finish(broken_off, {}, watch)
    assert (end(broken_off), len(machine.ran)) == (first, paid)
    before = addresses(broken_off)
    add(broken_off, 1)
    contributing.finish(broken_off, {}, watch)
    assert {a.split("/")[0] for a in addresses(broken_off) - before} == {"added", "finish-2"}


def test_a_budget_that_is_given_to_an_early_finish_loses_no_leader(broken_off):
    contributing.finish(broken_off, {"budget": 600.0}, watch)
    assert "branch-0/init/candidate/0" in leaders(broken_off)
    assert "branch-0/init/fits" not in addresses(broken_off)


def test_nobody_is_asked_in_an_early_finish(broken_off, monkeypatch):
    with Store.open(broken_off) as store:
        store.set_fact("settings", store.facts["settings"] | {"brain": "relay", "ensemble": {"rounds": 3}})
    contributing.finish(broken_off, {}, watch)
    assert end(broken_off)[0] == "done"
    assert not Mail(broken_off).questions()


def test_a_finish_after_the_end_waits_for_nobody(task, tmp_path, machine, monkeypatch):
    run = begin(task, tmp_path / "run", "playbook", "ensemble.rounds=3")
    with Store.open(run) as store:
        store.set_fact("settings", store.facts["settings"] | {"brain": "relay"})
    monkeypatch.setattr(casting.Relay, "say", lambda *given: pytest.fail("it would wait for somebody"))
    add(run, 1)
    contributing.finish(run, {}, watch)
    assert end(run)[0] == "done"
    assert "added/1::" in str([row.result for row in queries.steps(run, "finish-1/ensemble")])
    last, paid = end(run), len(machine.ran)
    contributing.finish(run, {}, watch)
    assert (end(run), len(machine.ran)) == (last, paid)


@pytest.mark.parametrize("brain", ["playbook", "none"])
def test_a_budget_for_a_run_without_a_method_is_refused(task, tmp_path, machine, brain):
    run = begin(task, tmp_path / "run", brain)
    state = queries.facts(run)["state"]
    with pytest.raises(SettingsError, match="--budget is the time of a run's method"):
        contributing.finish(run, {"budget": 600.0}, watch)
    assert queries.facts(run)["state"] == state
    contributing.finish(run, {"bag": 2}, watch)


@pytest.mark.parametrize("gone", [False, True])
def test_a_finish_knows_the_scripts_that_only_the_journal_has(task, tmp_path, machine, gone):
    run = begin(task, tmp_path / "run")
    add(run, 1)
    if gone:
        (run / "mail.db").unlink()
    else:  # a fork begins without the letters
        contributing.finish(run, {}, watch)
        run = runs.fork(run, "finish-1", tmp_path / "fork", {}, watch)
        assert not (run / "mail.db").exists()
    contributing.finish(run, {}, watch)
    assert "added/1::" in str([row.result for row in queries.steps(run) if "/ensemble" in row.address])


def test_the_later_finish_is_replayed_and_one_that_was_broken_off_is_completed(task, tmp_path, machine):
    run = begin(task, tmp_path / "run")
    alone = end(run)
    for number in range(6):
        add(run, number)
    machine.last = len(machine.ran)
    shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(Interrupted):
        contributing.finish(run, {}, watch)
    assert end(run)[1:] == alone[1:]
    machine.last = 10**9
    for place, first in ((run, runs.resume), (tmp_path / "copy", contributing.finish)):
        first(place, {}, watch)
        better = end(place)
        assert better[1] != alone[1]
        assert better[3] == alone[3] + (1 if alone[3] else 0)
        for again in (contributing.finish, runs.resume, contributing.finish):
            again(place, {}, watch)
            assert end(place) == better
        assert not any(address.startswith("finish-2") for address in addresses(place))
    assert end(run) == end(tmp_path / "copy")


def test_a_free_run_is_left_at_its_last_finish_and_may_still_get_a_brain(task, tmp_path, machine):
    run = begin(task, tmp_path / "run", "none")
    add(run, 1)
    contributing.finish(run, {}, watch)
    first = end(run)
    runs.resume(run, {}, watch)
    assert end(run) == first
    runs.resume(run, {"brain": "playbook"}, watch)
    assert any(address.startswith("finalise/") for address in addresses(run))
    last = end(run)
    contributing.finish(run, {}, watch)
    assert end(run) == last


def test_a_command_is_recorded_and_shown_by_its_program_alone(task, tmp_path, machine):
    run = begin(
        task, tmp_path / "run", "cli:/bin/true --token 'my secret'", "llm.attempts=1", "roles.coder=cli:true secret"
    )
    facts = queries.facts(run)
    assert "secret" in str(facts.pop("settings")), "a resume needs it"
    kept = [blob.read_bytes().decode("latin-1") for blob in (run / "blobs").rglob("*") if blob.is_file()]
    told = [str(queries.steps(run)), str(queries.notes(run)), str(overview.show(run)), reporting.markdown(run)]
    assert not [text for text in (str(facts), *kept, *told) if "secret" in text]
    assert {row.read(Exchange).by for row in queries.steps(run) if row.verb == "call"} == {"cli:true"}
    assert overview.show(run).brain == "cli:true"


def test_whoever_is_named_as_the_finaliser_has_the_last_look(task, tmp_path, machine):
    run = begin(task, tmp_path / "run", "playbook", 'roles.finaliser=cli:echo \'{"finding": "fine"}\'')
    said = [row.read(Exchange) for row in queries.steps(run) if row.verb == "call"]
    assert [(exchange.by, "fine" in exchange.text) for exchange in said] == [("cli:echo", True)]
    assert queries.step(run, "finalise/0/finaliser") is not None


def test_the_sealed_rows_are_counted_by_looks_and_not_by_ends():
    facts = {"sealed_seen": 1, "final": {"script": "a"}}
    facts |= contributing.ending.looked(facts, "b")
    assert facts["sealed_seen"] == 2
    for script in ("a", "b", "a"):
        facts |= contributing.ending.looked(facts, script)
        assert facts["sealed_seen"] == 2


def test_a_wrong_setting_leaves_the_run_as_it_was(task, tmp_path, machine):
    run = begin(task, tmp_path / "run")
    before = queries.facts(run)
    for act in (runs.resume, contributing.finish):
        with pytest.raises(SettingsError):
            act(run, {"brain": "oracle"}, watch)
        after = queries.facts(run)
        assert (after["settings"], after["state"]) == (before["settings"], "done")
    runs.resume(run, {}, watch)


def test_a_look_shows_the_best_solution_of_a_run_that_nobody_drives(broken_off, monkeypatch):
    seen = []
    observe = contributing.guests.studying.observe
    monkeypatch.setattr(contributing.guests.studying, "observe", lambda bench, script, best: (
        seen.append(best), observe(bench, script, best))[1])  # fmt: skip
    contributing.look_text(broken_off, "look", "print(1)\n", "me", watch)
    shown = seen[-1]  # those before were replayed
    assert shown is not None
    with Store.open(broken_off) as store:
        settings = config.changed(store.facts["settings"], {})
        lab = contributing.ending.known(contributing.Lab(runs.workbench(store, settings, watch, runs.Stopping())))
    assert any(address.startswith("branch-0/") for address in lab.found)
    assert shown.score == lab.rank(lab.found.values())[0].score


# --- answers and small things -------------------------------------------------------------------------


@pytest.fixture
def answered(task, tmp_path, machine):
    """Records what became of the answers to one question, and asks for the verdict."""
    run = begin(task, tmp_path / "run", "none")

    def verdict(number, refused=(), whole=True, stood="", following=False):
        parent = f"branch-0/init/question-{number}-{len(refused)}/planner"
        with Store.open(run) as store:
            for i in range(number):
                store.step(f"{parent}/call-{i}", "call", {}, Exchange, lambda: Exchange("text", "me"))
            for i in refused:
                store.note(parent, f"answer {i + 1} of me as planner was refused: there is no code")
            if stood:
                store.note(parent, f"planner: the playbook stood in: {stood}")
            if whole:
                store.step(parent, "brain", {}, str, lambda: "reply")
        mail = Mail(run)
        mail.ask(f"{parent}/call-{max(number - 1, 0)}", "planner", "what now?")
        if following:
            mail.ask(f"{parent}/call-{number}", "planner", "what now?")
        return contributing.answer(run, f"{parent}/call-{max(number - 1, 0)}", "text", "me", 0.0)

    return verdict


def test_only_an_answer_that_was_taken_is_called_taken(answered):
    assert answered(1) == "taken"
    assert answered(2, refused=[0]) == "taken"
    last = answered(3, refused=[0, 1, 2], stood="no answer of 3 could be taken")
    assert last.startswith("refused: answer 3 of me")
    assert "stood in" in last
    assert answered(0, stood="nobody answered in time").startswith("refused: it came too late")


def test_a_refused_answer_names_the_next_question(answered):
    assert "open again as" in answered(2, refused=[0, 1], whole=False, following=True)


def test_a_refused_question_is_kept_for_who_answered_it(tmp_path, task):
    run = begin(task, tmp_path / "run", "none")
    mail = Mail(run)
    mail.ask("start/planner/call-0", "planner", "what now?")
    assert mail.claim("me")
    mail.answer("start/planner/call-0", "no answer", "me")
    mail.ask("start/planner/call-1", "planner", "what now, once more?")
    assert mail.claim("another") is None
    assert mail.claim("me").name == "start/planner/call-1"
    assert mail.claim("me") is None, "handed out once"


def test_a_brief_question_leaves_out_what_its_answerer_was_shown(tmp_path, task):
    """Each question is whole as it waits; what is left out is what this answerer, of all, has seen in this run."""
    run = begin(task, tmp_path / "run", "none")
    for i in range(5):
        stable = "# Task\n\n" + ("another task" if i == 4 else "a task\n\n---\n\nof two parts")
        Mail(run).ask(f"start/{i}/planner/call-0", "planner", markdown(Prompt(stable, f"# Plan {i}"), ()))
    take = [contributing.claim(run, who, 0.0, brief=True).body for who in ("me", "me", "another", "me", "me")]
    assert [("# Task" in body, f"# Plan {i}" in body) for i, body in enumerate(take)] == [
        (True, True), (False, True), (True, True), (False, True), (True, True),
    ]  # fmt: skip
    assert "ask for start/1/planner/call-0 by its name" in take[1]
    again = contributing.claim(run, "me", 0.0, "start/1/planner/call-0")
    assert again.body.startswith("# Task\n\na task")
    assert again.body.index("**New in this question.**") < again.body.index("# Plan 1")


def test_who_waits_for_a_question_may_come_before_the_run(tmp_path, task, machine, monkeypatch):
    run = tmp_path / "run"
    with pytest.raises(RunError):
        contributing.claim(run, "me", 0.0)

    def pause(seconds):
        if not run.exists():
            begin(task, run, "none")
            Mail(run).ask("start/planner/call-0", "planner", "what now?")

    monkeypatch.setattr(contributing, "pause", pause)
    found = contributing.claim(run, "me", 30.0)
    assert found is not None
    assert found.name == "start/planner/call-0"


def test_a_run_that_was_left_in_between_is_served_at_the_second_try(task, tmp_path, machine, monkeypatch):
    run = begin(task, tmp_path / "run", "none")
    serve, calls = contributing._serve, []

    def once_held(*given):
        calls.append(given)
        if len(calls) == 1:
            raise RunError("another process has it")
        serve(*given)

    monkeypatch.setattr(contributing, "_serve", once_held)
    assert add(run, 1).score is not None


def test_a_word_to_a_done_run_and_an_export_to_nowhere_say_so(task, tmp_path, machine, mle_star):
    run = begin(task, tmp_path / "run")
    assert overview.show(run).state == "done"
    assert "is done" in contributing.steer(run, "hint", "use the colour", "me")
    said = mle_star("hint", run, "use the colour")
    assert "is done" in said.stdout
    said = mle_star("export", run, "--answers", "/no/dir/x")
    assert (said.returncode, "Traceback" in said.stderr) == (2, False)
    assert "/no/dir/x" in said.stderr
