"""A `task.toml`, with the programs that it needs, that a brain proposes for a task folder; a person reads it first.

One question is asked, about the description, the names of files and the first rows of tables: they leave this machine.
What comes back is data: it must parse, know its keys, quote what the description says, and make the folder readable.
Programs run behind the wall, and must pass their self-check.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mlestar import casting, runs
from mlestar.brains.spoken import tasks
from mlestar.brains.spoken.blocks import BadAnswer
from mlestar.brains.spoken.quoting import fenced
from mlestar.brains.spoken.tasks import Folder, Proposal, Quote
from mlestar.brains.spoken.voice import Past, Voice
from mlestar.config import Settings
from mlestar.desk import Purse
from mlestar.errors import NoSolution, SettingsError, Spent, TaskError, Unreachable, UsageError
from mlestar.journal.mail import pause
from mlestar.plain import clean, source, word
from mlestar.ports import Serve
from mlestar.records import Exchange, Left, Usage
from mlestar.report.costs import price
from mlestar.task_keeping import NAME, lay
from mlestar.tasks import metrics
from mlestar.tasks.beginnings import heads, listing
from mlestar.tasks.check import check
from mlestar.tasks.infer import understand_made
from mlestar.tasks.infer_files import description_file, no_task
from mlestar.tasks.manifest import Manifest, read_manifest
from mlestar.tasks.rowfiles import paths
from mlestar.tasks.tables_text import decode

ROWS = 20  # whose files are looked for
_ELSEWHERE = {
    "relay": "relay keeps its questions in a run's folder, and there is no run yet. Let your assistant answer as "
    "cli:COMMAND, or have it read the folder and write task.toml itself",
    "recorded": "a recorded run has answers to the roles of a run only",
}


@dataclass(frozen=True)
class Proposed:
    """A proposal that was checked: `settings` are its entries, `seen` is what `check` says with it.

    `programs` are files by their names; with one, nothing counts before the user accepts it.
    """

    toml: str
    programs: dict[str, str]
    settings: tuple[tuple[str, str], ...]
    evidence: tuple[Quote, ...]
    doubts: str
    seen: str
    used: Usage


@dataclass
class Counter:
    """Implements `ports.Desk` outside of any run: caps hold, nothing is recorded, notes go to whoever listens."""

    purse: Purse
    listen: Callable[[str], None]
    address: str = "check/task-reader"
    made: list[Exchange] = field(default_factory=list)

    def left(self) -> Left:
        """What is left of money and calls; time has no cap here."""
        usd, calls = self.purse.left()
        return Left(usd=usd, calls=calls)

    def call(self, number: int, about: str, ask: Callable[[], Exchange]) -> Exchange:
        """One paid call. Raises Spent when a cap allows no other."""
        self.purse.draw()
        before = len(self.made)
        try:
            self.owe(ask())
        except BaseException:
            if len(self.made) == before:
                self.purse.put_back()
            raise
        return self.made[-1]

    def owe(self, exchange: Exchange) -> None:
        """Pay for an answer, or for tries without one."""
        self.purse.pay(exchange)
        self.made.append(exchange)

    def wait(self, seconds: float) -> bool:
        """Wait; there is always time."""
        pause(seconds)
        return True

    def save(self, text: str) -> str:
        """Nothing is kept."""
        return ""

    def note(self, text: str) -> None:
        """Leave a line for people."""
        self.listen(text)

    def used(self) -> Usage:
        """All calls together."""
        known = [exchange.cost_usd for exchange in self.made if exchange.cost_usd is not None]
        return Usage(
            tasks.ROLE, self.made[-1].by if self.made else "",
            calls=len(self.made),
            requests=sum(exchange.requests for exchange in self.made),
            input_tokens=sum(exchange.input_tokens for exchange in self.made),
            cached_tokens=sum(exchange.cached_tokens for exchange in self.made),
            output_tokens=sum(exchange.output_tokens for exchange in self.made),
            cost_usd=sum(known) if len(known) == len(self.made) else None,
            known_usd=sum(known),
            seconds=0.0,
        )  # fmt: skip


def propose(task: Path, settings: Settings, listen: Callable[[str], None]) -> Proposed:
    """Have the brain of the settings propose a `task.toml`.

    Raises SettingsError and TaskError before anything is asked; NoSolution when no answer can be taken or a cap is
    reached; Unreachable when nobody answers.
    """
    name = settings.brain
    if name in casting.ALONE or name.partition(":")[0] in _ELSEWHERE:
        why = _ELSEWHERE.get(name.partition(":")[0], f"{name} reads no descriptions")
        raise SettingsError(f"--brain {name}: {why}. Write --brain provider:model or cli:COMMAND")
    with casting.voice(settings, name, tasks.ROLE) as voice, tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
        desk = Counter(Purse(settings.max_cost, settings.max_calls), listen)
        return _asked(task, voice, settings.llm.attempts, desk, _Bench(partial(runs.serve, settings), Path(scratch)))


@dataclass(frozen=True)
class _Bench:
    """Where answers are tried out."""

    serve: Serve
    scratch: Path


def _asked(task: Path, voice: Voice, attempts: int, desk: Counter, bench: _Bench) -> Proposed:
    """Ask until an answer can be taken."""
    folder = look(task, bench.serve)
    prompt, past, complaint = tasks.render(folder), Past(), ""
    for number in range(attempts):
        try:
            answer = desk.call(number, complaint, partial(voice.say, tasks.ROLE, prompt, past, desk))
        except Spent as error:
            raise NoSolution(_failed(str(error), complaint, desk), budget=True) from None
        except Unreachable as error:
            what = str(error).partition("; nothing is lost")[0]
            raise Unreachable(f"{what}; nothing was written, ask again later") from None
        try:
            return _checked(tasks.read(answer.text, folder.description), task, number, desk, bench)
        except BadAnswer as error:
            complaint = str(error)
            past = (*past, (answer.text, complaint))
            desk.note(f"answer {number + 1} of {answer.by} was refused: {word(complaint, 300)}")
    raise NoSolution(_failed(f"no answer of {attempts} could be taken", complaint, desk), budget=False)


def look(task: Path, serve: Serve) -> Folder:
    """What there is to tell of a task folder. Raises TaskError where it holds no description, or cannot be read."""
    if not task.is_dir():
        raise no_task(task)
    try:
        described = description_file(task)
        if not described:
            raise TaskError(f"{task} has no description.md, so there is nothing to read; add one, or write {NAME}")
        text, _ = decode((task / described).read_bytes(), described)
        mine = task / NAME
        return Folder(
            source(text), listing(task), heads(task), _inferred(task, serve),
            mine.read_text(encoding="utf-8", errors="replace") if mine.is_file() else "", tuple(metrics.METRICS),
        )  # fmt: skip
    except OSError as error:
        raise TaskError(f"{task}: {error.filename or 'a file'} cannot be read: {error.strerror or error}") from None


def _inferred(task: Path, serve: Serve) -> str:
    try:
        return check(task, serve)
    except UsageError as error:
        return f"It cannot use the folder as it is: {error}"


def _failed(why: str, complaint: str, desk: Counter) -> str:
    last = f"; the last was refused: {word(complaint, 500)}" if complaint else ""
    cost = f" ({_bill(desk.used())})" if desk.made else ""
    return f"there is no proposal for {NAME}: {why}{last}{cost}"


def _checked(found: Proposal, task: Path, number: int, desk: Counter, bench: _Bench) -> Proposed:
    """The proposal, tried on links to the folder's files. Raises BadAnswer with what is wrong with it."""
    scratch, programs = bench.scratch / str(number), dict(found.programs)
    place = scratch / (task.resolve().name or "task")
    try:
        lay(task.resolve(), place, {NAME: found.toml, **programs})
        manifest = read_manifest(place)
        _vet(manifest, programs, place)
        _find_row_files(manifest, place, bench.serve, task)
        seen = check(place, bench.serve, task)
    except TaskError as error:
        said = clean(str(error)).replace(str(place), place.name)
        raise BadAnswer(
            f"With this task.toml the folder cannot be used:\n\n{fenced(said, most=3_000)}\n\nSend the whole answer "
            "again, mended: the json block, one toml block, and the programs that it needs."
        ) from None
    named = {"assets"} if manifest.assets else set()
    named |= manifest.task.model_fields_set
    evidence = tuple(quote for quote in found.evidence if quote.setting in named)
    return Proposed(found.toml, programs, manifest.settings(), evidence, found.doubts, seen, desk.used())


