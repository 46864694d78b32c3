"""The frozen nouns that travel between rooms (DESIGN.md §2).

Every record is a frozen dataclass of plain values, so that it can be written to the journal as JSON
and read back equal. Predictions are the exception: arrays live in blobs, named by their digest.

A *prediction* is always a float array of shape (rows, columns), in the row order of a view's test
side. What its columns are follows from `Profile.predicts`:

    label         one column per class of `Profile.classes`, a probability (or any score) each;
                  the submitted label is the class with the largest value
    ranking       like `label`; the submitted value lists the best classes, best first
    probability   one column per entry of `Profile.prediction_columns`
    value         one column per entry of `Profile.prediction_columns`, on the target's own scale
    text          free text: an object array of strings, one column per target; never blended
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from mlestar.plain import word

Direction = Literal["max", "min"]
Predicts = Literal["label", "ranking", "probability", "value", "text"]
ColumnKind = Literal["number", "category", "boolean", "date", "text", "list", "code", "constant"]
OutcomeState = Literal[
    "ok", "exception", "timeout", "memory", "disk", "processes", "output", "signal", "stopped", "late"
]
Verb = Literal["brain", "call", "execute", "search", "decide", "judge"]
AT_ONCE = 20.0  # seconds within which a free place of a cluster is found

MOST_TITLE = 50  # characters
_CLAUSE = re.compile(r"[.,;]\s| because |\n")

# --- the task, as brains and scripts may know it ---------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One feature column that train and test share. `code` is structured short text such as `F/906/P`."""

    name: str
    kind: ColumnKind
    missing: float
    distinct: int
    examples: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Asset:
    """Files that belong to rows: patterns relative to the folder, with `{column}` placeholders."""

    train: str
    test: str
    suffix: str
    kind: Literal["text", "image", "audio", "table", "other"] = "other"
    example: str = ""  # how the file of one training row that is not sealed begins, where it is text


@dataclass(frozen=True)
class Pixels:
    """Image in, image out: the files of images as patterns of `{image}`, and how the pixels stand in a submission."""

    inputs: str
    targets: str
    tests: str
    channels: int  # of the inputs: 1 or 3
    id: tuple[str, ...]  # the id columns of the submission
    patterns: tuple[str, ...]  # what each holds, made of {image}, {row} and {column}
    first: int  # what rows and columns are counted from
    down: bool  # whether the pixels of a column follow each other, not those of a row
    white: float  # the value of the greatest intensity


@dataclass(frozen=True)
class Profile:
    """What a brain knows of a task: from search rows and the test table only, never from sealed rows."""

    name: str
    kind: Literal["table", "forecast", "pixels", "custom"]
    description: str
    train: str
    test: str
    sample: str
    id: tuple[str, ...]
    target: tuple[str, ...]
    predicts: Predicts
    prediction_columns: tuple[str, ...]
    classes: tuple[str, ...]
    metric: str
    direction: Direction
    split: str
    rows: int
    test_rows: int
    columns: tuple[Column, ...]
    assets: tuple[Asset, ...] = ()
    train_only: tuple[str, ...] = ()
    other_files: tuple[str, ...] = ()
    target_minimum: float | None = None
    target_maximum: float | None = None
    target_skew: float | None = None
    class_shares: tuple[float, ...] = ()
    integer_target: bool = False
    warnings: tuple[str, ...] = ()
    series: tuple[str, ...] = ()  # of a forecast: the columns that name a series; () = it is one series
    time: str = ""  # of a forecast: the column of its times; "" = it is no forecast
    series_count: int = 0
    history: int = 0  # median rows of a series
    horizon: int = 0  # median rows of a series in the test
    target_within: str = ""  # the column of which text targets are pieces, mostly
    pixels: Pixels | None = None
    pixel_count: int = 0  # of all training images
    dialects: tuple[tuple[str, str, str], ...] = ()  # file, separator, encoding; () = the usual
    commas: tuple[str, ...] = ()  # columns whose numbers have decimal commas
    day_first: tuple[str, ...] = ()  # columns whose dates have the day first

    @property
    def apart(self) -> tuple[str, ...]:
        """The id, which is no feature; columns that name rows only together are, but for those of a forecast."""
        return self.id if len(self.id) == 1 or self.time else ()


