"""Reading a run, while another process may be writing it: for `show`, reports and the dashboard.

Every function opens the journal read-only and closes it again. All raise RunError when `run` is no run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from mlestar.errors import RunError
from mlestar.journal import codec
from mlestar.journal.blobs import Blobs
from mlestar.journal.database import find
from mlestar.journal.lock import is_held
from mlestar.journal.reading import reading
from mlestar.records import Exchange, Letter, Usage, Verb
from mlestar.roles import ROLES

T = TypeVar("T")
TOLD = "told"  # the last word of an address at which a record stands, in place of a line for people
_TAKEN = re.compile(r"added/(?:look-)?(\d+)(?:/|$)")


@dataclass(frozen=True)
class StepRow:
    """One row of the journal. `result` is the answer as JSON text; wall times in seconds since the epoch."""

    address: str
    verb: Verb
    state: Literal["running", "ok", "error"]
    inputs: str
    result: str | None
    error: str | None
    cost_usd: float | None
    tokens: int | None
    started: float
    finished: float | None
    seconds: float | None

    def read(self, returns: type[T]) -> T:
        """The answer as the record it is."""
        if self.result is None:
            raise RunError(f"step {self.address!r} has no answer, it is {self.state}")
        return codec.decode(self.result, returns)


@dataclass(frozen=True)
class Note:
    """A line left for people."""

    address: str
    text: str
    at: float


def facts(run: Path) -> dict[str, Any]:
    """What the run is, by name."""
    with reading(run) as db:
        return {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM facts")}


def steps(run: Path, prefix: str = "") -> list[StepRow]:
    """The steps at `prefix` and beneath it, in the order in which they began."""
    with reading(run) as db:
        rows = db.execute(
            "SELECT address, verb, state, inputs, result, error, cost_usd, tokens, started, finished, seconds"
            " FROM steps WHERE ? = '' OR address = ? OR substr(address, 1, length(?) + 1) = ? || '/' ORDER BY began",
            (prefix, prefix, prefix, prefix),
        )
        return [StepRow(*row) for row in rows]


def step(run: Path, address: str) -> StepRow | None:
    """The step at `address` itself."""
    return next((row for row in steps(run, address) if row.address == address), None)


def notes(run: Path, prefix: str = "") -> list[Note]:
    """The lines for people at `prefix` and beneath it, oldest first."""
    with reading(run) as db:
        rows = [Note(*row) for row in db.execute("SELECT address, text, at FROM notes ORDER BY number")]
    found = [note for note in rows if not note.address.endswith(f"/{TOLD}")]
    return [note for note in found if not prefix or (note.address + "/").startswith(prefix + "/")]


def highest_letter(run: Path) -> int:
    """The highest number of a letter that the run's steps know, taken or heard; 0 where there is none."""
    with reading(run) as db:
        rows = db.execute(
            "SELECT address, CASE WHEN address LIKE '%/heard' AND state = 'ok' THEN result END FROM steps"
            " WHERE address LIKE 'added/%' OR address LIKE '%/heard'"
        ).fetchall()
    taken = [int(found[1]) for address, _ in rows if (found := _TAKEN.match(address))]
    heard = [letter.number for _, text in rows if text for letter in codec.decode(text, tuple[Letter, ...])]
    return max([*taken, *heard], default=0)


def handed_in(run: Path) -> list[Letter]:
    """The scripts that the run's steps know to have been handed in, oldest first."""
    rows = [row for row in steps(run, "added") if row.address.endswith("/handed-in") and row.state == "ok"]
    return sorted((row.read(Letter) for row in rows), key=lambda letter: letter.number)


def counts(run: Path) -> dict[Verb, int]:
    """How many steps of each verb have an answer."""
    with reading(run) as db:
        found = dict(db.execute("SELECT verb, count(*) FROM steps WHERE state = 'ok' GROUP BY verb").fetchall())
    return {verb: found.get(verb, 0) for verb in get_args(Verb)}


def cost(run: Path) -> float | None:
    """What the run was charged in US dollars, also for calls whose answer was lost; None when no step had a price."""
    with reading(run) as db:
        total: float | None = db.execute("SELECT sum(cost_usd) FROM steps").fetchone()[0]
    return total


def paid(run: Path) -> tuple[float, int]:
    """What the calls count for under a cap in US dollars, and how many were paid for, also without an answer."""
    counted = {row.address: x.most_usd if x.cost_usd is None else x.cost_usd for row, x in _calls(run)}
    rows = [row for row in steps(run) if row.verb == "call" and (row.state == "ok" or row.tokens is not None)]
    return sum(max(counted.get(row.address, 0.0), row.cost_usd or 0.0) for row in rows), len(rows)


def usage(run: Path) -> list[Usage]:
    """What the recorded calls took, by role and by who answered; roles in the order of their names."""
    return tally(_calls(run))


def tally(calls: Iterable[tuple[StepRow, Exchange]]) -> list[Usage]:
    """What these calls took, by role and by who answered."""
    groups: dict[tuple[str, str], list[tuple[StepRow, Exchange]]] = {}
    for row, exchange in calls:
        groups.setdefault((_role(row.address), exchange.by), []).append((row, exchange))
    return [_used(role, by, found) for (role, by), found in sorted(groups.items())]


def _calls(run: Path) -> list[tuple[StepRow, Exchange]]:
    return [(row, row.read(Exchange)) for row in steps(run) if row.verb == "call" and row.state == "ok"]


def _role(address: str) -> str:
    """The role that a call was made for: the last word but one of its address."""
    word = address.rpartition("/")[0].rpartition("/")[2]
    return next((role for role in ROLES if role.replace(" ", "-") == word), word.replace("-", " "))


def _used(role: str, by: str, found: list[tuple[StepRow, Exchange]]) -> Usage:
    """The sums. A call that was paid for again after a crash has its whole price at its step."""
    known = sum(max(exchange.cost_usd or 0.0, row.cost_usd or 0.0) for row, exchange in found)
    exchanges = [exchange for _, exchange in found]
    return Usage(
        role, by, len(found),
        requests=sum(x.requests for x in exchanges),
        input_tokens=sum(x.input_tokens for x in exchanges),
        cached_tokens=sum(x.cached_tokens for x in exchanges),
        output_tokens=sum(x.output_tokens for x in exchanges),
        cost_usd=None if any(x.cost_usd is None for x in exchanges) else known,
        known_usd=known,
        seconds=sum(row.seconds or 0.0 for row, _ in found),
    )  # fmt: skip


def spent(run: Path) -> float:
    """Seconds worked on the run over all sittings, up to the last heartbeat."""
    with reading(run) as db:
        return float(db.execute("SELECT coalesce(sum(seconds), 0) FROM sittings").fetchone()[0])


def blob(run: Path, digest: str) -> bytes:
    """The content of a blob. Raises RunError when it is missing or damaged."""
    return Blobs(run / "blobs").load(digest)


def is_running(run: Path) -> bool:
    """Whether some process drives the run now."""
    find(run)
    return is_held(run)