def _vet(manifest: Manifest, programs: dict[str, str], place: Path) -> None:
    """Refuse programs that are not used or not there, and metrics that nobody knows."""
    entry = manifest.task
    file, _, name = (entry.metric or "").partition(":")
    if name and not (place / file).is_file():
        raise TaskError(f"metric = {entry.metric!r}: there is no {file}; name a known metric, or send ```python {file}")
    if "metric.py" in programs and file != "metric.py":
        raise TaskError('metric.py is not used: set metric = "metric.py:score" and `direction`, or leave it out')
    if "task.py" in programs and entry.kind not in (None, "custom"):
        raise TaskError(f'task.py is not used with kind = "{entry.kind}": leave one of them out')
    if entry.metric is not None and not name:
        metrics.get(entry.metric)


def _find_row_files(manifest: Manifest, place: Path, serve: Serve, data: Path) -> None:
    """Row files are taken on trust by `check`; a brain's must be there."""
    if not manifest.assets:
        return
    found = understand_made(place, serve, data)
    for asset in manifest.assets:
        for pattern, table in ((asset.train, found.train), (asset.test, found.test)):
            wanted = paths(pattern, table.frame.head(ROWS))
            if not any((place / path).exists() for path in wanted):
                tried = f", such as {wanted[0]!r}" if wanted else f": {table.name} has no such column"
                raise TaskError(f"assets: no file of {pattern!r} is there{tried}")