# --- scripts, jobs, outcomes -----------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """Ceilings of one job: wall seconds, MiB, counts.

    `left` are the seconds until its phase ends, by which it may be late by `grace`; None where there is no budget.
    """

    seconds: float
    memory_mb: int
    processes: int = 64
    disk_mb: int = 2048
    output_kb: int = 1024
    threads: int = 1
    left: float | None = None
    grace: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds that it may wait for a place before its time is up: enough to get one that is free, however late."""
        return math.inf if self.left is None else max(self.left + self.grace, AT_ONCE)

    def after(self, waited: float) -> float:
        """Seconds until its time is up, from when it got its place after so many."""
        return math.inf if self.left is None else max(self.left - waited, self.grace)


@dataclass(frozen=True)
class Job:
    """One execution: `script` runs in the fresh folder `folder` with `view` readable as `input/`.

    `keep` is the folder that gets its fitted models, if it ends well; `models` is one that an earlier job's went to.
    """

    address: str
    script: str
    view: str
    folder: str
    limits: Limits
    keep: str = ""
    models: str = ""
    devices: str = ""  # the graphics processors that it may use, as CUDA numbers them; empty: all


@dataclass(frozen=True)
class Fits:
    """What became of a job's fits, as its own process tells: `left` were to be kept, but had no room."""

    fits: int
    taken: int
    kept: int
    left: int


@dataclass(frozen=True)
class Outcome:
    """What came back from a job. `opened` are paths below `input/`, row files folded into patterns."""

    state: OutcomeState
    seconds: float
    peak_mb: float = 0.0
    output: str = ""
    error: str = ""
    opened: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    fits: Fits | None = None
    node: str = ""  # of a cluster; empty on this machine

    @property
    def ok(self) -> bool:
        return self.state == "ok"


# --- scores ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """One named prediction of an execution on one view; `blob` is the digest of its array."""

    name: str
    value: float
    blob: str


@dataclass(frozen=True)
class Judged:
    """The judge's word on one execution on one view.

    `reason` is None when the submission is valid, else says what is wrong with it. `replicates` are
    the metric on bootstrap resamples of the view's owners, with the same random numbers for every
    script, so that two scripts are compared pairwise; empty where there are fewer than 10 owners.
    `notes` say which members were skipped and why.
    `members[0]` is the submission itself (its soft form where `members.parquet` gave one).
    """

    reason: str | None
    value: float | None = None
    rows: int = 0
    replicates: tuple[float, ...] = ()
    groups: tuple[tuple[str, float], ...] = ()
    members: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoldResult:
    """One execution on one fold, judged."""

    fold: int
    outcome: Outcome
    judged: Judged


@dataclass(frozen=True)
class Score:
    """The metric within each fold, weighted by rows; `stderr` from the folds' replicates.

    `groups` is the metric by owner, where those are too few for replicates.
    """

    value: float
    stderr: float | None
    direction: Direction
    folds: tuple[int, ...]
    values: tuple[float, ...]
    groups: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        error = "" if self.stderr is None else f" ± {self.stderr:.4f}"
        return f"{self.value:.5f}{error}"

    def beats(self, other: Score | None) -> bool:
        """Whether it is better than another or none, noise left aside."""
        if other is None:
            return True
        return self.value > other.value if self.direction == "max" else self.value < other.value


@dataclass(frozen=True)
class Solution:
    """A script with a name, where it came from, and a rough cost (recipe units, never measured seconds).

    `parents` are the addresses of the evaluations that it was made from.
    """

    name: str
    script: str
    source: str
    cost: float = 1.0
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """A solution and what came of it. `score` is None when it failed; then `reason` says why.

    `dropped` is true when it was ended before its last fold; `reason` says why then, too. `address` is where it was
    evaluated.
    """

    solution: Solution
    address: str
    score: Score | None
    reason: str | None
    results: tuple[FoldResult, ...]
    dropped: bool = False

    @property
    def seconds(self) -> float:
        return max((r.outcome.seconds for r in self.results), default=0.0)


# --- the method ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Idea:
    """A model or technique found by searching: `recipe` names a library entry, `source` where it is from."""

    name: str
    why: str
    source: str
    recipe: str = ""
    code: str = ""
    cost: float = 1.0


@dataclass(frozen=True)
class Standing:
    """How one solution of a branch stands: its score, the seconds of its slowest fold, how many members it banked.

    `parts` are these members with their own scores, best first; `printed` is the end of what a fold printed; `address`
    is where it was evaluated, which tells two of one name apart.
    """

    name: str
    score: Score | None
    seconds: float
    members: int
    reason: str | None = None
    parts: tuple[tuple[str, float], ...] = ()
    printed: str = ""
    address: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """What another branch had found by the time somebody asked, bounded.

    `solutions` are the names of its best, best first, with their scores and what each gained over what it was made
    from (positive = better; None for a first script); `lost` the names of others, dropped or without a score. `looked`
    is the beginning of what its last look printed.
    """

    branch: int
    solutions: tuple[tuple[str, Score, float | None], ...]
    looked: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effect:
    """What neutralising a cell costs: positive `effect` = the cell helps. 80 % interval `low`..`high`."""

    cell: str
    effect: float | None
    low: float | None
    high: float | None
    note: str = ""


@dataclass(frozen=True)
class Target:
    """The cell to refine, and why it was chosen."""

    cell: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What to try on a cell. `recipe` names a library alternative when there is one.

    `cells` are the rewritten cells where the planner wrote them at once: then no coder is asked. `name` is its own
    name for the change, if it gave one.
    """

    text: str
    cell: str
    recipe: str = ""
    cost: float = 1.0
    cells: tuple[tuple[str, str], ...] = ()
    name: str = ""

    @property
    def title(self) -> str:
        """What the change is called where there is little room: its name, its recipe, or how its text begins."""
        clause = _CLAUSE.split(self.text.strip(), maxsplit=1)[0]
        return word(self.name or self.recipe or clause, MOST_TITLE)


@dataclass(frozen=True)
class Attempt:
    """One ledger line. `gain` is positive when it beat its incumbent, in the metric's units."""

    address: str
    cell: str
    plan: Plan
    score: Score | None
    gain: float | None
    accepted: bool
    seconds: float
    reason: str | None = None

    @property
    def open(self) -> bool:
        """Whether the plan is being tried: a plan of the same batch, chosen, but without a result yet."""
        return self.score is None and self.reason is None


@dataclass(frozen=True)
class Blend:
    """A way to join banked members, or one solution alone (`source` is then `single`).

    `weights` are by member key, `<address of the evaluation>::<member>`; for a blend that the brain
    proposed they only say which members it joins, and `learned` holds its WEIGHTS as JSON, under the
    same keys. `without[i]` names the members chosen without piece i. `results` are its judged folds. `pools[i]` are all
    members of some scripts that the finish can afford: those chosen without piece i, and others; the last without none.
    `left_out` are the addresses of banked scripts that are not in the last one, each with the reason.
    """

    name: str
    source: str
    weights: tuple[tuple[str, float], ...]
    score: Score
    results: tuple[tuple[int, Judged], ...]
    without: tuple[tuple[str, ...], ...] = ()
    cells: tuple[tuple[str, str], ...] = ()
    learned: str = ""
    pools: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    code: tuple[tuple[str, str], ...] = ()  # of a blend that was proposed: its cells as they came, `learn` too


@dataclass(frozen=True)
class Tried:
    """What became of a solution, for pages and reports: `script` is the digest of its text."""

    name: str
    source: str
    script: str
    parents: tuple[str, ...]
    score: Score | None
    reason: str | None
    dropped: bool
    seconds: float


@dataclass(frozen=True)
class Ablated:
    """The effects of the cells of the solution that was evaluated at `address`."""

    address: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Blended:
    """One round of the ensemble: what it joins, and its score on pieces it has not seen."""

    name: str
    source: str
    weights: tuple[tuple[str, float], ...]
    score: Score


Told = Tried | Ablated | Attempt | Blended  # what a run publishes of itself


@dataclass(frozen=True)
class Breadths:
    """The paper's loop sizes (Nam et al. 2025, section 4): M, L, T, K, R, debug rounds D, and bounds of ours.

    `mergers` None: while they help. `company`: further branches, which the playbook plays beside a brain that is asked.
    `onward`: a plan starts from what an earlier one of its step has gained.
    """

    candidates: int = 4
    branches: int = 2
    outer: int = 4
    inner: int = 4
    rounds: int = 5
    debug: int = 2
    looks: int = 1
    mergers: int | None = None
    variants: int = 6
    batch: int = 1
    company: int = 0
    onward: bool = False

    @property
    def abreast(self) -> int:
        """All branches."""
        return self.branches + self.company

    def company_plays(self, branch: int) -> bool:
        """Whether a branch is one of those that the playbook plays for company."""
        return branch >= self.branches