def told(found: Proposed) -> str:
    """A proposal as people read it."""
    shown = [f"  {text}" for text in found.toml.rstrip("\n").split("\n")]
    if not found.settings:
        shown = ["  nothing needs to be set"]
    lines = [f"{word(found.used.by)} proposes as {NAME}:", "", *shown, "", *_rests(found)]
    for name, code in found.programs.items():
        lines += [f"and this program as {name}:", "", *(f"  {text}" for text in code.rstrip("\n").split("\n")), ""]
    if found.doubts:
        lines += ["doubts", *(f"  ? {word(text, 500)}" for text in found.doubts.split("\n") if text.strip()), ""]
    lines += ["with it, `mle-star check` says", "", *(f"  {text}" for text in found.seen.split("\n")), ""]
    return "\n".join([*lines, _bill(found.used)])


def _rests(found: Proposed) -> list[str]:
    """Each entry with the lines of the description that it rests on."""
    lines = []
    for name in dict.fromkeys(re.sub(r"\[\d+\]$", "", name) for name, _ in found.settings):
        quotes = [f"line {quote.line}: {word(quote.text, 300)!r}" for quote in found.evidence if quote.setting == name]
        lines += [f"  {name:<8}{text}" for text in quotes or ["nothing that the description says"]]
    return ["it rests on", *lines, ""] if lines else []


def _bill(used: Usage) -> str:
    """What the calls took."""
    counted = used.input_tokens + used.output_tokens > 0
    tokens = f"{used.input_tokens:,} tokens in, {used.output_tokens:,} out" if counted else "tokens unknown"
    return f"{used.calls} call{'s' if used.calls != 1 else ''} to {word(used.by)}, {tokens}, price {price(used)}"


def files(found: Proposed) -> dict[str, str]:
    """The files of a proposal, by their names; a `task.toml` only where it sets something."""
    return {**found.programs, **({NAME: found.toml} if found.settings else {})}