@dataclass(frozen=True)
class Final:
    """What a run ends with. `sealed` is None where nothing was sealed.

    `parts` are the weights that chose the members; where `learned` is true, the script holds others, learned later.
    `estimate` is what to expect: the sealed score, else the search score less what choosing flattered it.
    """

    name: str
    script: str
    parts: tuple[tuple[str, float], ...]
    search: Score
    sealed: Score | None
    optimism: float | None
    estimate: Score
    bag: int = 1
    learned: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """One library entry (DESIGN.md §9; the format is in docs/recipes.md).

    `cell` says what it is an alternative for: `skeleton` for the fixed cells of a kind, else a cell
    name such as `model`, `features`, `dates`, `blend`. `form` is `classes`, `values`, or `any`.
    `cells` are the cells it brings (its own and companions), `neutral` their neutral forms.
    """

    name: str
    kind: str
    cell: str
    form: str
    why: str
    cells: tuple[tuple[str, str], ...]
    neutral: tuple[tuple[str, str], ...] = ()
    when: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    cost: float = 1.0
    source: str = ""


# --- those who are asked in words ------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """One result of a search outside: `text` is what it says, cut to a bound; never an instruction to anybody."""

    title: str
    address: str
    date: str
    text: str
    provider: str


@dataclass(frozen=True)
class Exchange:
    """One call: the answer in words, who gave it, and what it took. `cost_usd` is None where the price is unknown.

    `most_usd` is what an unknown price counts for under a cap. `prompt` is the digest of what was asked.
    """

    text: str
    by: str
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    most_usd: float = 0.0
    requests: int = 1
    pages: tuple[Page, ...] = ()
    prompt: str = ""


@dataclass(frozen=True)
class Usage:
    """What the recorded calls of one role to one answerer (`by`) took. `requests` counts tries, `seconds` the waiting.

    `cost_usd` is None where the price of any of them is unknown; `known_usd` is what the others cost.
    """

    role: str
    by: str
    calls: int
    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    known_usd: float
    seconds: float


NEW_PART = "**New in this question.** All above is the same in every question of this run."


@dataclass(frozen=True)
class Letter:
    """What somebody handed in while a run went on. `about` says more of its kind; `at` is seconds since the epoch.

    kind `add`    a script; `about` is its name
    kind `look`   a script that only prints
    kind `steer`  `about` is hint, pin, forbid, model, target, or `cell:<name>`; the text says the rest
    """

    number: int
    kind: str
    about: str
    body: str
    sender: str
    at: float


@dataclass(frozen=True)
class Left:
    """What is left of the budgets: seconds of this phase and of the run, US dollars, calls; None = unlimited."""

    phase_seconds: float | None = None
    seconds: float | None = None
    usd: float | None = None
    calls: int | None = None
    folds: int = 5
    slots: int = 1  # of a branch: so many of its jobs run side by side
    job_seconds: float = 600.0  # after which a job that is begun now is ended


@dataclass(frozen=True)
class Surroundings:
    """Where scripts run. `packages` as `name version`, `weights` as the names under `assets/`, with what they are."""

    packages: tuple[str, ...] = ()
    cores: int = 1
    memory_mb: int = 0
    devices: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    job_seconds: float = 600.0
    jobs: int = 1
    rounds: int = 0  # of the ensemble, the greedy one among them; 0 = not known


# --- what people watch and read --------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """One line for whoever watches. `phase` in the paper's words; seconds; None where unlimited.

    `usd` is what the calls count for under a cap; `rest` what the caps leave, in US dollars and in calls.
    """

    phase: str
    doing: str
    best: Score | None
    best_name: str
    jobs: int
    spent: float
    left: float | None
    warning: str = ""
    calls: int = 0
    usd: float = 0.0
    rest: tuple[float | None, int | None] = (None, None)


@dataclass(frozen=True)
class Summary:
    """What `show RUN --json` prints (DESIGN.md §12).

    `brain_calls` are paid calls where the brain speaks in words, else its answers. `cost_usd` is None where the price
    of any call is unknown, and where nothing was paid.
    """

    state: Literal["running", "stopped", "interrupted", "paused", "open", "done", "failed"]
    task: str
    brain: str
    metric: str
    direction: Direction
    split: str
    split_evidence: str
    folds: int
    search_score: float | None
    search_stderr: float | None
    sealed_score: float | None
    sealed_stderr: float | None
    optimism: float | None
    seconds: float
    jobs: int
    brain_calls: int
    cost_usd: float | None
    sandbox: str
    best: str
    estimate: float | None = None
    estimate_stderr: float | None = None
    sealed_seen: int = 0
    sandbox_about: str = ""
    phases: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()
    usage: tuple[Usage, ...] = ()
    groups: tuple[tuple[str, float], ...] = ()  # the search score by group, where those are few


@dataclass(frozen=True)
class Trial:
    """What `try` found out about a script."""

    scored: Scored
    split: str
    metric: str
    wall: str
